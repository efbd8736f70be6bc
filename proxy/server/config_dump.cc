// Gathers bootstrap and records into the admin API's messages.
#include "proxy/server/config_dump.h"

#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/time_util.h>

#include <absl/strings/match.h>
#include <absl/strings/str_split.h>

#include "envoy/admin/v3/config_dump.pb.h"

namespace proxy {
namespace {

namespace admin = envoy::admin::v3;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

google::protobuf::Timestamp Stamp(absl::Time time) {
  return google::protobuf::util::TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(time));
}

// The fields that every kind of dynamic resource has.
template <typename Dynamic>
void SetState(const ResourceRecord& record, Dynamic& to) {
  to.set_client_status(record.error.empty() ? admin::ACKED : admin::NACKED);
  if (record.error.empty()) return;
  admin::UpdateFailureState& error = *to.mutable_error_state();
  error.set_details(record.error);
  error.set_version_info(record.error_version);
  *error.mutable_last_update_attempt() = Stamp(record.refused);
}

template <typename Versioned>
void SetVersion(const ResourceRecord& record, Versioned& to) {
  to.set_version_info(record.version);
  *to.mutable_last_updated() = Stamp(record.updated);
}

struct Dumps {
  admin::BootstrapConfigDump bootstrap;
  admin::ClustersConfigDump clusters;
  admin::EndpointsConfigDump endpoints;
  admin::ListenersConfigDump listeners;
  admin::RoutesConfigDump routes;
  admin::SecretsConfigDump secrets;
};

void AddListener(const std::string& name, const ResourceRecord& record, const Configuration& config,
                 Dumps& dumps) {
  admin::ListenersConfigDump::DynamicListener& one = *dumps.listeners.add_dynamic_listeners();
  one.set_name(name);
  SetState(record, one);
  if (record.body.type_url().empty()) return;
  auto& state =
      config.serving().contains(name) ? *one.mutable_active_state() : *one.mutable_warming_state();
  SetVersion(record, state);
  *state.mutable_listener() = record.body;
}

void AddRecord(const std::string& url, const std::string& name, const ResourceRecord& record,
               const Configuration& config, Dumps& dumps) {
  if (url == kListenerUrl) return AddListener(name, record, config, dumps);
  if (url == kClusterUrl) {
    auto& one = config.clusters().contains(name) ? *dumps.clusters.add_dynamic_active_clusters()
                                                 : *dumps.clusters.add_dynamic_warming_clusters();
    SetVersion(record, one);
    SetState(record, one);
    *one.mutable_cluster() = record.body;
  } else if (url == kRouteUrl) {
    auto& one = *dumps.routes.add_dynamic_route_configs();
    SetVersion(record, one);
    SetState(record, one);
    *one.mutable_route_config() = record.body;
  } else if (url == kEndpointUrl) {
    auto& one = *dumps.endpoints.add_dynamic_endpoint_configs();
    SetVersion(record, one);
    SetState(record, one);
    *one.mutable_endpoint_config() = record.body;
  } else if (url == kSecretUrl) {
    auto& one = *dumps.secrets.add_dynamic_active_secrets();
    one.set_name(name);
    SetVersion(record, one);
    SetState(record, one);
    *one.mutable_secret() = record.body;
  }
}

void AddStatic(const envoy::config::bootstrap::v3::Bootstrap& bootstrap, Dumps& dumps) {
  const auto& fixed = bootstrap.static_resources();
  for (const auto& one : fixed.clusters())
    dumps.clusters.add_static_clusters()->mutable_cluster()->PackFrom(one);
  for (const auto& one : fixed.listeners())
    dumps.listeners.add_static_listeners()->mutable_listener()->PackFrom(one);
  for (const auto& one : fixed.secrets()) {
    auto& to = *dumps.secrets.add_static_secrets();
    to.set_name(one.name());
    to.mutable_secret()->PackFrom(one);
  }
}

// The elements of every field of that name.
void AddElements(const std::string& field, const Message& dump, admin::ConfigDump& all) {
  const FieldDescriptor* found = dump.GetDescriptor()->FindFieldByName(field);
  if (found == nullptr || !found->is_repeated()) return;
  const auto* reflection = dump.GetReflection();
  for (int i = 0; i < reflection->FieldSize(dump, found); ++i)
    all.add_configs()->PackFrom(reflection->GetRepeatedMessage(dump, found, i));
}

}  // namespace

std::string ConfigDump(const envoy::config::bootstrap::v3::Bootstrap& bootstrap,
                       const ResourceRecords& records, const Configuration& config,
                       absl::string_view query) {
  Dumps dumps;
  envoy::config::bootstrap::v3::Bootstrap shown = bootstrap;
  Redact(shown);
  *dumps.bootstrap.mutable_bootstrap() = shown;
  AddStatic(shown, dumps);
  for (const auto& [key, record] : records.table())
    AddRecord(key.first, key.second, record, config, dumps);
  std::string field;
  bool with_endpoints = false;
  for (const absl::string_view part : absl::StrSplit(query, '&')) {
    with_endpoints |= absl::StartsWith(part, "include_eds");
    if (absl::StartsWith(part, "resource=")) field = std::string(part.substr(9));
  }
  admin::ConfigDump all;
  for (const Message* dump : std::initializer_list<const Message*>{
           &dumps.bootstrap, &dumps.clusters, with_endpoints ? &dumps.endpoints : nullptr,
           &dumps.listeners, &dumps.routes, &dumps.secrets}) {
    if (dump == nullptr) continue;
    if (field.empty()) {
      all.add_configs()->PackFrom(*dump);
    } else {
      AddElements(field, *dump, all);
    }
  }
  std::string json;
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.preserve_proto_field_names = true;
  const auto printed = google::protobuf::util::MessageToJsonString(all, &json, options);
  return printed.ok() ? json : printed.ToString();
}

}  // namespace proxy
