// Texts with operators that a stream's facts fill in.
#pragma once

#include <string>
#include <vector>

#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

#include "proxy/http/stream_info.h"

namespace proxy {

// A text with Envoy's operators ("%REQ(:METHOD)% %RESPONSE_CODE%"), parsed once: for access logs
// and for the values that routes give to headers. Immutable; any thread.
class Format {
 public:
  // InvalidArgument names the operator that is unknown or malformed.
  static absl::StatusOr<Format> Parse(absl::string_view text);
  // Appends the record; a missing value is "-".
  void Append(const StreamInfo& info, std::string& out) const;
  // Appends what there is; a missing value is nothing.
  void AppendPresent(const StreamInfo& info, std::string& out) const;
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

}  // namespace proxy
