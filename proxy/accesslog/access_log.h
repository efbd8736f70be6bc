// Access logs: one record a request or connection, in the configured format, to a sink.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

#include "proxy/http/format.h"

namespace proxy {

// Where records go. Any thread may write; never blocks.
class LogSink {
 public:
  virtual ~LogSink() = default;
  // `record` is one line with its newline. False if it was dropped.
  virtual bool Write(absl::string_view record) = 0;
  virtual void Reopen() {}
};

// Appends to `path` ("/dev/stdout" and the like too). Unavailable with errno's text.
absl::StatusOr<std::shared_ptr<LogSink>> OpenFileSink(const std::string& path);

// One configured log: text, or a JSON object of fields.
struct AccessLog {
  std::shared_ptr<LogSink> sink;
  std::shared_ptr<const Format> text;                                       // Or:
  std::vector<std::pair<std::string, std::shared_ptr<const Format>>> json;  // Key order kept.
  // Writes the record of `info`; false if the sink dropped it.
  bool Write(const StreamInfo& info) const;
};

// The text format that Envoy uses when none is given.
extern const char kDefaultLogFormat[];

}  // namespace proxy
