// Takes a command line apart.
#include "control-plane/ctl/arguments.h"

#include <algorithm>

#include <absl/strings/str_cat.h>

namespace control {

std::string Arguments::Get(const std::string& flag, absl::string_view otherwise) const {
  const auto it = flags.find(flag);
  return it == flags.end() ? std::string(otherwise) : it->second.back();
}

absl::StatusOr<Arguments> ParseArguments(const std::vector<std::string>& arguments,
                                         const std::vector<std::string>& known) {
  Arguments out;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument.size() < 2 || argument[0] != '-') {
      out.words.push_back(argument);
      continue;
    }
    std::string flag = argument.substr(argument[1] == '-' ? 2 : 1);
    std::string value;
    const size_t equals = flag.find('=');
    if (equals != std::string::npos) {
      value = flag.substr(equals + 1);
      flag.resize(equals);
    }
    if (std::find(known.begin(), known.end(), flag) == known.end()) {
      return absl::InvalidArgumentError(absl::StrCat("unknown flag: ", argument));
    }
    if (equals == std::string::npos) {
      if (i + 1 == arguments.size()) {
        return absl::InvalidArgumentError(absl::StrCat(argument, ": a value is missing"));
      }
      value = arguments[++i];
    }
    out.flags[flag].push_back(value);
  }
  const std::string format = out.Get("o", "table");
  if (format != "table" && format != "json") {
    return absl::InvalidArgumentError(absl::StrCat("-o ", format, ": want table or json"));
  }
  return out;
}

}  // namespace control
