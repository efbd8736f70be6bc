// Any bytes as responses of an xDS server, in both variants: no crash, and what cannot be applied
// is refused by name.
#include <cstdint>

#include "tests/testing/proxy/fake_resources.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const auto variant : {proxy::XdsVariant::kDelta, proxy::XdsVariant::kSotw}) {
    proxy::FakeResources resources;
    proxy::XdsStream stream(variant, {}, resources);
    stream.SubscribeAll(proxy::kClusterUrl);
    stream.SubscribeAll(proxy::kListenerUrl);
    stream.SetNames(proxy::kEndpointUrl, {"a", "b"});
    stream.OnOpen();
    for (size_t at = 0; at < size; at += 509) {
      (void)stream.OnMessage(bytes.substr(at, 509), static_cast<int64_t>(at));
      stream.Expire(static_cast<int64_t>(at));
      stream.TakeRequests();
    }
  }
  google::protobuf::Any any;
  any.set_value(std::string(bytes));
  (void)proxy::ResourceName(any);
  return 0;
}
