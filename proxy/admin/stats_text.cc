// Prints the stats for people and for Prometheus.
#include <map>

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_replace.h>

#include "proxy/admin/admin.h"

namespace proxy {

std::string StatsText(const StatsRegistry& stats, absl::string_view filter) {
  std::map<std::string, uint64_t> lines;
  stats.ForEach([&](const Scope& scope) {
    const std::string start = scope.start();
    for (size_t i = 0; i < scope.kind().names.size(); ++i) {
      const std::string full = absl::StrCat(start, scope.kind().names[i].name);
      if (filter.empty() || absl::StrContains(full, filter)) lines[full] = scope.Sum(i);
    }
  });
  std::string text;
  for (const auto& [name, value] : lines) absl::StrAppend(&text, name, ": ", value, "\n");
  return text;
}

std::string StatsPrometheus(const StatsRegistry& stats) {
  std::map<std::string, std::string> metrics;  // The text of each metric, with its TYPE line.
  stats.ForEach([&](const Scope& scope) {
    std::string label;
    if (scope.kind().label[0] != '\0') {
      label = absl::StrCat(
          "{", scope.kind().label, "=\"",
          absl::StrReplaceAll(scope.name(), {{"\\", "\\\\"}, {"\"", "\\\""}, {"\n", "\\n"}}),
          "\"}");
    }
    for (size_t i = 0; i < scope.kind().names.size(); ++i) {
      const StatName& stat = scope.kind().names[i];
      const absl::string_view prefix = scope.kind().prefix;
      const std::string name = absl::StrCat("envoy_", prefix, prefix.empty() ? "" : "_",
                                            absl::StrReplaceAll(stat.name, {{".", "_"}}));
      std::string& text = metrics[name];
      if (text.empty())
        absl::StrAppend(&text, "# TYPE ", name, stat.gauge ? " gauge\n" : " counter\n");
      absl::StrAppend(&text, name, label, " ", scope.Sum(i), "\n");
    }
  });
  std::string all;
  for (const auto& [name, text] : metrics) all += text;
  return all;
}

}  // namespace proxy
