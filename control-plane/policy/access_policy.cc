// pinnace.mesh AccessPolicy: who may do what with workloads.
#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>

#include "control-plane/policy/address.h"
#include "control-plane/policy/kind.h"
#include "control-plane/policy/route_parts.h"
#include "control-plane/policy/workload_scope.h"

namespace control {
namespace {

struct AccessPolicy final : Object {
  AccessPolicySpec spec;
  std::vector<std::pair<size_t, std::string>> accounts;  // Rule's source (flat), "NS/ACCOUNT".
  std::vector<std::pair<size_t, std::string>> namespaces;
};

// A text, maybe with one '*' at its end.
std::optional<std::string> ReadPattern(const Reader& reader) {
  const auto text = reader.Text();
  if (!text) return std::nullopt;
  if (text->find('*') != std::string::npos && text->find('*') != text->size() - 1) {
    reader.Report("OutOfRange", "may have '*' only at its end", "list several items");
    return std::nullopt;
  }
  return text;
}

std::vector<std::string> ReadPatterns(const Reader& reader) {
  std::vector<std::string> all;
  const std::vector<Reader> items = reader.Items(kItemsMax);
  if (reader.present() && items.empty()) {
    reader.Report("OutOfRange", "must not be empty", "leave it out for any");
  }
  for (const Reader& item : items) {
    if (auto text = ReadPattern(item)) all.push_back(*std::move(text));
  }
  return all;
}

// [{name, values}]
std::vector<ValueChoice> ReadChoices(const Reader& reader, bool headers) {
  std::vector<ValueChoice> all;
  for (const Reader& item : reader.Items(kItemsMax)) {
    Fields fields(item);
    ValueChoice choice;
    const Reader name = fields.Require("name");
    choice.name = headers ? ReadHeaderName(name) : name.Text().value_or("");
    choice.values = ReadPatterns(fields.Require("values"));
    fields.Finish();
    all.push_back(std::move(choice));
  }
  return all;
}

void ReadIps(const Reader& reader, std::vector<std::string>& to) {
  for (const Reader& item : reader.Items(kItemsMax)) {
    const auto text = item.Text();
    if (!text) continue;
    const std::pair<std::string, std::string> parts =
        absl::StrSplit(*text, absl::MaxSplits('/', 1));
    const std::string ip = ReadAddress(item, parts.first);
    if (ip.empty()) continue;
    const uint32_t most = absl::StrContains(ip, ':') ? 128 : 32;
    uint32_t bits = most;
    if (!parts.second.empty() && (!absl::SimpleAtoi(parts.second, &bits) || bits > most)) {
      item.Report("OutOfRange", absl::StrCat("the length is not in 0..", most));
      continue;
    }
    to.push_back(absl::StrCat(ip, "/", bits));
  }
}

// Names of service accounts and namespaces need the trust domain: they are made SPIFFE ids when
// the policy is put to work.
void ReadSource(const Reader& reader, const ObjectMeta& meta, AccessPolicy& policy, size_t index,
                AccessSource& source) {
  Fields fields(reader);
  source.identities = ReadPatterns(fields.Get("identities"));
  for (const Reader& item : fields.Get("serviceAccounts").Items(kItemsMax)) {
    const auto text = item.Text();
    if (!text) continue;
    policy.accounts.emplace_back(
        index, absl::StrContains(*text, '/') ? *text : absl::StrCat(meta.key.ns, "/", *text));
  }
  for (const Reader& item : fields.Get("namespaces").Items(kItemsMax)) {
    if (const auto text = item.Text()) policy.namespaces.emplace_back(index, *text);
  }
  ReadIps(fields.Get("ips"), source.ips);
  source.claims = ReadChoices(fields.Get("claims"), false);
  fields.Finish();
}

AccessOperation ReadOperation(const Reader& reader) {
  Fields fields(reader);
  AccessOperation operation;
  for (const Reader& item : fields.Get("methods").Items(kItemsMax)) {
    if (const auto text = item.Text()) operation.methods.push_back(absl::AsciiStrToUpper(*text));
  }
  const Reader paths = fields.Get("paths");
  operation.paths = ReadPatterns(paths);
  for (const std::string& path : operation.paths) {
    if (path[0] == '/' || path == "*") continue;
    paths.Report("OutOfRange", absl::StrCat("\"", path, "\" does not begin with '/'"));
  }
  operation.headers = ReadChoices(fields.Get("headers"), true);
  for (const Reader& item : fields.Get("ports").Items(kItemsMax)) {
    if (const auto port = item.Integer(1, 65535)) {
      operation.ports.push_back(static_cast<uint16_t>(*port));
    }
  }
  fields.Finish();
  return operation;
}

ObjectPtr Parse(Fields& document, const ObjectMeta& meta) {
  static constexpr absl::string_view kActions[] = {"Allow", "Deny"};
  static constexpr absl::string_view kModes[] = {"Enforce", "DryRun"};
  auto policy = std::make_shared<AccessPolicy>();
  policy->meta = policy->spec.meta = meta;
  Fields spec(document.Require("spec"));
  policy->spec.scope = ReadWorkloadScope(spec, meta);
  policy->spec.deny = spec.Get("action").OneOf(kActions).value_or(0) == 1;
  policy->spec.dry_run = spec.Get("mode").OneOf(kModes).value_or(0) == 1;
  const Reader rules = policy->spec.deny ? spec.Require("rules") : spec.Get("rules");
  size_t sources = 0;
  for (const Reader& item : rules.Items(kRulesMax)) {
    Fields fields(item);
    AccessRule& rule = policy->spec.rules.emplace_back();
    rule.name = fields.Get("name").Text().value_or("");
    for (const Reader& from : fields.Get("from").Items(kItemsMax)) {
      ReadSource(from, meta, *policy, sources++, rule.from.emplace_back());
    }
    for (const Reader& to : fields.Get("to").Items(kItemsMax)) {
      rule.to.push_back(ReadOperation(to));
    }
    fields.Finish();
  }
  if (policy->spec.deny && rules.present() && policy->spec.rules.empty()) {
    rules.Report("OutOfRange", "must not be empty", "a rule {} refuses everything");
  }
  spec.Finish();
  return policy;
}

void Apply(std::span<const ObjectPtr> objects, Building& building) {
  for (const ObjectPtr& object : objects) {
    const auto& policy = static_cast<const AccessPolicy&>(*object);
    AccessPolicySpec spec = policy.spec;
    WidenRootScope(building.mesh, spec.scope);
    std::vector<AccessSource*> sources;
    for (AccessRule& rule : spec.rules) {
      for (AccessSource& source : rule.from) sources.push_back(&source);
    }
    for (const auto& [index, account] : policy.accounts) {
      const std::pair<std::string, std::string> parts =
          absl::StrSplit(account, absl::MaxSplits('/', 1));
      sources[index]->identities.push_back(SpiffeId(building.mesh, parts.first, parts.second));
    }
    for (const auto& [index, ns] : policy.namespaces) {
      sources[index]->identities.push_back(
          absl::StrCat("spiffe://", building.mesh.settings.trust_domain, "/ns/", ns, "/sa/*"));
    }
    WarnOfOpaquePorts(policy.meta, spec.scope, building);
    building.mesh.access_policies.push_back(std::move(spec));
  }
}

}  // namespace

const Kind kAccessPolicyKind = {"AccessPolicy", {"pinnace.mesh/v1alpha1"}, true, &Parse, &Apply};

}  // namespace control
