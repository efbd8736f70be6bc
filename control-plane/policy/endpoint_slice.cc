// discovery.k8s.io/v1 EndpointSlice: addresses of a service, beside those its selector finds.
#include <absl/strings/str_cat.h>

#include "control-plane/policy/address.h"
#include "control-plane/policy/kind.h"

namespace control {
namespace {

constexpr char kServiceLabel[] = "kubernetes.io/service-name";

struct SlicePort {
  std::string name;
  uint16_t port = 0;
};

struct SliceAddress {
  std::string address;
  std::string zone;
  bool draining = false;
};

struct EndpointSlice final : Object {
  NamespacedName service;
  std::vector<SlicePort> ports;
  std::vector<SliceAddress> addresses;
};

void ReadEndpoint(const Reader& reader, EndpointSlice& slice) {
  Fields fields(reader);
  std::vector<std::string> addresses;
  for (const Reader& item : fields.Require("addresses").Items(kItemsMax)) {
    const auto text = item.Text();
    const std::string address = text ? ReadAddress(item, *text) : "";
    if (!address.empty()) addresses.push_back(address);
  }
  const std::string zone = fields.Get("zone").String().value_or("");
  Fields conditions(fields.Get("conditions"));
  const bool ready = conditions.Get("ready").Boolean().value_or(true);
  const bool serving = conditions.Get("serving").Boolean().value_or(ready);
  const bool terminating = conditions.Get("terminating").Boolean().value_or(false);
  conditions.Finish();
  fields.Ignore({"hostname", "nodeName", "targetRef", "hints", "deprecatedTopology"});
  fields.Finish();
  if (!ready && !(serving && terminating)) return;
  for (const std::string& address : addresses) {
    slice.addresses.push_back({address, zone, terminating});
  }
}

ObjectPtr Parse(Fields& document, const ObjectMeta& meta) {
  auto slice = std::make_shared<EndpointSlice>();
  slice->meta = meta;
  const auto label = meta.labels.find(kServiceLabel);
  slice->service = {meta.key.ns, label == meta.labels.end() ? "" : label->second};
  static constexpr absl::string_view kTypes[] = {"IPv4", "IPv6", "FQDN"};
  const Reader type = document.Require("addressType");
  if (const auto index = type.OneOf(kTypes); index && *index == 2) {
    type.Report("UnknownValue", "FQDN is not supported", "write IPv4 or IPv6 addresses");
  }
  for (const Reader& item : document.Get("ports").Items(kItemsMax)) {
    Fields port(item);
    const std::string name = port.Get("name").String().value_or("");
    const auto number = port.Require("port").Integer(1, 65535);
    const auto protocol = port.Get("protocol").String();
    port.Ignore({"appProtocol"});
    port.Finish();
    if (!number || (protocol && *protocol != "TCP")) continue;
    slice->ports.push_back({name, static_cast<uint16_t>(*number)});
  }
  for (const Reader& item : document.Require("endpoints").Items(kItemsMax)) {
    ReadEndpoint(item, *slice);
  }
  return slice;
}

void AddSlice(const EndpointSlice& slice, Service& service, Mesh& mesh) {
  for (ServicePort& port : service.ports) {
    for (const SlicePort& target : slice.ports) {
      if (target.name != port.name) continue;
      for (const SliceAddress& address : slice.addresses) {
        Endpoint endpoint = MakeEndpoint(mesh, address.address, target.port);
        endpoint.draining = address.draining;
        if (!address.zone.empty()) endpoint.zone = address.zone;
        DeclareInbound(mesh, address.address, target.port, port.protocol, service.key);
        AddEndpoint(port, std::move(endpoint));
      }
    }
  }
}

void Apply(std::span<const ObjectPtr> objects, Building& building) {
  for (const ObjectPtr& object : objects) {
    const auto& slice = static_cast<const EndpointSlice&>(*object);
    const auto it = building.mesh.services.find(slice.service);
    if (it != building.mesh.services.end()) {
      AddSlice(slice, it->second, building.mesh);
      continue;
    }
    building.problems.push_back(
        ProblemAt(slice.meta, absl::StrCat("metadata.labels[", kServiceLabel, "]"), "MissingTarget",
                  absl::StrCat("there is no service ", slice.service.ns, "/", slice.service.name)));
  }
}

}  // namespace

const Kind kEndpointSliceKind = {"EndpointSlice", {"discovery.k8s.io/v1"}, true, &Parse, &Apply};

}  // namespace control
