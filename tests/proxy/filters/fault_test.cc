#include <catch2/catch.hpp>

#include "tests/testing/proxy/filter_bench.h"

namespace proxy {
namespace {

constexpr char kAll[] = "percentage: {numerator: 100}";

}  // namespace

TEST_CASE("fault: a delay holds the request for as long as configured") {
  FilterBench bench;
  REQUIRE(bench.Add(FaultFilter(), "delay: {fixed_delay: 2s, percentage: {numerator: 100}}").ok());
  bench.Get();
  bench.Advance(absl::Milliseconds(1990));
  CHECK(bench.out.empty());
  CHECK(bench.Stat("http.in.fault.active_faults") == 1);
  bench.Advance(absl::Milliseconds(20));
  CHECK(bench.out == std::vector<std::string>{"head."});
  CHECK(bench.Stat("http.in.fault.delays_injected") == 1);
  CHECK(bench.Stat("http.in.fault.active_faults") == 0);
  CHECK(HasFlag(bench.info_, ResponseFlag::kDelayInjected));
}

TEST_CASE("fault: an abort answers with its status") {
  FilterBench bench;
  REQUIRE(bench.Add(FaultFilter(), "abort: {http_status: 503, percentage: {numerator: 100}}").ok());
  bench.Get();
  REQUIRE(bench.reply);
  CHECK(bench.reply->status == 503);
  CHECK(bench.details == "fault_filter_abort");
  CHECK(bench.Stat("http.in.fault.aborts_injected") == 1);
  CHECK(HasFlag(bench.info_, ResponseFlag::kFaultInjected));
}

TEST_CASE("fault: a delay comes before the abort") {
  FilterBench bench;
  REQUIRE(bench
              .Add(FaultFilter(), std::string("delay: {fixed_delay: 1s, ") + kAll +
                                      "}\nabort: {grpc_status: 14, " + kAll + "}")
              .ok());
  bench.Get();
  CHECK_FALSE(bench.reply);
  bench.Advance(absl::Seconds(2));
  REQUIRE(bench.reply);
  CHECK(bench.reply->grpc_status == 14);
}

TEST_CASE("fault: the share of requests is kept") {
  FilterBench bench;
  REQUIRE(bench
              .Add(FaultFilter(),
                   "abort: {http_status: 500, percentage: {numerator: 30, denominator: HUNDRED}}")
              .ok());
  int aborted = 0;
  for (int i = 0; i < 10000; ++i) {
    bench.Get();
    aborted += bench.reply ? 1 : 0;
    bench.End();
  }
  CHECK(aborted > 2800);
  CHECK(aborted < 3200);
}

TEST_CASE("fault: fields choose fault and share, where the settings say so") {
  FilterBench bench;
  REQUIRE(bench.Add(FaultFilter(), std::string("abort: {header_abort: {}, ") + kAll + "}").ok());
  bench.Get();
  CHECK_FALSE(bench.reply);
  bench.head.headers.Add("x-envoy-fault-abort-request", "418");
  bench.Get();
  REQUIRE(bench.reply);
  CHECK(bench.reply->status == 418);
  bench.head.headers.Add("x-envoy-fault-abort-request-percentage", "0");
  bench.Get();
  CHECK_FALSE(bench.reply);
}

TEST_CASE("fault: no more at once than max_active_faults") {
  FilterBench one, other;
  const std::string yaml =
      std::string("max_active_faults: 1\ndelay: {fixed_delay: 1s, ") + kAll + "}";
  REQUIRE(one.Add(FaultFilter(), yaml).ok());
  other.entries = one.entries;
  one.Get();
  other.Get();
  CHECK(one.out.empty());
  CHECK(other.out == std::vector<std::string>{"head."});
  CHECK(one.Stat("http.in.fault.faults_overflow") == 1);
  one.End();
  other.Get();
  CHECK(other.out.empty());
}

TEST_CASE("fault: only requests with the wanted fields are concerned; a route has the last word") {
  FilterBench bench;
  REQUIRE(bench
              .Add(FaultFilter(),
                   std::string("headers: [{name: x-test, string_match: {exact: 'yes'}}]\nabort: "
                               "{http_status: 500, ") +
                       kAll + "}")
              .ok());
  bench.Get();
  CHECK_FALSE(bench.reply);
  bench.head.headers.Add("x-test", "yes");
  bench.Get();
  CHECK(bench.reply);
  REQUIRE(bench.AddRoute(FaultFilter(), "{}").ok());
  bench.Get();
  CHECK_FALSE(bench.reply);
  CHECK(bench.run->size() == 0);
}

TEST_CASE("fault: settings without meaning are refused") {
  FilterBench bench;
  CHECK(bench.Add(FaultFilter(), "abort: {http_status: 99}").message() ==
        "abort.http_status: not in 200..599");
  CHECK(bench.Add(FaultFilter(), "abort: {}").message() ==
        "abort: needs http_status, grpc_status or header_abort");
  CHECK(bench.Add(FaultFilter(), "delay: {}").message() == "delay.fixed_delay: must be above 0");
}

}  // namespace proxy
