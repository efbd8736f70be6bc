// Any path: what is served has one spelling, stays inside the root, and keeps its query.
#include <cstdint>
#include <cstdlib>
#include <string>

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include "proxy/exchange/path.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  using Slashes = proxy::PathRules::EscapedSlashes;
  const proxy::PathRules rules = {.escaped_slashes = static_cast<Slashes>(data[0] % 4),
                                  .normalize = (data[0] & 4) != 0,
                                  .merge_slashes = (data[0] & 8) != 0};
  const std::string path(reinterpret_cast<const char*>(data) + 1, size - 1);
  proxy::RequestHead head;
  head.path = path;
  const std::string query(absl::string_view(path).substr(head.PathOnly().size()));
  if (proxy::NormalizePath(rules, head) != proxy::PathVerdict::kServe) return 0;
  if (path.empty() || path[0] != '/') return head.path == path ? 0 : (abort(), 0);
  if (!absl::EndsWith(head.path, query) || head.path[0] != '/') abort();
  const std::string once(head.path);
  const std::string only(head.PathOnly());
  if (rules.normalize && (absl::StrContains(only + "/", "/../") ||
                          absl::StrContains(only + "/", "/./") || absl::StrContains(only, "\\"))) {
    abort();
  }
  if (rules.merge_slashes && absl::StrContains(only, "//")) abort();
  // Escaped slashes may show a second layer; all else is done at once.
  if (rules.escaped_slashes != Slashes::kKeep) return 0;
  if (proxy::NormalizePath(rules, head) != proxy::PathVerdict::kServe || head.path != once) abort();
  return 0;
}
