// Matching of hosts, paths, headers and queries, and the edits that a route makes.
#include <algorithm>

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

#include "proxy/route/route.h"

namespace proxy {
namespace {

bool StartsWith(absl::string_view text, absl::string_view prefix, bool ignore_case) {
  return ignore_case ? absl::StartsWithIgnoreCase(text, prefix) : absl::StartsWith(text, prefix);
}

bool Equals(absl::string_view text, absl::string_view other, bool ignore_case) {
  return ignore_case ? absl::EqualsIgnoreCase(text, other) : text == other;
}

re2::StringPiece Piece(absl::string_view text) { return {text.data(), text.size()}; }

bool PathMatches(const RouteMatch& match, const RequestHead& head) {
  if (match.kind == RouteMatch::Path::kConnect) return head.method == "CONNECT";
  switch (match.kind) {
    case RouteMatch::Path::kPrefix: return StartsWith(head.path, match.path, match.ignore_case);
    case RouteMatch::Path::kExact: return Equals(head.PathOnly(), match.path, match.ignore_case);
    case RouteMatch::Path::kRegex: return RE2::FullMatch(Piece(head.PathOnly()), *match.regex);
    case RouteMatch::Path::kSegmentPrefix: {
      const absl::string_view path = head.PathOnly();
      return StartsWith(path, match.path, match.ignore_case) &&
             (path.size() == match.path.size() || path[match.path.size()] == '/');
    }
    case RouteMatch::Path::kConnect: break;
  }
  return false;
}

// What the head itself says under a pseudo-header's name; nullopt if `name` is not one of them.
std::optional<absl::string_view> PartOfHead(const RequestHead& head, absl::string_view name) {
  if (name == ":method") return head.method;
  if (name == ":path") return head.path;
  if (name == ":authority" || name == "host") return head.authority;
  if (name == ":scheme") return head.scheme;
  return std::nullopt;
}

absl::string_view WithoutPort(absl::string_view authority) {
  const size_t colon = authority.rfind(':');
  if (colon == absl::string_view::npos || authority.find(']', colon) != absl::string_view::npos) {
    return authority;
  }
  return authority.substr(0, colon);
}

bool ValueMatches(const HeaderMatch& match, absl::string_view value) {
  if (!match.range) return match.text.Matches(value);
  int64_t number = 0;
  return absl::SimpleAtoi(value, &number) && number >= match.range->first &&
         number < match.range->second;
}

}  // namespace

bool HeaderMatches(const HeaderMatch& match, const RequestHead& head) {
  bool present = false;
  bool matched = false;
  if (const auto part = PartOfHead(head, match.name)) {
    present = true;
    matched = ValueMatches(match, *part);
  } else {
    for (const Header& header : head.headers) {
      if (header.name != match.name) continue;
      present = true;
      matched = matched || ValueMatches(match, header.value);
    }
  }
  if (!present && match.missing_is_empty) {
    present = true;
    matched = ValueMatches(match, "");
  }
  if (match.text.kind == TextMatch::Kind::kPresent && !match.range) {
    return (present == match.present) != match.invert;
  }
  return present && matched != match.invert;
}

bool QueryMatches(const QueryMatch& match, absl::string_view path) {
  const size_t mark = path.find('?');
  if (mark == absl::string_view::npos) return false;
  absl::string_view rest = path.substr(mark + 1);
  while (!rest.empty()) {
    const absl::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    const size_t equals = pair.find('=');
    if (pair.substr(0, equals) != match.name) continue;
    return match.text.Matches(equals == absl::string_view::npos ? absl::string_view()
                                                                : pair.substr(equals + 1));
  }
  return false;
}

bool RouteMatches(const RouteMatch& match, const RequestHead& head) {
  if (!PathMatches(match, head)) return false;
  if (match.grpc_only && !IsGrpc(head.headers)) return false;
  return std::all_of(match.headers.begin(), match.headers.end(),
                     [&](const HeaderMatch& one) { return HeaderMatches(one, head); }) &&
         std::all_of(match.query.begin(), match.query.end(),
                     [&](const QueryMatch& one) { return QueryMatches(one, head.path); });
}

bool TextMatch::Matches(absl::string_view value) const {
  switch (kind) {
    case Kind::kExact: return Equals(value, text, ignore_case);
    case Kind::kPrefix: return StartsWith(value, text, ignore_case);
    case Kind::kSuffix:
      return ignore_case ? absl::EndsWithIgnoreCase(value, text) : absl::EndsWith(value, text);
    case Kind::kContains:
      return ignore_case
                 ? absl::StrContains(absl::AsciiStrToLower(value), absl::AsciiStrToLower(text))
                 : absl::StrContains(value, text);
    case Kind::kRegex: return RE2::FullMatch(Piece(value), *regex);
    case Kind::kPresent: return true;
  }
  return false;
}

void HeaderEdits::Edit::Apply(const StreamInfo& info, Headers& headers) const {
  std::string filled;
  if (format != nullptr) {
    format->AppendPresent(info, filled);
    if (filled.empty()) return;
  }
  const absl::string_view text = format != nullptr ? filled : value;
  switch (action) {
    case Action::kAppend: headers.Add(name, text); break;
    case Action::kAddIfAbsent:
      if (headers.Find(name) == nullptr) headers.Add(name, text);
      break;
    case Action::kOverwrite: headers.Set(name, text); break;
    case Action::kOverwriteIfPresent:
      if (headers.Find(name) != nullptr) headers.Set(name, text);
      break;
  }
}

void HeaderEdits::Apply(const StreamInfo& info, Headers& headers) const {
  for (const std::string& name : remove) headers.Remove(name);
  for (const Edit& edit : edits) edit.Apply(info, headers);
}

RouteTable::RouteTable(std::string name, std::vector<VirtualHost> hosts, bool ignore_port,
                       HeaderEdits request_edits, HeaderEdits response_edits,
                       std::vector<RouteFilter> filters)
    : name_(std::move(name)),
      hosts_(std::move(hosts)),
      ignore_port_(ignore_port),
      request_edits_(std::move(request_edits)),
      response_edits_(std::move(response_edits)),
      filters_(std::move(filters)) {
  for (size_t i = 0; i < hosts_.size(); ++i) {
    for (const std::string& domain : hosts_[i].domains) {
      const std::string lower = absl::AsciiStrToLower(domain);
      if (lower == "*") {
        any_ = i;
      } else if (lower[0] == '*') {
        suffixes_.emplace_back(lower.substr(1), i);
      } else if (lower.back() == '*') {
        prefixes_.emplace_back(lower.substr(0, lower.size() - 1), i);
      } else {
        exact_[lower] = i;
      }
    }
  }
  const auto longer = [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); };
  std::stable_sort(suffixes_.begin(), suffixes_.end(), longer);
  std::stable_sort(prefixes_.begin(), prefixes_.end(), longer);
}

const VirtualHost* RouteTable::FindHost(absl::string_view authority) const {
  // A single catch-all host, as in most sidecars, needs no look-up.
  if (exact_.empty() && suffixes_.empty() && prefixes_.empty()) {
    return any_ ? &hosts_[*any_] : nullptr;
  }
  if (ignore_port_) authority = WithoutPort(authority);
  const std::string lower = absl::AsciiStrToLower(authority);
  if (const auto found = exact_.find(lower); found != exact_.end()) return &hosts_[found->second];
  for (const auto& [suffix, index] : suffixes_) {
    if (lower.size() > suffix.size() && absl::EndsWith(lower, suffix)) return &hosts_[index];
  }
  for (const auto& [prefix, index] : prefixes_) {
    if (lower.size() > prefix.size() && absl::StartsWith(lower, prefix)) return &hosts_[index];
  }
  return any_ ? &hosts_[*any_] : nullptr;
}

const Route* RouteTable::FindRoute(const VirtualHost& host, const RequestHead& head) {
  for (const Route& route : host.routes) {
    if (RouteMatches(route.match, head)) return &route;
  }
  return nullptr;
}

bool UpgradeAllowed(absl::string_view type, const std::vector<UpgradeRule>& route,
                    const std::vector<UpgradeRule>& listener) {
  for (const auto* rules : {&route, &listener}) {
    for (const UpgradeRule& rule : *rules) {
      if (absl::EqualsIgnoreCase(rule.type, type)) return rule.enabled;
    }
  }
  return false;
}

const WeightedCluster& SplitByHash(const ForwardAction& action, uint64_t hash) {
  uint64_t ticket = hash % action.total_weight;  // As Envoy has it.
  for (const WeightedCluster& cluster : action.clusters) {
    if (ticket < cluster.weight) return cluster;
    ticket -= cluster.weight;
  }
  return action.clusters.back();
}

const WeightedCluster& PickCluster(const ForwardAction& action, uint64_t draw) {
  if (action.clusters.size() == 1) return action.clusters[0];
  uint64_t ticket =
      static_cast<uint64_t>((static_cast<unsigned __int128>(draw) * action.total_weight) >> 64);
  for (const WeightedCluster& cluster : action.clusters) {
    if (ticket < cluster.weight) return cluster;
    ticket -= cluster.weight;
  }
  return action.clusters.back();
}

std::vector<std::string> ClustersOf(const RouteTable& table) {
  std::vector<std::string> names;
  for (const VirtualHost& host : table.hosts()) {
    for (const Route& route : host.routes) {
      if (!route.forward) continue;
      for (const WeightedCluster& one : route.forward->clusters) names.push_back(one.cluster);
    }
  }
  return names;
}

}  // namespace proxy
