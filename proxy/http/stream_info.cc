// Response flags as text.
#include "proxy/http/stream_info.h"

#include <iterator>

#include <absl/strings/str_cat.h>

namespace proxy {

std::string ResponseFlagsText(uint32_t flags) {
  static constexpr const char* kNames[] = {"UH", "UF", "UO", "NR",   "URX", "NC",  "DC",
                                           "UC", "UT", "LR", "UR",   "DPE", "UPE", "SI",
                                           "DI", "FI", "RL", "UAEX", "RLSE"};
  std::string text;
  for (size_t bit = 0; bit < std::size(kNames); ++bit) {
    if ((flags & (1U << bit)) == 0) continue;
    absl::StrAppend(&text, text.empty() ? "" : ",", kNames[bit]);
  }
  return text.empty() ? "-" : text;
}

}  // namespace proxy
