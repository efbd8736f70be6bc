// gateway.networking.k8s.io HTTPRoute with parents of kind Service (GAMMA).
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include "control-plane/policy/route_parts.h"

namespace control {
namespace {

constexpr absl::string_view kMethods[] = {"GET",     "HEAD",  "POST",  "PUT",    "DELETE",
                                          "CONNECT", "TRACE", "PATCH", "OPTIONS"};

PathMatch ReadPath(const Reader& reader) {
  static constexpr absl::string_view kTypes[] = {"Exact", "PathPrefix", "RegularExpression"};
  PathMatch path;
  if (!reader.present()) return path;
  Fields fields(reader);
  path.kind = static_cast<PathMatch::Kind>(fields.Get("type").OneOf(kTypes).value_or(1));
  const Reader value = fields.Get("value");
  if (path.kind == PathMatch::Kind::kRegex) {
    if (!value.present()) value.Report("Missing", "is required");
    path.value = ReadRegex(value);
  } else if (const auto text = value.Text()) {
    if (text->front() != '/' || absl::StrContains(*text, "//") || absl::StrContains(*text, "/./") ||
        absl::StrContains(*text, "/../")) {
      value.Report("OutOfRange", absl::StrCat("is no normal path: \"", *text, "\""),
                   "begin with / and leave out //, /./ and /../");
    }
    path.value = *text;
  }
  fields.Finish();
  return path;
}

RouteMatch ReadMatch(const Reader& reader) {
  RouteMatch match;
  Fields fields(reader);
  match.path = ReadPath(fields.Get("path"));
  if (const auto i = fields.Get("method").OneOf(kMethods)) match.method = std::string(kMethods[*i]);
  match.headers = ReadKeyMatches(fields.Get("headers"), true);
  match.query = ReadKeyMatches(fields.Get("queryParams"), false);
  fields.Finish();
  return match;
}

void ReadTimeouts(const Reader& reader, RouteRule& rule) {
  Fields fields(reader);
  rule.request_timeout = fields.Get("request").Duration(absl::ZeroDuration(), absl::Hours(24));
  const Reader backend = fields.Get("backendRequest");
  rule.backend_timeout = backend.Duration(absl::ZeroDuration(), absl::Hours(24));
  if (rule.request_timeout && rule.backend_timeout &&
      *rule.request_timeout > absl::ZeroDuration() &&
      *rule.backend_timeout > *rule.request_timeout) {
    backend.Report("OutOfRange", "must not exceed timeouts.request");
  }
  fields.Finish();
}

RouteRetry ReadRetry(const Reader& reader) {
  RouteRetry retry;
  Fields fields(reader);
  for (const Reader& item : fields.Get("codes").Items(64)) {
    if (const auto code = item.Integer(400, 599)) {
      retry.codes.push_back(static_cast<uint32_t>(*code));
    }
  }
  if (const auto n = fields.Get("attempts").Integer(0, 10)) {
    retry.attempts = static_cast<uint32_t>(*n);
  }
  retry.backoff = fields.Get("backoff").Duration(absl::Milliseconds(1), absl::Hours(1));
  fields.Finish();
  return retry;
}

RouteRule ReadRule(const Reader& reader, const ObjectMeta& meta) {
  RouteRule rule;
  Fields fields(reader);
  rule.name = fields.Get("name").Text().value_or("");
  for (const Reader& item : fields.Get("matches").Items(kMatchesMax)) {
    rule.matches.push_back(ReadMatch(item));
  }
  if (rule.matches.empty()) rule.matches.emplace_back();
  const Reader filters = fields.Get("filters");
  ReadFilters(filters, true, rule);
  rule.backends = ReadBackends(fields.Get("backendRefs"), meta);
  if (rule.redirect && !rule.backends.empty()) {
    filters.Report("Conflicted", "a rule with RequestRedirect must not have backendRefs");
  }
  const bool prefix_edit =
      rule.rewrite_path.prefix || (rule.redirect && rule.redirect->path.prefix);
  for (const RouteMatch& match : rule.matches) {
    if (!prefix_edit || match.path.kind == PathMatch::Kind::kPrefix) continue;
    filters.Report("Conflicted", "ReplacePrefixMatch needs every match to be a PathPrefix");
    break;
  }
  ReadTimeouts(fields.Get("timeouts"), rule);
  if (const Reader retry = fields.Get("retry"); retry.present()) rule.retry = ReadRetry(retry);
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
  const Reader hostnames = spec.Get("hostnames");
  if (hostnames.present()) {
    hostnames.Report("UnsupportedTarget", "has no effect on a route of a Service", "remove it",
                     Severity::kWarning);
  }
  for (const Reader& item : spec.Require("rules").Items(kRulesMax)) {
    route->rules.push_back(ReadRule(item, meta));
  }
  spec.Finish();
  object->route = std::move(route);
  return object;
}

}  // namespace

const Kind kHttpRouteKind = {"HTTPRoute",
                             {"gateway.networking.k8s.io/v1", "gateway.networking.k8s.io/v1beta1"},
                             true,
                             &Parse,
                             &AttachRoutes};

}  // namespace control
