// Request ids: random version 4 UUIDs.
#pragma once

#include <string>

#include "common/random.h"

namespace proxy {

// 36 characters, RFC 9562 §5.4.
std::string NewRequestId(pinnace::Random& random);

}  // namespace proxy
