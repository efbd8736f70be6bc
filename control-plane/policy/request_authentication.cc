// pinnace.mesh RequestAuthentication: whose tokens workloads believe.
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include "control-plane/policy/kind.h"
#include "control-plane/policy/route_parts.h"
#include "control-plane/policy/workload_scope.h"

namespace control {
namespace {

constexpr size_t kIssuersMax = 32;
constexpr size_t kPlacesMax = 16;

struct RequestAuthentication final : Object {
  RequestAuthenticationSpec spec;
};

std::vector<std::string> ReadTexts(const Reader& reader, size_t most) {
  std::vector<std::string> all;
  for (const Reader& item : reader.Items(most)) {
    if (auto text = item.Text()) all.push_back(*std::move(text));
  }
  return all;
}

void ReadKeys(Fields& fields, const Reader& at, const ObjectMeta& meta, TokenIssuer& issuer) {
  const Reader inline_keys = fields.Get("jwks");
  const Reader from = fields.Get("jwksFrom");
  issuer.jwks = inline_keys.Text().value_or("");
  if (inline_keys.present() == from.present()) {
    at.Report("Missing", "needs either jwks or jwksFrom");
    return;
  }
  if (!from.present()) return;
  Fields where(from);
  Fields service(where.Require("service"));
  issuer.service.name = service.Require("name").Text().value_or("");
  issuer.service.ns = service.Get("namespace").Text().value_or(meta.key.ns);
  issuer.port = static_cast<uint16_t>(service.Require("port").Integer(1, 65535).value_or(0));
  service.Finish();
  const Reader path = where.Require("path");
  issuer.path = path.Text().value_or("/");
  if (issuer.path[0] != '/') path.Report("OutOfRange", "must begin with '/'");
  issuer.host = where.Get("host").Text().value_or("");
  where.Finish();
}

void ReadIssuer(const Reader& reader, const ObjectMeta& meta, TokenIssuer& issuer) {
  Fields fields(reader);
  issuer.issuer = fields.Require("issuer").Text().value_or("");
  issuer.name = fields.Get("name").Text().value_or(issuer.issuer);
  issuer.audiences = ReadTexts(fields.Get("audiences"), kItemsMax);
  ReadKeys(fields, reader, meta, issuer);
  for (const Reader& item : fields.Get("fromHeaders").Items(kPlacesMax)) {
    Fields place(item);
    const std::string name = ReadHeaderName(place.Require("name"));
    issuer.headers.emplace_back(name, place.Get("prefix").String().value_or(""));
    place.Finish();
  }
  issuer.params = ReadTexts(fields.Get("fromParams"), kPlacesMax);
  issuer.cookies = ReadTexts(fields.Get("fromCookies"), kPlacesMax);
  issuer.forward = fields.Get("forward").Boolean().value_or(false);
  for (const Reader& item : fields.Get("claimsToHeaders").Items(kPlacesMax)) {
    Fields claim(item);
    const std::string header = ReadHeaderName(claim.Require("header"));
    issuer.claim_headers.emplace_back(header, claim.Require("claim").Text().value_or(""));
    claim.Finish();
  }
  issuer.clock_skew = fields.Get("clockSkew")
                          .Duration(absl::Seconds(1), absl::Hours(1))
                          .value_or(issuer.clock_skew);
  fields.Finish();
}

ObjectPtr Parse(Fields& document, const ObjectMeta& meta) {
  static constexpr absl::string_view kModes[] = {"Optional", "Required"};
  auto policy = std::make_shared<RequestAuthentication>();
  policy->meta = policy->spec.meta = meta;
  Fields spec(document.Require("spec"));
  policy->spec.scope = ReadWorkloadScope(spec, meta);
  policy->spec.required = spec.Get("mode").OneOf(kModes).value_or(0) == 1;
  const Reader issuers = spec.Require("issuers");
  for (const Reader& item : issuers.Items(kIssuersMax)) {
    ReadIssuer(item, meta, policy->spec.issuers.emplace_back());
  }
  if (issuers.present() && policy->spec.issuers.empty()) {
    issuers.Report("OutOfRange", "must not be empty");
  }
  spec.Finish();
  return policy;
}

void Apply(std::span<const ObjectPtr> objects, Building& building) {
  for (const ObjectPtr& object : objects) {
    RequestAuthenticationSpec spec = static_cast<const RequestAuthentication&>(*object).spec;
    WidenRootScope(building.mesh, spec.scope);
    for (const TokenIssuer& issuer : spec.issuers) {
      if (issuer.port == 0) continue;
      const Service* service = building.mesh.FindService(issuer.service);
      if (service != nullptr && service->FindPort(issuer.port) != nullptr) continue;
      building.problems.push_back(ProblemAt(
          spec.meta, "spec.issuers", "MissingTarget",
          absl::StrCat("there is no service ", issuer.service.ns, "/", issuer.service.name,
                       " with port ", issuer.port, ": tokens of ", issuer.issuer, " are refused")));
    }
    WarnOfOpaquePorts(spec.meta, spec.scope, building);
    building.mesh.request_authentications.push_back(std::move(spec));
  }
}

}  // namespace

const Kind kRequestAuthenticationKind = {
    "RequestAuthentication", {"pinnace.mesh/v1alpha1"}, true, &Parse, &Apply};

}  // namespace control
