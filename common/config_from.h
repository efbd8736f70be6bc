// Where a resource that another names comes from.
#pragma once

#include <string>

#include <absl/time/time.h>

namespace pinnace {

// As configured by a ConfigSource. Value.
struct ConfigFrom {
  // Names the source: kStatic, kAds, or the serialized ConfigSource of one of its own.
  std::string source;
  // How long who needs the resource waits for it (initial_fetch_timeout); zero: for ever.
  absl::Duration wait_max = absl::Seconds(15);

  static constexpr char kStatic[] = "";  // The bootstrap, or the process itself.
  static constexpr char kAds[] = "ads";
};

}  // namespace pinnace
