// Flags and words of a command line.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

namespace control {

// "--flag VALUE", "--flag=VALUE", "-o VALUE" and words, in any order.
struct Arguments {
  std::vector<std::string> words;
  std::map<std::string, std::vector<std::string>> flags;  // Without dashes.

  // The last value of a flag.
  std::string Get(const std::string& flag, absl::string_view otherwise = "") const;
  bool json() const { return Get("o", "table") == "json"; }
};

// Errors: InvalidArgument for flags not in `known`, missing values and unknown output formats.
absl::StatusOr<Arguments> ParseArguments(const std::vector<std::string>& arguments,
                                         const std::vector<std::string>& known);

}  // namespace control
