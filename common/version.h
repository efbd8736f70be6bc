// The release that this tree builds.
#pragma once

namespace pinnace {

inline constexpr char kVersion[] = "0.1.0";

}  // namespace pinnace
