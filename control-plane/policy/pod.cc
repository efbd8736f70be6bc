// v1 Pod: a workload of the mesh.
#include <algorithm>

#include <absl/strings/str_cat.h>

#include "control-plane/policy/address.h"
#include "control-plane/policy/kind.h"

namespace control {
namespace {

constexpr char kZoneLabel[] = "topology.kubernetes.io/zone";

struct Pod final : Object {
  Workload workload;
};

void ReadContainer(const Reader& reader, Workload& workload) {
  Fields fields(reader);
  fields.Require("name").Text();
  for (const Reader& item : fields.Get("ports").Items(kItemsMax)) {
    Fields port(item);
    ContainerPort out;
    if (const auto name = port.Get("name").String()) out.name = *name;
    const auto number = port.Require("containerPort").Integer(1, 65535);
    const auto protocol = port.Get("protocol").String();
    port.Ignore({"hostPort", "hostIP"});
    port.Finish();
    if (!number || (protocol && *protocol != "TCP")) continue;
    out.port = static_cast<uint16_t>(*number);
    workload.ports.push_back(out);
  }
  fields.Ignore({"image",
                 "command",
                 "args",
                 "env",
                 "envFrom",
                 "resources",
                 "volumeMounts",
                 "imagePullPolicy",
                 "livenessProbe",
                 "readinessProbe",
                 "startupProbe",
                 "lifecycle",
                 "securityContext",
                 "workingDir",
                 "stdin",
                 "stdinOnce",
                 "tty",
                 "terminationMessagePath",
                 "terminationMessagePolicy",
                 "volumeDevices",
                 "resizePolicy",
                 "restartPolicy"});
  fields.Finish();
}

void ReadSpec(const Reader& reader, Workload& workload) {
  Fields fields(reader);
  const Reader account = fields.Get("serviceAccountName");
  if (const auto name = account.Text()) workload.service_account = *name;
  for (const Reader& item : fields.Get("containers").Items(kItemsMax)) {
    ReadContainer(item, workload);
  }
  fields.Ignore({"volumes",
                 "initContainers",
                 "ephemeralContainers",
                 "restartPolicy",
                 "terminationGracePeriodSeconds",
                 "activeDeadlineSeconds",
                 "dnsPolicy",
                 "dnsConfig",
                 "nodeSelector",
                 "serviceAccount",
                 "automountServiceAccountToken",
                 "nodeName",
                 "hostNetwork",
                 "hostPID",
                 "hostIPC",
                 "shareProcessNamespace",
                 "securityContext",
                 "imagePullSecrets",
                 "hostname",
                 "subdomain",
                 "affinity",
                 "schedulerName",
                 "tolerations",
                 "hostAliases",
                 "priorityClassName",
                 "priority",
                 "readinessGates",
                 "runtimeClassName",
                 "enableServiceLinks",
                 "preemptionPolicy",
                 "overhead",
                 "topologySpreadConstraints",
                 "setHostnameAsFQDN",
                 "os",
                 "hostUsers",
                 "schedulingGates",
                 "resourceClaims"});
  fields.Finish();
}

void ReadStatus(const Reader& reader, Workload& workload) {
  Fields fields(reader);
  const Reader ip = fields.Get("podIP");
  if (const auto text = ip.Text()) workload.ip = ReadAddress(ip, *text);
  if (const auto phase = fields.Get("phase").String()) {
    if (*phase == "Pending" || *phase == "Succeeded" || *phase == "Failed") workload.ready = false;
  }
  for (const Reader& item : fields.Get("conditions").Items(kItemsMax)) {
    Fields condition(item);
    const auto type = condition.Require("type").Text();
    const auto status = condition.Require("status").Text();
    if (type && status && *type == "Ready" && *status != "True") workload.ready = false;
  }
}

ObjectPtr Parse(Fields& document, const ObjectMeta& meta) {
  auto pod = std::make_shared<Pod>();
  pod->meta = meta;
  Workload& workload = pod->workload;
  workload.key = {meta.key.ns, meta.key.name};
  workload.labels = meta.labels;
  workload.meta = meta;
  ReadSpec(document.Require("spec"), workload);
  ReadStatus(document.Get("status"), workload);
  const auto has = [&meta](const char* label, absl::string_view value) {
    const auto it = meta.labels.find(label);
    return it != meta.labels.end() && it->second == value;
  };
  workload.sidecar = has(kInjectLabel, "true") || has(kTlsModeLabel, "mutual");
  if (const auto zone = meta.labels.find(kZoneLabel); zone != meta.labels.end()) {
    workload.zone = zone->second;
  }
  return pod;
}

void Apply(std::span<const ObjectPtr> objects, Building& building) {
  Mesh& mesh = building.mesh;
  for (const ObjectPtr& object : objects) {
    Workload workload = static_cast<const Pod&>(*object).workload;
    workload.tls_mode = EffectiveTlsMode(mesh, workload.key.ns, workload.labels);
    mesh.namespaces.insert(workload.key.ns);
    if (!workload.ip.empty()) {
      const auto [it, fresh] = mesh.workload_by_ip.emplace(workload.ip, workload.key);
      if (!fresh) {
        building.problems.push_back(ProblemAt(
            workload.meta, "status.podIP", "Conflicted",
            absl::StrCat("is also the address of pod ", it->second.ns, "/", it->second.name),
            "give each pod an address of its own"));
        continue;
      }
      for (const ContainerPort& port : workload.ports) {
        mesh.inbound[workload.ip].push_back(
            {.port = port.port, .protocol = DeclaredProtocol("", port.name), .service = {}});
      }
      auto& inbound = mesh.inbound[workload.ip];
      std::sort(inbound.begin(), inbound.end(),
                [](const InboundPort& a, const InboundPort& b) { return a.port < b.port; });
      inbound.erase(
          std::unique(inbound.begin(), inbound.end(),
                      [](const InboundPort& a, const InboundPort& b) { return a.port == b.port; }),
          inbound.end());
    }
    mesh.workloads.emplace(workload.key, std::move(workload));
  }
}

}  // namespace

const Kind kPodKind = {"Pod", {"v1"}, true, &Parse, &Apply};

}  // namespace control
