#include <catch2/catch.hpp>

#include "proxy/route/rate_limits.h"
#include "tests/testing/proxy/filter_bench.h"

namespace proxy {
namespace {

constexpr char kOn[] = R"(
stat_prefix: limit
filter_enabled: {default_value: {numerator: 100}}
filter_enforced: {default_value: {numerator: 100}}
)";

RateLimitEntry Entry(const std::string& yaml) {
  envoy::config::route::v3::RateLimit proto;
  REQUIRE(ParseYaml(yaml, proto).ok());
  RateLimitEntry entry;
  REQUIRE(ReadRateLimit(proto, entry).ok());
  return entry;
}

int Passed(FilterBench& bench, int requests) {
  int passed = 0;
  for (int i = 0; i < requests; ++i) {
    bench.Get();
    passed += bench.reply ? 0 : 1;
  }
  return passed;
}

}  // namespace

TEST_CASE("local rate limit: capacity 100 and 200 requests at once let 100 pass") {
  FilterBench bench;
  REQUIRE(bench
              .Add(LocalRateLimitFilter(),
                   std::string(kOn) +
                       "token_bucket: {max_tokens: 100, tokens_per_fill: 10, fill_interval: 1s}")
              .ok());
  CHECK(Passed(bench, 200) == 100);
  CHECK(bench.reply->status == 429);
  CHECK(bench.details == "local_rate_limited");
  CHECK(bench.Stat("limit.http_local_rate_limit.ok") == 100);
  CHECK(bench.Stat("limit.http_local_rate_limit.enforced") == 100);
  CHECK(HasFlag(bench.info_, ResponseFlag::kRateLimited));
  bench.Advance(absl::Seconds(1));
  CHECK(Passed(bench, 20) == 10);
}

TEST_CASE("local rate limit: what is not enforced only counts and marks") {
  FilterBench bench;
  REQUIRE(bench
              .Add(LocalRateLimitFilter(), R"(
stat_prefix: limit
filter_enabled: {default_value: {numerator: 100}}
token_bucket: {max_tokens: 1, fill_interval: 60s}
request_headers_to_add_when_not_enforced: [{header: {key: x-over, value: 'yes'}}]
)")
              .ok());
  CHECK(Passed(bench, 3) == 3);
  CHECK(bench.Stat("limit.http_local_rate_limit.rate_limited") == 2);
  CHECK(bench.Stat("limit.http_local_rate_limit.enforced") == 0);
  CHECK(bench.head.headers.Find("x-over") != nullptr);
}

TEST_CASE("local rate limit: a descriptor has a bucket, and an open one a bucket for each value") {
  FilterBench bench;
  REQUIRE(bench
              .Add(LocalRateLimitFilter(), std::string(kOn) + R"(
token_bucket: {max_tokens: 1000, fill_interval: 1s}
descriptors:
- entries: [{key: user, value: gold}]
  token_bucket: {max_tokens: 5, fill_interval: 60s}
- entries: [{key: user}]
  token_bucket: {max_tokens: 2, fill_interval: 60s}
rate_limits:
- actions: [{request_headers: {header_name: x-user, descriptor_key: user}}]
)")
              .ok());
  bench.head.headers.Set("x-user", "anne");
  CHECK(Passed(bench, 10) == 2);
  bench.head.headers.Set("x-user", "bert");
  CHECK(Passed(bench, 10) == 2);
  bench.head.headers.Set("x-user", "anne");
  CHECK(Passed(bench, 10) == 0);
  bench.head.headers.Remove("x-user");
  CHECK(Passed(bench, 10) == 10);
}

TEST_CASE("local rate limit: the answer says limit, what remains and when there is more") {
  FilterBench bench;
  REQUIRE(bench
              .Add(LocalRateLimitFilter(), std::string(kOn) + R"(
token_bucket: {max_tokens: 3, fill_interval: 10s}
enable_x_ratelimit_headers: DRAFT_VERSION_03
)")
              .ok());
  bench.Get();
  bench.Answer(200, true);
  CHECK(bench.answer.headers.Find("x-ratelimit-limit")->value == "3");
  CHECK(bench.answer.headers.Find("x-ratelimit-remaining")->value == "2");
  CHECK(bench.answer.headers.Find("x-ratelimit-reset")->value == "0");
  CHECK(Passed(bench, 3) == 2);
  bench.Answer(429, true);
  CHECK(bench.answer.headers.Find("x-ratelimit-remaining")->value == "0");
  CHECK(bench.answer.headers.Find("x-ratelimit-reset")->value == "10");
}

TEST_CASE("local rate limit: the route's recipes, and the host's if it has none") {
  FilterBench bench;
  REQUIRE(bench
              .Add(LocalRateLimitFilter(), std::string(kOn) + R"(
descriptors:
- entries: [{key: from, value: route}]
  token_bucket: {max_tokens: 1, fill_interval: 60s}
- entries: [{key: from, value: host}]
  token_bucket: {max_tokens: 2, fill_interval: 60s}
)")
              .ok());
  const auto entries = [](const char* value) {
    auto list = std::make_shared<RateLimitEntries>();
    list->entries.push_back(
        Entry(std::string("actions: [{generic_key: {descriptor_key: from, descriptor_value: ") +
              value + "}}]"));
    return list;
  };
  bench.host.emplace().rate_limits = entries("host");
  CHECK(Passed(bench, 5) == 2);
  bench.matched.emplace().forward.emplace().rate_limits = entries("route");
  CHECK(Passed(bench, 5) == 1);
}

TEST_CASE("rate limits: each kind of action finds its value or makes no descriptor") {
  RequestHead head;
  head.method = "GET";
  head.path = "/a?k=v&e=";
  head.authority = "svc";
  head.headers.Add("x-h", "1");
  StreamInfo info;
  info.downstream_remote = *Address::FromIp("10.1.2.3", 99);
  info.cluster = "up";
  const auto value = [&](const std::string& action) {
    const auto made = Describe(Entry("actions: [" + action + "]"), head, info);
    return made ? (*made)[0].first + "=" + (*made)[0].second : std::string("-");
  };
  CHECK(value("{generic_key: {descriptor_value: x}}") == "generic_key=x");
  CHECK(value("{request_headers: {header_name: X-H, descriptor_key: h}}") == "h=1");
  CHECK(value("{request_headers: {header_name: x-no, descriptor_key: h}}") == "-");
  CHECK(value("{request_headers: {header_name: ':path', descriptor_key: p}}") == "p=/a?k=v&e=");
  CHECK(value("{query_parameters: {query_parameter_name: k, descriptor_key: q}}") == "q=v");
  CHECK(value("{query_parameters: {query_parameter_name: e, descriptor_key: q}}") == "q=");
  CHECK(value("{query_parameters: {query_parameter_name: z, descriptor_key: q}}") == "-");
  CHECK(value("{remote_address: {}}") == "remote_address=10.1.2.3");
  CHECK(value("{masked_remote_address: {v4_prefix_mask_len: 16}}") ==
        "masked_remote_address=10.1.0.0");
  CHECK(value("{destination_cluster: {}}") == "destination_cluster=up");
  CHECK(value("{header_value_match: {descriptor_value: d, headers: [{name: x-h, present_match: "
              "true}]}}") == "header_match=d");
  CHECK(value("{header_value_match: {descriptor_value: d, expect_match: false, headers: [{name: "
              "x-h, present_match: true}]}}") == "-");
  envoy::config::route::v3::RateLimit proto;
  RateLimitEntry entry;
  REQUIRE(ParseYaml("actions: [{source_cluster: {}}]", proto).ok());
  CHECK_FALSE(ReadRateLimit(proto, entry).ok());
}

}  // namespace proxy
