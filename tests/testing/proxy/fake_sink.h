// A ByteSink that records what a codec writes.
#pragma once

#include <string>
#include <utility>

#include "proxy/net/connection.h"

namespace proxy {

class FakeSink final : public ByteSink {
 public:
  void Write(absl::string_view data) override { written.append(data.data(), data.size()); }
  size_t buffered() const override { return 0; }
  void PauseReading() override { ++pauses; }
  void ResumeReading() override { --pauses; }
  std::string Take() { return std::exchange(written, {}); }

  std::string written;
  int pauses = 0;
};

}  // namespace proxy
