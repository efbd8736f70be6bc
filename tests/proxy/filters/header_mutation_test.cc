#include <catch2/catch.hpp>

#include "tests/testing/proxy/filter_bench.h"

namespace proxy {
namespace {

std::string ValueOf(const Headers& headers, absl::string_view name) {
  const Header* found = headers.Find(name);
  return found == nullptr ? "-" : std::string(found->value);
}

std::string Setting(const char* value) {
  return std::string(
             "{request_mutations: [{append: {append_action: OVERWRITE_IF_EXISTS_OR_ADD, header: "
             "{key: x-who, value: ") +
         value + "}}}]}";
}

}  // namespace

TEST_CASE("header mutation: steps run in the listed order on both heads") {
  FilterBench bench;
  REQUIRE(bench
              .Add(HeaderMutationFilter(), R"(
mutations:
  request_mutations:
  - append: {header: {key: X-New, value: a}}
  - remove: x-gone
  - append: {header: {key: x-new, value: b}}
  response_mutations:
  - remove_on_match: {key_matcher: {prefix: x-internal-}}
  - append: {append_action: ADD_IF_ABSENT, header: {key: x-kept, value: new}}
)")
              .ok());
  bench.head.headers.Add("x-gone", "1");
  bench.answer.headers.Add("x-internal-a", "1");
  bench.answer.headers.Add("x-internal-b", "1");
  bench.answer.headers.Add("x-kept", "old");
  bench.Get();
  bench.Answer(200, true);
  CHECK(ValueOf(bench.head.headers, "x-gone") == "-");
  CHECK(bench.head.headers.size() == 2);
  CHECK(ValueOf(bench.answer.headers, "x-kept") == "old");
  CHECK(bench.answer.headers.size() == 1);
}

TEST_CASE("header mutation: the least specific level is last, unless told otherwise") {
  for (const bool specific : {false, true}) {
    FilterBench bench;
    REQUIRE(bench
                .Add(HeaderMutationFilter(),
                     "mutations: " + Setting("own") +
                         "\nmost_specific_header_mutations_wins: " + (specific ? "true" : "false"))
                .ok());
    REQUIRE(bench.AddRoute(HeaderMutationFilter(), "mutations: " + Setting("route")).ok());
    REQUIRE(bench.AddRoute(HeaderMutationFilter(), "mutations: " + Setting("host")).ok());
    bench.Get();
    CHECK(ValueOf(bench.head.headers, "x-who") == (specific ? "route" : "host"));
  }
}

TEST_CASE("header mutation: what decides the way of a request is left to routes") {
  FilterBench bench;
  CHECK_FALSE(
      bench.Add(HeaderMutationFilter(), "mutations: {request_mutations: [{remove: ':path'}]}")
          .ok());
  CHECK_FALSE(
      bench.Add(HeaderMutationFilter(), "mutations: {request_mutations: [{remove: Host}]}").ok());
}

}  // namespace proxy
