// Waits for the whole body of a request before it goes on, up to a size.
#include "envoy/extensions/filters/http/buffer/v3/buffer.pb.h"
#include "proxy/filters/filters.h"

namespace proxy {
namespace {

namespace api = envoy::extensions::filters::http::buffer::v3;

struct Settings final : RouteFilterConfig {
  size_t bytes_max = 0;
  bool disabled = false;
};

class Buffering final : public Filter {
 public:
  Buffering(FilterHost& host, size_t bytes_max) : host_(host), bytes_max_(bytes_max) {}
  Next OnRequestHead(RequestHead& head, bool last) override {
    if (last || !head.upgrade.empty() || head.method == "CONNECT") {
      passing_ = true;
      return Next::kContinue;
    }
    host_.SetRequestBufferMax(bytes_max_);
    return Next::kCollect;
  }
  Next OnRequestData(absl::string_view& data, bool last) override {
    if (passing_) return Next::kContinue;
    seen_ += data.size();
    if (!last) return Next::kCollect;
    if (seen_ > bytes_max_) return Next::kCollect;  // Beyond the limit with the last bytes.
    // The length is known now: the upstream needs no chunks.
    host_.request().content_length = seen_;
    passing_ = true;
    return Next::kContinue;
  }
  Next OnRequestTrailers(Headers&, std::string&) override {
    passing_ = true;
    return Next::kContinue;
  }

 private:
  FilterHost& host_;
  const size_t bytes_max_;
  size_t seen_ = 0;
  bool passing_ = false;
};

absl::StatusOr<std::shared_ptr<const Settings>> ReadSettings(const api::Buffer& proto) {
  auto settings = std::make_shared<Settings>();
  settings->bytes_max = proto.max_request_bytes().value();
  if (settings->bytes_max == 0) {
    return absl::InvalidArgumentError("max_request_bytes: must be above 0");
  }
  return std::shared_ptr<const Settings>(std::move(settings));
}

absl::StatusOr<FilterFactory> Parse(const google::protobuf::Message& message, FilterContext&) {
  auto own = ReadSettings(static_cast<const api::Buffer&>(message));
  if (!own.ok()) return own.status();
  return FilterFactory(
      [own = *own](FilterHost& host, RouteFilterConfigs routes) -> std::unique_ptr<Filter> {
        const Settings& settings = routes.empty() ? *own : static_cast<const Settings&>(*routes[0]);
        if (settings.disabled) return nullptr;
        return std::make_unique<Buffering>(host, settings.bytes_max);
      });
}

absl::StatusOr<std::shared_ptr<const RouteFilterConfig>> ParseRoute(
    const google::protobuf::Message& message, FilterContext&) {
  const auto& proto = static_cast<const api::BufferPerRoute&>(message);
  if (!proto.disabled()) return ReadSettings(proto.buffer());
  auto settings = std::make_shared<Settings>();
  settings->disabled = true;
  return settings;
}

}  // namespace

const FilterType& BufferFilter() {
  static const FilterType kType = {"envoy.filters.http.buffer", &api::Buffer::default_instance(),
                                   &api::BufferPerRoute::default_instance(), &Parse, &ParseRoute};
  return kType;
}

}  // namespace proxy
