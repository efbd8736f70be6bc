// Reads the parts that every kind of route has, and attaches routes to services.
#include "control-plane/policy/route_parts.h"

#include <algorithm>

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <re2/re2.h>

namespace control {
namespace {

constexpr int64_t kWeightMax = 1'000'000;  // Gateway API.

constexpr absl::string_view kTokenPunctuation = "!#$%&'*+-.^_`|~";  // RFC 9110 §5.6.2.

// The name of a header that may be edited.
std::string ReadEditedName(const Reader& reader) {
  std::string name = ReadHeaderName(reader);
  if (name != "host") return name;
  reader.Report("OutOfRange", "Host cannot be edited as a header",
                "use the filter URLRewrite with hostname");
  return "";
}

std::vector<std::pair<std::string, std::string>> ReadPairs(const Reader& reader) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const Reader& item : reader.Items(kMatchesMax)) {
    Fields fields(item);
    std::string name = ReadEditedName(fields.Require("name"));
    const Reader value_at = fields.Require("value");
    const auto value = value_at.String();
    fields.Finish();
    if (value && std::any_of(value->begin(), value->end(),
                             [](unsigned char c) { return c < 0x20 && c != '\t'; })) {
      value_at.Report("OutOfRange", "holds a control character");
      continue;
    }
    if (!name.empty() && value) out.emplace_back(std::move(name), *value);
  }
  return out;
}

void ReadHeaderEdits(const Reader& reader, HeaderEdits& edits) {
  Fields fields(reader);
  for (auto& pair : ReadPairs(fields.Get("set"))) edits.set.push_back(std::move(pair));
  for (auto& pair : ReadPairs(fields.Get("add"))) edits.add.push_back(std::move(pair));
  for (const Reader& item : fields.Get("remove").Items(kMatchesMax)) {
    std::string name = ReadEditedName(item);
    if (!name.empty()) edits.remove.push_back(std::move(name));
  }
  fields.Finish();
}

PathEdit ReadPathEdit(const Reader& reader) {
  static constexpr absl::string_view kTypes[] = {"ReplaceFullPath", "ReplacePrefixMatch"};
  PathEdit edit;
  if (!reader.present()) return edit;
  Fields fields(reader);
  const auto type = fields.Require("type").OneOf(kTypes);
  const bool full = type && *type == 0;
  const Reader value = type ? fields.Require(full ? "replaceFullPath" : "replacePrefixMatch")
                            : fields.Get("replaceFullPath");
  if (const auto text = value.String()) {
    if (!text->empty() && text->front() != '/') {
      value.Report("OutOfRange", "must begin with /");
    }
    (full ? edit.full : edit.prefix) = *text;
  }
  fields.Finish();
  return edit;
}

void ReadRewrite(const Reader& reader, RouteRule& rule) {
  Fields fields(reader);
  rule.rewrite_host = fields.Get("hostname").Text().value_or("");
  rule.rewrite_path = ReadPathEdit(fields.Get("path"));
  fields.Finish();
}

Redirect ReadRedirect(const Reader& reader) {
  static constexpr absl::string_view kSchemes[] = {"http", "https"};
  Redirect out;
  Fields fields(reader);
  if (const auto i = fields.Get("scheme").OneOf(kSchemes)) out.scheme = std::string(kSchemes[*i]);
  out.hostname = fields.Get("hostname").Text().value_or("");
  out.port = static_cast<uint16_t>(fields.Get("port").Integer(1, 65535).value_or(0));
  const Reader status = fields.Get("statusCode");
  out.status = static_cast<int>(status.Integer(301, 308).value_or(302));
  if (out.status > 303 && out.status < 307) {
    status.Report("OutOfRange", "must be 301, 302, 303, 307 or 308");
  }
  out.path = ReadPathEdit(fields.Get("path"));
  fields.Finish();
  return out;
}

void WarnOfBackends(const Mesh& mesh, const Route& route, std::vector<ConfigProblem>& problems) {
  for (size_t r = 0; r < route.rules.size(); ++r) {
    for (size_t b = 0; b < route.rules[r].backends.size(); ++b) {
      const Backend& backend = route.rules[r].backends[b];
      const std::string field = absl::StrCat("spec.rules[", r, "].backendRefs[", b, "]");
      const Service* service = mesh.FindService(backend.service);
      if (service == nullptr) {
        problems.push_back(ProblemAt(
            route.meta, field, "MissingTarget",
            absl::StrCat("there is no service ", backend.service.ns, "/", backend.service.name),
            "its share of the requests fails"));
      } else if (service->FindPort(backend.port) == nullptr) {
        problems.push_back(
            ProblemAt(route.meta, absl::StrCat(field, ".port"), "MissingTarget",
                      absl::StrCat("service ", backend.service.ns, "/", backend.service.name,
                                   " has no port ", backend.port)));
      }
    }
  }
}

}  // namespace

std::vector<ParentRef> ReadParents(const Reader& reader, const ObjectMeta& meta) {
  std::vector<ParentRef> parents;
  for (const Reader& item : reader.Items(32)) {
    Fields fields(item);
    ParentRef parent;
    parent.field = item.path();
    const std::string group = fields.Get("group").String().value_or("gateway.networking.k8s.io");
    const std::string kind = fields.Get("kind").Text().value_or("Gateway");
    parent.service.name = fields.Require("name").Text().value_or("");
    parent.service.ns = fields.Get("namespace").Text().value_or(meta.key.ns);
    parent.port = static_cast<uint16_t>(fields.Get("port").Integer(1, 65535).value_or(0));
    fields.Ignore({"sectionName"});
    fields.Finish();
    parent.mesh = kind == "Service" && (group.empty() || group == "core");
    if (!parent.mesh) {
      item.Report(
          "UnsupportedTarget",
          absl::StrCat("a parent of kind ", kind, kind == "Service" ? " needs group: \"\"" : "",
                       " has no effect in the mesh"),
          "write {group: \"\", kind: Service, name: ...}", Severity::kWarning);
    }
    parents.push_back(std::move(parent));
  }
  return parents;
}

void ReadFilters(const Reader& reader, bool redirects, RouteRule& rule) {
  static constexpr absl::string_view kTypes[] = {"RequestHeaderModifier", "ResponseHeaderModifier",
                                                 "URLRewrite", "RequestRedirect"};
  std::set<size_t> seen;
  for (const Reader& item : reader.Items(16)) {
    Fields fields(item);
    const Reader type_at = fields.Require("type");
    const auto type = type_at.OneOf(std::span(kTypes).first(redirects ? 4 : 2));
    if (!type) continue;
    if (!seen.insert(*type).second) type_at.Report("Duplicate", "this filter is there twice");
    if (*type == 0) ReadHeaderEdits(fields.Require("requestHeaderModifier"), rule.request_headers);
    if (*type == 1) {
      ReadHeaderEdits(fields.Require("responseHeaderModifier"), rule.response_headers);
    }
    if (*type == 2) ReadRewrite(fields.Require("urlRewrite"), rule);
    if (*type == 3) rule.redirect = ReadRedirect(fields.Require("requestRedirect"));
    fields.Finish();
  }
  if (rule.redirect && seen.count(2) != 0) {
    reader.Report("Conflicted", "URLRewrite and RequestRedirect cannot stand in one rule");
  }
}

std::vector<Backend> ReadBackends(const Reader& reader, const ObjectMeta& meta) {
  std::vector<Backend> backends;
  for (const Reader& item : reader.Items(16)) {
    Fields fields(item);
    Backend backend;
    const Reader kind = fields.Get("kind");
    const auto kind_text = kind.Text();
    if (kind_text && *kind_text != "Service") {
      kind.Report("UnknownValue", absl::StrCat("is \"", *kind_text, "\", must be Service"));
    }
    fields.Ignore({"group"});
    backend.service.name = fields.Require("name").Text().value_or("");
    backend.service.ns = fields.Get("namespace").Text().value_or(meta.key.ns);
    backend.port = static_cast<uint16_t>(fields.Require("port").Integer(1, 65535).value_or(0));
    backend.weight = static_cast<uint32_t>(fields.Get("weight").Integer(0, kWeightMax).value_or(1));
    RouteRule edits;
    const Reader filters = fields.Get("filters");
    ReadFilters(filters, false, edits);
    if (!edits.response_headers.set.empty() || !edits.response_headers.add.empty() ||
        !edits.response_headers.remove.empty()) {
      filters.Report("UnknownValue", "ResponseHeaderModifier is not supported at a backend",
                     "put it into the rule's filters");
    }
    backend.request_headers = std::move(edits.request_headers);
    fields.Finish();
    backends.push_back(std::move(backend));
  }
  return backends;
}

std::vector<KeyMatch> ReadKeyMatches(const Reader& reader, bool headers) {
  static constexpr absl::string_view kTypes[] = {"Exact", "RegularExpression"};
  std::vector<KeyMatch> out;
  for (const Reader& item : reader.Items(16)) {
    Fields fields(item);
    KeyMatch match;
    match.regex = fields.Get("type").OneOf(kTypes).value_or(0) == 1;
    const Reader name = fields.Require("name");
    match.name = headers ? ReadHeaderName(name) : name.Text().value_or("");
    const Reader value = fields.Require("value");
    match.value = match.regex ? ReadRegex(value) : value.String().value_or("");
    fields.Finish();
    // Of two matches of one name only the first counts (Gateway API).
    const bool again = std::any_of(out.begin(), out.end(),
                                   [&](const KeyMatch& m) { return m.name == match.name; });
    if (!again) out.push_back(std::move(match));
  }
  return out;
}

std::string ReadRegex(const Reader& reader) {
  const auto text = reader.Text();
  if (!text) return "";
  if (text->size() > kRegexBytesMax) {
    reader.Report("TooMany", absl::StrCat("is longer than ", kRegexBytesMax, " bytes"));
    return "";
  }
  const re2::RE2 regex(*text, re2::RE2::Quiet);
  if (!regex.ok()) {
    reader.Report("OutOfRange", absl::StrCat("is no regular expression: ", regex.error()),
                  "RE2 syntax: no look-around, no back-references");
  }
  return *text;
}

std::string ReadHeaderName(const Reader& reader) {
  const auto text = reader.Text();
  if (!text) return "";
  const bool token = std::all_of(text->begin(), text->end(), [](char c) {
    return absl::ascii_isalnum(c) || absl::StrContains(kTokenPunctuation, c);
  });
  if (token) return absl::AsciiStrToLower(*text);
  reader.Report("OutOfRange", absl::StrCat("is no header name: \"", *text, "\""));
  return "";
}

void AttachRoutes(std::span<const ObjectPtr> objects, Building& building) {
  for (const ObjectPtr& object : objects) {
    const auto& route = static_cast<const RouteObject&>(*object);
    const ObjectMeta& meta = route.meta;
    for (const ParentRef& parent : route.parents) {
      if (!parent.mesh) continue;
      const auto it = building.mesh.services.find(parent.service);
      if (it == building.mesh.services.end()) {
        building.problems.push_back(ProblemAt(
            meta, parent.field, "MissingTarget",
            absl::StrCat("there is no service ", parent.service.ns, "/", parent.service.name)));
        continue;
      }
      if (parent.port != 0 && it->second.FindPort(parent.port) == nullptr) {
        building.problems.push_back(
            ProblemAt(meta, absl::StrCat(parent.field, ".port"), "MissingTarget",
                      absl::StrCat("service ", parent.service.ns, "/", parent.service.name,
                                   " has no port ", parent.port)));
        continue;
      }
      it->second.routes.push_back({parent.port, route.route});
    }
    WarnOfBackends(building.mesh, *route.route, building.problems);
  }
}

}  // namespace control
