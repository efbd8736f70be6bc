// One spelling for each path, before anything is decided by it.
#pragma once

#include "proxy/exchange/config.h"
#include "proxy/http/headers.h"

namespace proxy {

enum class PathVerdict : uint8_t {
  kServe,
  kReject,    // 400: escaped slashes, NUL or an escape within an escape, as the rules forbid.
  kRedirect,  // 307 to head.path, which now has its one spelling.
};

// Applies `rules` to the path of `head`, never to its query: escaped slashes; then unreserved
// characters decoded, backslashes turned and dot segments removed (RFC 3986 §6.2.2); then runs of
// slashes merged. New bytes live in the head's arena. O(path).
PathVerdict NormalizePath(const PathRules& rules, RequestHead& head);

}  // namespace proxy
