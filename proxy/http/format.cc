// Parsing of format operators and their values.
#include "proxy/http/format.h"

#include <algorithm>
#include <iterator>

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

namespace proxy {
namespace {

absl::string_view VersionText(HttpVersion version) {
  switch (version) {
    case HttpVersion::kHttp10: return "HTTP/1.0";
    case HttpVersion::kHttp11: return "HTTP/1.1";
    case HttpVersion::kHttp2: return "HTTP/2";
  }
  return "-";
}

bool AppendText(absl::string_view value, std::string& out) {
  if (value.empty()) return false;
  out.append(value.data(), value.size());
  return true;
}

bool AppendMillis(int64_t from_ns, int64_t to_ns, std::string& out) {
  if (from_ns == 0 || to_ns == 0) return false;
  absl::StrAppend(&out, (to_ns - from_ns) / 1'000'000);
  return true;
}

bool AppendRequestField(absl::string_view name, const StreamInfo& info, std::string& out) {
  if (info.request == nullptr) return false;
  const RequestHead& head = *info.request;
  if (name == ":method") return AppendText(head.method, out);
  if (name == ":path") return AppendText(head.path, out);
  if (name == ":authority" || name == "host") return AppendText(head.authority, out);
  if (name == ":scheme") return AppendText(head.scheme, out);
  if (name == "x-request-id") return AppendText(info.request_id, out);
  const Header* header = head.headers.Find(name);
  return header != nullptr && AppendText(header->value, out);
}

}  // namespace

absl::StatusOr<Format> Format::Parse(absl::string_view text) {
  static const std::pair<const char*, Op> kOps[] = {
      {"START_TIME", Op::kStartTime},
      {"REQ", Op::kReq},
      {"RESP", Op::kResp},
      {"PROTOCOL", Op::kProtocol},
      {"RESPONSE_CODE", Op::kCode},
      {"RESPONSE_FLAGS", Op::kFlags},
      {"RESPONSE_CODE_DETAILS", Op::kDetails},
      {"DURATION", Op::kDuration},
      {"BYTES_RECEIVED", Op::kBytesReceived},
      {"BYTES_SENT", Op::kBytesSent},
      {"UPSTREAM_HOST", Op::kUpstreamHost},
      {"UPSTREAM_CLUSTER", Op::kUpstreamCluster},
      {"UPSTREAM_CLUSTER_RAW", Op::kUpstreamCluster},
      {"ROUTE_NAME", Op::kRouteName},
      {"DOWNSTREAM_REMOTE_ADDRESS", Op::kDownstreamRemote},
      {"DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", Op::kDownstreamRemoteNoPort},
      {"DOWNSTREAM_LOCAL_ADDRESS", Op::kDownstreamLocal},
      {"DOWNSTREAM_PEER_URI_SAN", Op::kDownstreamPeerUri},
      {"UPSTREAM_PEER_URI_SAN", Op::kUpstreamPeerUri},
      {"REQUESTED_SERVER_NAME", Op::kSni},
      {"UPSTREAM_TRANSPORT_FAILURE_REASON", Op::kUpstreamFailure},
      {"RESPONSE_DURATION", Op::kResponseDuration},
      {"UPSTREAM_REQUEST_ATTEMPT_COUNT", Op::kAttempts},
  };
  Format format;
  while (!text.empty()) {
    const size_t mark = text.find('%');
    if (mark > 0) {
      format.parts_.push_back({.op = Op::kText, .text = std::string(text.substr(0, mark))});
      if (mark == absl::string_view::npos) break;
    }
    text.remove_prefix(mark + 1);
    const size_t end = text.find('%');
    if (end == absl::string_view::npos) {
      return absl::InvalidArgumentError(absl::StrCat("format: no '%' ends '%", text, "'"));
    }
    absl::string_view op = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (op.empty()) {
      format.parts_.push_back({.op = Op::kText, .text = "%"});
      continue;
    }
    Part part;
    absl::string_view argument;
    if (const size_t open = op.find('('); open != absl::string_view::npos) {
      const size_t close = op.find(')', open);
      if (close == absl::string_view::npos) {
        return absl::InvalidArgumentError(absl::StrCat("format: no ')' in '%", op, "%'"));
      }
      if (close + 1 < op.size() &&
          (op[close + 1] != ':' || !absl::SimpleAtoi(op.substr(close + 2), &part.length_max))) {
        return absl::InvalidArgumentError(
            absl::StrCat("format: after ')' only ':LENGTH' may stand in '%", op, "%'"));
      }
      argument = op.substr(open + 1, close - open - 1);
      op = op.substr(0, open);
    }
    const auto* found = std::find_if(std::begin(kOps), std::end(kOps),
                                     [&](const auto& one) { return op == one.first; });
    if (found == std::end(kOps)) {
      return absl::InvalidArgumentError(
          absl::StrCat("format: operator %", op, "% is not supported"));
    }
    part.op = found->second;
    const std::string lower = absl::AsciiStrToLower(argument);
    const size_t question = lower.find('?');
    part.text = lower.substr(0, question);
    if (question != std::string::npos) part.fallback = lower.substr(question + 1);
    format.parts_.push_back(std::move(part));
  }
  return format;
}

bool Format::IsNumber() const {
  if (parts_.size() != 1) return false;
  switch (parts_[0].op) {
    case Op::kCode:
    case Op::kDuration:
    case Op::kBytesReceived:
    case Op::kBytesSent:
    case Op::kResponseDuration:
    case Op::kAttempts: return true;
    default: return false;
  }
}

bool Format::AppendPart(const Part& part, const StreamInfo& info, std::string& out) const {
  switch (part.op) {
    case Op::kText: out += part.text; return true;
    case Op::kStartTime:
      absl::StrAppend(&out,
                      absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", info.start, absl::UTCTimeZone()));
      return true;
    case Op::kReq: {
      const size_t before = out.size();
      const bool found = AppendRequestField(part.text, info, out) ||
                         (!part.fallback.empty() && AppendRequestField(part.fallback, info, out));
      if (part.length_max > 0 && out.size() > before + part.length_max) {
        out.resize(before + part.length_max);
      }
      return found;
    }
    case Op::kResp: {
      if (info.response == nullptr) return false;
      const Header* header = info.response->headers.Find(part.text);
      return header != nullptr && AppendText(header->value, out);
    }
    case Op::kProtocol:
      return info.request != nullptr && AppendText(VersionText(info.request->version), out);
    case Op::kCode: absl::StrAppend(&out, info.status); return true;
    case Op::kFlags: out += ResponseFlagsText(info.flags); return true;
    case Op::kDetails: return AppendText(info.details, out);
    case Op::kDuration: return AppendMillis(info.start_ns, info.end_ns, out);
    case Op::kResponseDuration: return AppendMillis(info.start_ns, info.upstream_first_ns, out);
    case Op::kBytesReceived: absl::StrAppend(&out, info.request_bytes); return true;
    case Op::kBytesSent: absl::StrAppend(&out, info.response_bytes); return true;
    case Op::kUpstreamHost: return AppendText(info.upstream_host.ToString(), out);
    case Op::kUpstreamCluster: return AppendText(info.cluster, out);
    case Op::kRouteName: return AppendText(info.route_name, out);
    case Op::kDownstreamRemote: return AppendText(info.downstream_remote.ToString(), out);
    case Op::kDownstreamRemoteNoPort: return AppendText(info.downstream_remote.ip(), out);
    case Op::kDownstreamLocal: return AppendText(info.downstream_local.ToString(), out);
    case Op::kDownstreamPeerUri: return AppendText(info.downstream_identity, out);
    case Op::kUpstreamPeerUri: return AppendText(info.upstream_identity, out);
    case Op::kSni: return AppendText(info.requested_server_name, out);
    case Op::kUpstreamFailure: return AppendText(info.upstream_failure, out);
    case Op::kAttempts: absl::StrAppend(&out, info.attempts); return true;
  }
  return false;
}

void Format::Append(const StreamInfo& info, std::string& out) const {
  for (const Part& part : parts_) {
    if (!AppendPart(part, info, out)) out.push_back('-');
  }
}

bool Format::AppendBare(const StreamInfo& info, std::string& out) const {
  return AppendPart(parts_[0], info, out);
}

void Format::AppendPresent(const StreamInfo& info, std::string& out) const {
  for (const Part& part : parts_) AppendPart(part, info, out);
}

}  // namespace proxy
