// Http2ProtocolOptions, for both sides.
#include <absl/strings/str_cat.h>

#include "proxy/snapshot/parse.h"

namespace proxy {
namespace {

using envoy::config::core::v3::Http2ProtocolOptions;
using google::protobuf::UInt32Value;

// A numeric option with the bounds of the public API.
struct Option {
  const char* name;
  bool set;
  const UInt32Value& value;
  uint64_t least;
  uint64_t most;
  uint32_t& to;
};

absl::Status Read(const Option& option) {
  if (!option.set) return absl::OkStatus();
  const uint32_t value = option.value.value();
  if (value < option.least || value > option.most) {
    return absl::InvalidArgumentError(absl::StrCat("http2_protocol_options.", option.name,
                                                   ": must be in ", option.least, "..", option.most,
                                                   ", is ", value));
  }
  option.to = value;
  return absl::OkStatus();
}

absl::Status ReadKeepalive(const envoy::config::core::v3::KeepaliveSettings& proto,
                           KeepaliveLimits& to) {
  constexpr char kWhere[] = "http2_protocol_options.connection_keepalive.";
  to.timeout = ToDuration(proto.timeout());
  if (!proto.has_timeout() || to.timeout < absl::Milliseconds(1)) {
    return absl::InvalidArgumentError(absl::StrCat(kWhere, "timeout: must be at least 1 ms"));
  }
  if (proto.has_interval()) to.interval = ToDuration(proto.interval());
  if (proto.has_interval() && to.interval < absl::Milliseconds(1)) {
    return absl::InvalidArgumentError(absl::StrCat(kWhere, "interval: must be at least 1 ms"));
  }
  if (proto.has_interval_jitter()) to.jitter = proto.interval_jitter().value() / 100;
  if (to.jitter < 0 || to.jitter > 1) {
    return absl::InvalidArgumentError(absl::StrCat(kWhere, "interval_jitter: must be in 0..100"));
  }
  if (proto.has_connection_idle_interval()) to.idle = ToDuration(proto.connection_idle_interval());
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadHttp2Options(const Http2ProtocolOptions& proto, Http2Limits& to) {
  constexpr uint64_t kAny = UINT32_MAX;
  constexpr uint64_t kWindowMin = 65535;  // RFC 9113 §6.9.2; as in the public API.
  constexpr uint64_t kWindowMax = 2147483647;
  const Option options[] = {
      {"hpack_table_size", proto.has_hpack_table_size(), proto.hpack_table_size(), 0, kAny,
       to.hpack_table_bytes},
      {"max_concurrent_streams", proto.has_max_concurrent_streams(), proto.max_concurrent_streams(),
       1, kWindowMax, to.concurrent_streams_max},
      {"initial_stream_window_size", proto.has_initial_stream_window_size(),
       proto.initial_stream_window_size(), kWindowMin, kWindowMax, to.stream_window_bytes},
      {"initial_connection_window_size", proto.has_initial_connection_window_size(),
       proto.initial_connection_window_size(), kWindowMin, kWindowMax, to.connection_window_bytes},
      {"max_outbound_frames", proto.has_max_outbound_frames(), proto.max_outbound_frames(), 1, kAny,
       to.outbound_frames_max},
      {"max_outbound_control_frames", proto.has_max_outbound_control_frames(),
       proto.max_outbound_control_frames(), 1, kAny, to.outbound_control_frames_max},
      {"max_consecutive_inbound_frames_with_empty_payload",
       proto.has_max_consecutive_inbound_frames_with_empty_payload(),
       proto.max_consecutive_inbound_frames_with_empty_payload(), 0, kAny,
       to.empty_frames_in_a_row_max},
      {"max_inbound_priority_frames_per_stream", proto.has_max_inbound_priority_frames_per_stream(),
       proto.max_inbound_priority_frames_per_stream(), 0, kAny, to.priority_frames_per_stream_max},
      {"max_inbound_window_update_frames_per_data_frame_sent",
       proto.has_max_inbound_window_update_frames_per_data_frame_sent(),
       proto.max_inbound_window_update_frames_per_data_frame_sent(), 1, kAny,
       to.window_updates_per_data_frame_max},
  };
  for (const Option& option : options) {
    if (absl::Status s = Read(option); !s.ok()) return s;
  }
  // What an endpoint does with a broken message is the RFC's choice unless it is asked otherwise.
  to.bad_message_ends_connection = proto.has_override_stream_error_on_invalid_http_message() &&
                                   !proto.override_stream_error_on_invalid_http_message().value();
  if (!proto.has_connection_keepalive()) return absl::OkStatus();
  return ReadKeepalive(proto.connection_keepalive(), to.keepalive);
}

}  // namespace proxy
