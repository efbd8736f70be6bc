// Matchers and header edits of the API -> values.
#include "proxy/route/read_match.h"

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

namespace proxy {
namespace {

namespace route = envoy::config::route::v3;
namespace core = envoy::config::core::v3;

absl::Status Bad(absl::string_view where, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(where, ": ", what));
}

}  // namespace

absl::StatusOr<std::shared_ptr<const RE2>> CompileRegex(const std::string& pattern) {
  auto regex = std::make_shared<const RE2>(pattern, RE2::Quiet);
  if (!regex->ok()) return Bad("regex", absl::StrCat("'", pattern, "': ", regex->error()));
  return regex;
}

absl::Status ReadText(const envoy::type::matcher::v3::StringMatcher& proto, TextMatch& text) {
  text.ignore_case = proto.ignore_case();
  if (proto.has_exact()) {
    text.kind = TextMatch::Kind::kExact;
    text.text = proto.exact();
  } else if (proto.has_prefix()) {
    text.kind = TextMatch::Kind::kPrefix;
    text.text = proto.prefix();
  } else if (proto.has_suffix()) {
    text.kind = TextMatch::Kind::kSuffix;
    text.text = proto.suffix();
  } else if (proto.has_contains()) {
    text.kind = TextMatch::Kind::kContains;
    text.text = proto.contains();
  } else if (proto.has_safe_regex()) {
    text.kind = TextMatch::Kind::kRegex;
    auto regex = CompileRegex(proto.safe_regex().regex());
    if (!regex.ok()) return regex.status();
    text.regex = *regex;
  } else {
    return Bad("string_match", "needs exact, prefix, suffix, contains or safe_regex");
  }
  return absl::OkStatus();
}

absl::Status ReadHeader(const route::HeaderMatcher& proto, HeaderMatch& match) {
  match.name = absl::AsciiStrToLower(proto.name());
  if (match.name.empty()) return Bad("match.headers", "name: must not be empty");
  match.invert = proto.invert_match();
  match.missing_is_empty = proto.treat_missing_header_as_empty();
  if (proto.has_string_match()) return ReadText(proto.string_match(), match.text);
  if (proto.has_range_match()) {
    match.range = {proto.range_match().start(), proto.range_match().end()};
  } else if (proto.has_present_match()) {
    match.present = proto.present_match();
  } else if (proto.has_exact_match()) {
    match.text = {.kind = TextMatch::Kind::kExact, .text = proto.exact_match(), .regex = {}};
  } else if (proto.has_prefix_match()) {
    match.text = {.kind = TextMatch::Kind::kPrefix, .text = proto.prefix_match(), .regex = {}};
  } else if (proto.has_suffix_match()) {
    match.text = {.kind = TextMatch::Kind::kSuffix, .text = proto.suffix_match(), .regex = {}};
  } else if (proto.has_contains_match()) {
    match.text = {.kind = TextMatch::Kind::kContains, .text = proto.contains_match(), .regex = {}};
  } else if (proto.has_safe_regex_match()) {
    auto regex = CompileRegex(proto.safe_regex_match().regex());
    if (!regex.ok()) return regex.status();
    match.text = {.kind = TextMatch::Kind::kRegex, .text = {}, .regex = *regex};
  }
  return absl::OkStatus();
}

absl::Status ReadQuery(const route::QueryParameterMatcher& proto, QueryMatch& match) {
  match.name = proto.name();
  return proto.has_string_match() ? ReadText(proto.string_match(), match.text) : absl::OkStatus();
}

absl::Status ReadRouteMatch(const route::RouteMatch& proto, RouteMatch& match) {
  match.ignore_case = proto.has_case_sensitive() && !proto.case_sensitive().value();
  match.grpc_only = proto.has_grpc();
  switch (proto.path_specifier_case()) {
    case route::RouteMatch::kPrefix: match.path = proto.prefix(); break;
    case route::RouteMatch::kPath:
      match.kind = RouteMatch::Path::kExact;
      match.path = proto.path();
      break;
    case route::RouteMatch::kPathSeparatedPrefix:
      match.kind = RouteMatch::Path::kSegmentPrefix;
      match.path = proto.path_separated_prefix();
      break;
    case route::RouteMatch::kSafeRegex: {
      match.kind = RouteMatch::Path::kRegex;
      auto regex = CompileRegex(proto.safe_regex().regex());
      if (!regex.ok()) return regex.status();
      match.regex = *regex;
      break;
    }
    case route::RouteMatch::kConnectMatcher: match.kind = RouteMatch::Path::kConnect; break;
    default: return Bad("match", "needs a path specifier (prefix, path, safe_regex, ...)");
  }
  for (const auto& header : proto.headers()) {
    if (absl::Status s = ReadHeader(header, match.headers.emplace_back()); !s.ok()) return s;
  }
  for (const auto& query : proto.query_parameters()) {
    if (absl::Status s = ReadQuery(query, match.query.emplace_back()); !s.ok()) return s;
  }
  return absl::OkStatus();
}

absl::StatusOr<HeaderEdits::Edit> ReadEdit(const core::HeaderValueOption& option) {
  using Action = HeaderEdits::Edit::Action;
  HeaderEdits::Edit edit{absl::AsciiStrToLower(option.header().key()), option.header().value(),
                         Action::kAppend};
  switch (option.append_action()) {
    case core::HeaderValueOption::ADD_IF_ABSENT: edit.action = Action::kAddIfAbsent; break;
    case core::HeaderValueOption::OVERWRITE_IF_EXISTS_OR_ADD:
      edit.action = Action::kOverwrite;
      break;
    case core::HeaderValueOption::OVERWRITE_IF_EXISTS:
      edit.action = Action::kOverwriteIfPresent;
      break;
    default: break;
  }
  if (option.has_append() && !option.append().value()) edit.action = Action::kOverwrite;
  if (absl::StrContains(edit.value, '%')) {
    auto format = Format::Parse(edit.value);
    if (!format.ok())
      return Bad(absl::StrCat("header '", edit.name, "'"), format.status().message());
    edit.format = std::make_shared<const Format>(*std::move(format));
  }
  return edit;
}

Fraction ReadFraction(const envoy::type::v3::FractionalPercent& proto) {
  Fraction fraction{.numerator = proto.numerator()};
  if (proto.denominator() == envoy::type::v3::FractionalPercent::TEN_THOUSAND)
    fraction.denominator = 10'000;
  if (proto.denominator() == envoy::type::v3::FractionalPercent::MILLION)
    fraction.denominator = 1'000'000;
  return fraction;
}

absl::Duration ToDuration(const google::protobuf::Duration& proto) {
  return absl::Seconds(proto.seconds()) + absl::Nanoseconds(proto.nanos());
}

}  // namespace proxy
