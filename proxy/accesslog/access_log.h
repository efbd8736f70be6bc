// Access logs: one record a request or connection, in the configured format, to a sink.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

#include "proxy/http/stream_info.h"

namespace proxy {

// A format string with its operators ("%REQ(:METHOD)% %RESPONSE_CODE%"), parsed once.
class LogFormat {
 public:
  // InvalidArgument names the operator that is unknown or malformed.
  static absl::StatusOr<LogFormat> Parse(absl::string_view text);
  // Appends the record; a missing value is "-".
  void Append(const StreamInfo& info, std::string& out) const;
  // A format that is one operator yields its bare value; nullopt if that is missing.
  bool IsSingle() const { return parts_.size() == 1; }
  bool IsNumber() const;
  bool AppendBare(const StreamInfo& info, std::string& out) const;

 private:
  enum class Op : uint8_t {
    kText,
    kStartTime,
    kReq,
    kResp,
    kProtocol,
    kCode,
    kFlags,
    kDetails,
    kDuration,
    kBytesReceived,
    kBytesSent,
    kUpstreamHost,
    kUpstreamCluster,
    kRouteName,
    kDownstreamRemote,
    kDownstreamRemoteNoPort,
    kDownstreamLocal,
    kDownstreamPeerUri,
    kUpstreamPeerUri,
    kSni,
    kUpstreamFailure,
    kResponseDuration,
    kAttempts,
  };
  struct Part {
    Op op = Op::kText;
    std::string text{};      // kText; or the header's name.
    std::string fallback{};  // REQ(name?fallback)
    size_t length_max = 0;
  };
  bool AppendPart(const Part& part, const StreamInfo& info, std::string& out) const;
  std::vector<Part> parts_;
};

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
  std::shared_ptr<const LogFormat> text;                                       // Or:
  std::vector<std::pair<std::string, std::shared_ptr<const LogFormat>>> json;  // Key order kept.
  // Writes the record of `info`; false if the sink dropped it.
  bool Write(const StreamInfo& info) const;
};

// The text format that Envoy uses when none is given.
extern const char kDefaultLogFormat[];

}  // namespace proxy
