// Request ids: random version 4 UUIDs.
#pragma once

#include <cstddef>

#include <absl/strings/string_view.h>

#include "common/random.h"

namespace proxy {

inline constexpr size_t kRequestIdBytes = 36;

// Writes kRequestIdBytes characters to `out` (RFC 9562 §5.4).
absl::string_view NewRequestId(pinnace::Random& random, char* out);

}  // namespace proxy
