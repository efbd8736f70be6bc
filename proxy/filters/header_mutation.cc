// Adds, sets and removes header fields of requests and answers, for all routes or for some.
#include <algorithm>
#include <optional>

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include "envoy/extensions/filters/http/header_mutation/v3/header_mutation.pb.h"
#include "proxy/filters/filters.h"
#include "proxy/route/read_match.h"

namespace proxy {
namespace {

namespace api = envoy::extensions::filters::http::header_mutation::v3;

// One step, in the listed order (HeaderEdits would do all removals first).
struct Mutation {
  std::string remove;                     // If not empty.
  std::optional<TextMatch> remove_names;  // Else, if set.
  HeaderEdits::Edit edit = {};
};
using MutationList = std::vector<Mutation>;

struct Mutations final : RouteFilterConfig {
  MutationList request, response, request_trailers, response_trailers;
};

void Apply(const MutationList& list, const StreamInfo& info, Headers& headers) {
  for (const Mutation& one : list) {
    if (!one.remove.empty()) {
      headers.Remove(one.remove);
    } else if (one.remove_names) {
      headers.RemoveIf([&](const Header& field) { return one.remove_names->Matches(field.name); });
    } else {
      one.edit.Apply(info, headers);
    }
  }
}

class HeaderMutation final : public Filter {
 public:
  // Later mutations win: the least specific, or with `specific_last` the most specific.
  HeaderMutation(FilterHost& host, const Mutations& own, RouteFilterConfigs routes,
                 bool specific_last)
      : host_(host), order_{&own} {
    for (const RouteFilterConfig* route : routes) {
      order_.push_back(static_cast<const Mutations*>(route));
    }
    if (specific_last) std::reverse(order_.begin() + 1, order_.end());
  }
  Next OnRequestHead(RequestHead& head, bool) override {
    for (const Mutations* one : order_) Apply(one->request, host_.info(), head.headers);
    return Next::kContinue;
  }
  Next OnRequestTrailers(Headers& trailers, std::string&) override {
    for (const Mutations* one : order_) Apply(one->request_trailers, host_.info(), trailers);
    return Next::kContinue;
  }
  Next OnResponseHead(ResponseHead& head, bool) override {
    for (const Mutations* one : order_) Apply(one->response, host_.info(), head.headers);
    return Next::kContinue;
  }
  Next OnResponseTrailers(Headers& trailers, std::string&) override {
    for (const Mutations* one : order_) Apply(one->response_trailers, host_.info(), trailers);
    return Next::kContinue;
  }

 private:
  FilterHost& host_;
  absl::InlinedVector<const Mutations*, 4> order_;
};

template <typename List>
absl::Status ReadList(const List& from, absl::string_view where, MutationList& to) {
  for (const auto& one : from) {
    Mutation& mutation = to.emplace_back();
    if (one.has_remove_on_match()) {
      absl::Status read =
          ReadText(one.remove_on_match().key_matcher(), mutation.remove_names.emplace());
      if (!read.ok()) return read;
      continue;
    }
    const std::string& name = one.has_append() ? one.append().header().key() : one.remove();
    // Pseudo-header fields and Host decide where a request goes: only routes rewrite them.
    if (name.empty() || name[0] == ':' || absl::EqualsIgnoreCase(name, "host")) {
      return absl::InvalidArgumentError(
          absl::StrCat(where, ": the field '", name, "' cannot be changed"));
    }
    if (one.has_append()) {
      auto edit = ReadEdit(one.append());
      if (!edit.ok()) return edit.status();
      mutation.edit = *std::move(edit);
    } else {
      mutation.remove = absl::AsciiStrToLower(name);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const Mutations>> ReadMutations(const api::Mutations& proto) {
  auto all = std::make_shared<Mutations>();
  absl::Status read = ReadList(proto.request_mutations(), "request_mutations", all->request);
  read.Update(ReadList(proto.response_mutations(), "response_mutations", all->response));
  read.Update(ReadList(proto.request_trailers_mutations(), "request_trailers_mutations",
                       all->request_trailers));
  read.Update(ReadList(proto.response_trailers_mutations(), "response_trailers_mutations",
                       all->response_trailers));
  if (!read.ok()) return read;
  return std::shared_ptr<const Mutations>(std::move(all));
}

absl::StatusOr<FilterFactory> Parse(const google::protobuf::Message& message, FilterContext&) {
  const auto& proto = static_cast<const api::HeaderMutation&>(message);
  auto own = ReadMutations(proto.mutations());
  if (!own.ok()) return own.status();
  return FilterFactory([own = *own, last = proto.most_specific_header_mutations_wins()](
                           FilterHost& host, RouteFilterConfigs routes) {
    return std::make_unique<HeaderMutation>(host, *own, routes, last);
  });
}

absl::StatusOr<std::shared_ptr<const RouteFilterConfig>> ParseRoute(
    const google::protobuf::Message& message, FilterContext&) {
  return ReadMutations(static_cast<const api::HeaderMutationPerRoute&>(message).mutations());
}

}  // namespace

const FilterType& HeaderMutationFilter() {
  static const FilterType kType = {
      "envoy.filters.http.header_mutation", &api::HeaderMutation::default_instance(),
      &api::HeaderMutationPerRoute::default_instance(), &Parse, &ParseRoute};
  return kType;
}

}  // namespace proxy
