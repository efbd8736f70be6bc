// gateway.networking.k8s.io GRPCRoute with parents of kind Service (GAMMA): read as paths.
#include <absl/strings/str_cat.h>
#include <re2/re2.h>

#include "control-plane/policy/route_parts.h"

namespace control {
namespace {

// gRPC's path is "/SERVICE/METHOD" (gRPC over HTTP/2, "Requests").
PathMatch ReadMethod(const Reader& reader) {
  static constexpr absl::string_view kTypes[] = {"Exact", "RegularExpression"};
  PathMatch path;
  if (!reader.present()) return path;
  Fields fields(reader);
  const bool regex = fields.Get("type").OneOf(kTypes).value_or(0) == 1;
  const Reader service_at = fields.Get("service");
  const Reader method_at = fields.Get("method");
  const bool has_service = service_at.present();
  const bool has_method = method_at.present();
  if (!has_service && !has_method) reader.Report("Missing", "needs service, method or both");
  const std::string service =
      regex && has_service ? ReadRegex(service_at) : service_at.Text().value_or("");
  const std::string method =
      regex && has_method ? ReadRegex(method_at) : method_at.Text().value_or("");
  fields.Finish();
  if (!regex && has_service) {
    path.kind = has_method ? PathMatch::Kind::kExact : PathMatch::Kind::kPrefix;
    path.value = has_method ? absl::StrCat("/", service, "/", method) : absl::StrCat("/", service);
    return path;
  }
  path.kind = PathMatch::Kind::kRegex;
  const std::string literal = regex ? method : re2::RE2::QuoteMeta(method);
  path.value = absl::StrCat("/", has_service ? absl::StrCat("(?:", service, ")") : "[^/]+", "/",
                            has_method ? absl::StrCat("(?:", literal, ")") : "[^/]+");
  return path;
}

RouteRule ReadRule(const Reader& reader, const ObjectMeta& meta) {
  RouteRule rule;
  Fields fields(reader);
  rule.name = fields.Get("name").Text().value_or("");
  for (const Reader& item : fields.Get("matches").Items(kMatchesMax)) {
    RouteMatch match;
    Fields parts(item);
    match.path = ReadMethod(parts.Get("method"));
    match.headers = ReadKeyMatches(parts.Get("headers"), true);
    parts.Finish();
    rule.matches.push_back(std::move(match));
  }
  if (rule.matches.empty()) rule.matches.emplace_back();
  ReadFilters(fields.Get("filters"), false, rule);
  rule.backends = ReadBackends(fields.Get("backendRefs"), meta);
  fields.Finish();
  return rule;
}

ObjectPtr Parse(Fields& document, const ObjectMeta& meta) {
  auto object = std::make_shared<RouteObject>();
  auto route = std::make_shared<Route>();
  object->meta = meta;
  route->meta = meta;
  Fields spec(document.Require("spec"));
  object->parents = ReadParents(spec.Require("parentRefs"), meta);
  for (const Reader& item : spec.Require("rules").Items(kRulesMax)) {
    route->rules.push_back(ReadRule(item, meta));
  }
  spec.Ignore({"hostnames"});
  spec.Finish();
  object->route = std::move(route);
  return object;
}

}  // namespace

const Kind kGrpcRouteKind = {
    "GRPCRoute", {"gateway.networking.k8s.io/v1"}, true, &Parse, &AttachRoutes};

}  // namespace control
