// gRPC-Web to gRPC and back: browsers call gRPC services without HTTP/2 trailers.
#include <string>

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/strip.h>

#include "envoy/extensions/filters/http/grpc_web/v3/grpc_web.pb.h"
#include "proxy/codec/grpc_web.h"
#include "proxy/filters/filters.h"

namespace proxy {
namespace {

using Config = envoy::extensions::filters::http::grpc_web::v3::GrpcWeb;

constexpr absl::string_view kBinary = "application/grpc-web";
constexpr absl::string_view kText = "application/grpc-web-text";

// The message format behind `type` ("+proto" or nothing) if `type` is `base` with one or without.
bool Takes(absl::string_view type, absl::string_view base, absl::string_view& format) {
  format = type.substr(0, type.find(';'));
  return absl::ConsumePrefix(&format, base) && (format.empty() || format[0] == '+');
}

class GrpcWeb final : public Filter {
 public:
  explicit GrpcWeb(FilterHost& host) : host_(host) {}

  Next OnRequestHead(RequestHead& head, bool last) override {
    const absl::string_view type = head.headers.Value(HeaderId::kContentType);
    absl::string_view format;
    text_request_ = Takes(type, kText, format);
    active_ = text_request_ || Takes(type, kBinary, format);
    if (!active_) return Next::kContinue;
    const Header* accept = head.headers.Find("accept");
    absl::string_view ignored;
    text_answer_ = accept != nullptr && Takes(accept->value, kText, ignored);
    if (format == "+proto") format = {};  // The default needs no name.
    head.headers.Set(HeaderId::kContentType, absl::StrCat("application/grpc", format));
    head.headers.Set(HeaderId::kTe, "trailers");
    head.headers.Set("grpc-accept-encoding", "identity,deflate,gzip");
    head.content_length.reset();
    return text_request_ && last ? BadText() : Next::kContinue;
  }

  Next OnRequestData(absl::string_view& data, bool last) override {
    if (!text_request_) return Next::kContinue;
    in_.clear();
    if (!decoder_.Feed(data, in_) || (last && !decoder_.aligned())) return BadText();
    data = in_;
    return Next::kContinue;
  }

  Next OnResponseHead(ResponseHead& head, bool) override {
    absl::string_view format;
    const absl::string_view type = head.headers.Value(HeaderId::kContentType);
    if (!active_ || !Takes(type, "application/grpc", format)) {
      active_ = false;
      return Next::kContinue;
    }
    head.headers.Set(HeaderId::kContentType, absl::StrCat(text_answer_ ? kText : kBinary,
                                                          format.empty() ? "+proto" : format));
    head.content_length.reset();
    return Next::kContinue;
  }

  Next OnResponseData(absl::string_view& data, bool last) override {
    if (!active_ || !text_answer_) return Next::kContinue;
    out_.clear();
    encoder_.Feed(data, out_);
    if (last) encoder_.Flush(out_);
    data = out_;
    return Next::kContinue;
  }

  Next OnResponseTrailers(Headers& trailers, std::string& data) override {
    if (!active_) return Next::kContinue;
    const std::string frame = GrpcTrailerFrame(trailers);
    trailers = Headers();
    if (text_answer_) {
      encoder_.Flush(data);
      encoder_.Feed(frame, data);
    } else {
      data += frame;
    }
    return Next::kContinue;
  }

 private:
  Next BadText() {
    host_.Reply({.status = 400,
                 .details = "grpc_base_64_decode_failed",
                 .body = "Bad gRPC-web request, invalid base64 data."});
    return Next::kPause;
  }

  FilterHost& host_;
  bool active_ = false;
  bool text_request_ = false;
  bool text_answer_ = false;
  GrpcTextDecoder decoder_;
  GrpcTextEncoder encoder_;
  std::string in_;
  std::string out_;
};

absl::StatusOr<FilterFactory> Parse(const google::protobuf::Message&, FilterContext&) {
  return FilterFactory([](FilterHost& host, RouteFilterConfigs) -> std::unique_ptr<Filter> {
    absl::string_view ignored;
    const absl::string_view type = host.request().headers.Value(HeaderId::kContentType);
    if (!Takes(type, kText, ignored) && !Takes(type, kBinary, ignored)) return nullptr;
    return std::make_unique<GrpcWeb>(host);
  });
}

}  // namespace

const FilterType& GrpcWebFilter() {
  static const FilterType kType = {"envoy.filters.http.grpc_web", &Config::default_instance(),
                                   nullptr, &Parse, nullptr};
  return kType;
}

}  // namespace proxy
