// Any text as a bootstrap: read or refused, and all that is read can be checked.
#include <cstdint>

#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "proxy/snapshot/extensions.h"
#include "proxy/snapshot/supported.h"
#include "proxy/snapshot/yaml_proto.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 16 * 1024) return 0;
  envoy::config::bootstrap::v3::Bootstrap bootstrap;
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (proxy::ParseYaml(text, bootstrap).ok()) proxy::UnsupportedFields(bootstrap);
  return 0;
}
