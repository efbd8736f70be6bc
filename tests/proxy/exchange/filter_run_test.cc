#include <catch2/catch.hpp>

#include "tests/testing/proxy/filter_bench.h"

namespace proxy {
namespace {

using Lines = std::vector<std::string>;

// Says what it is told to; writes down what it sees.
struct Scripted final : Filter {
  struct Script {
    Next head = Next::kContinue;
    Next data = Next::kContinue;
    Next last_data = Next::kContinue;
    Next trailers = Next::kContinue;
    std::string log = {};
    FilterHost* host = nullptr;
    bool reply_on_head = false;
    int ends = 0;
  };
  explicit Scripted(Script& s) : script(s) {}
  Next OnRequestHead(RequestHead&, bool last) override {
    script.log += last ? "h. " : "h ";
    if (script.reply_on_head) script.host->Reply({.status = 403, .details = "no"});
    return script.head;
  }
  Next OnRequestData(absl::string_view& data, bool last) override {
    script.log += std::string(data) + (last ? ". " : " ");
    return last ? script.last_data : script.data;
  }
  Next OnRequestTrailers(Headers&, std::string&) override {
    script.log += "t ";
    return script.trailers;
  }
  Next OnResponseHead(ResponseHead&, bool) override {
    script.log += "H ";
    return script.head;
  }
  Next OnResponseData(absl::string_view& data, bool last) override {
    script.log += std::string(data) + (last ? ". " : " ");
    return last ? script.last_data : script.data;
  }
  void OnStreamEnd(const StreamInfo&) override { ++script.ends; }
  Script& script;
};

void Add(FilterBench& bench, Scripted::Script& script) {
  bench.AddFilter([&script](FilterHost& host, RouteFilterConfigs) {
    script.host = &host;
    return std::make_unique<Scripted>(script);
  });
}

}  // namespace

TEST_CASE("filters: a request passes them in order, its answer in reverse") {
  FilterBench bench;
  std::string order;
  struct Noting final : Filter {
    Noting(std::string& o, char n) : order(o), name(n) {}
    Next OnRequestHead(RequestHead&, bool) override {
      order += name;
      return Next::kContinue;
    }
    Next OnResponseHead(ResponseHead&, bool) override {
      order += static_cast<char>(name - 32);
      return Next::kContinue;
    }
    std::string& order;
    char name;
  };
  for (const char name : {'a', 'b', 'c'}) {
    bench.AddFilter([&order, name](FilterHost&, RouteFilterConfigs) {
      return std::make_unique<Noting>(order, name);
    });
  }
  bench.Get();
  bench.Answer(200, true);
  CHECK(order == "abcCBA");
  CHECK(bench.out == Lines{"head.", "HEAD."});
}

TEST_CASE("filters: what comes while one pauses is held, shown to it later, and goes on in order") {
  FilterBench bench;
  Scripted::Script first, second;
  first.head = Next::kPause;
  Add(bench, first);
  Add(bench, second);
  bench.Start();
  bench.run->RequestHead(false);
  bench.run->RequestData("a", false);
  bench.run->RequestData("b", true);
  CHECK(first.log == "h ");
  CHECK(second.log.empty());
  CHECK(bench.out.empty());
  first.host->ResumeRequest();
  CHECK(first.log == "h ab. ");
  CHECK(second.log == "h ab. ");
  CHECK(bench.out == Lines{"head", "ab."});
}

TEST_CASE("filters: one that collects is shown each part once and lets all go together") {
  FilterBench bench;
  Scripted::Script first, second;
  second.head = second.data = Next::kCollect;
  Add(bench, first);
  Add(bench, second);
  bench.Start();
  bench.run->RequestHead(false);
  bench.run->RequestData("a", false);
  bench.run->RequestData("b", false);
  CHECK(bench.out.empty());
  CHECK(bench.collected == 1);
  bench.run->RequestData("c", true);
  CHECK(first.log == "h a b c. ");
  CHECK(second.log == "h a b c. ");
  CHECK(bench.out == Lines{"head", "abc."});
}

TEST_CASE("filters: collecting and then pausing holds head, body and trailers until it resumes") {
  FilterBench bench;
  Scripted::Script script;
  script.head = script.data = Next::kCollect;
  script.trailers = Next::kPause;
  Add(bench, script);
  bench.Start();
  bench.run->RequestHead(false);
  bench.run->RequestData("a", false);
  bench.run->RequestTrailers({});
  CHECK(script.log == "h a t ");
  CHECK(bench.out.empty());
  script.host->ResumeRequest();
  CHECK(bench.out == Lines{"head", "a", "trailers"});
}

TEST_CASE("filters: a body that turns out empty ends the message with the head") {
  FilterBench bench;
  Scripted::Script script;
  script.head = Next::kCollect;
  Add(bench, script);
  bench.Start();
  bench.run->RequestHead(false);
  bench.run->RequestData("", true);
  CHECK(bench.out == Lines{"head."});
}

TEST_CASE("filters: two may hold at the same time and each gets every part once") {
  FilterBench bench;
  Scripted::Script first, second;
  second.head = Next::kPause;
  Add(bench, first);
  Add(bench, second);
  bench.Start();
  bench.run->RequestHead(false);
  first.data = Next::kPause;
  bench.run->RequestData("a", false);
  bench.run->RequestData("b", false);
  second.host->ResumeRequest();
  CHECK(bench.out == Lines{"head"});
  first.data = Next::kContinue;
  first.host->ResumeRequest();
  bench.run->RequestData("c", true);
  CHECK(first.log == "h a b c. ");
  CHECK(second.log == "h a b c. ");
  CHECK(bench.out == Lines{"head", "a", "b", "c."});
}

TEST_CASE("filters: a collector beyond the limit is 413, its answer beyond it 500") {
  FilterBench bench;
  bench.buffer_max = 4;
  Scripted::Script script;
  script.head = script.data = Next::kCollect;
  Add(bench, script);
  bench.Start();
  bench.run->RequestHead(false);
  bench.run->RequestData("1234", false);
  CHECK(bench.out.empty());
  bench.run->RequestData("5", false);
  bench.run->RequestData("6", true);
  bench.run->ResponseHead(false);
  bench.run->ResponseData("12345", false);
  CHECK(bench.out == Lines{"413", "500"});
  CHECK(script.log == "h 1234 5 H 12345 ");
}

TEST_CASE("filters: a pause holds back the peer above the limit and lets it go on when it ends") {
  FilterBench bench;
  bench.buffer_max = 4;
  Scripted::Script script;
  script.head = Next::kPause;
  Add(bench, script);
  bench.Start();
  bench.run->RequestHead(false);
  bench.run->RequestData("1234", false);
  CHECK(bench.pressure == 0);
  bench.run->RequestData("5", false);
  bench.run->RequestData("6", false);
  CHECK(bench.pressure == 1);
  script.host->ResumeRequest();
  CHECK(bench.pressure == 0);
  CHECK(bench.out == Lines{"head", "123456"});
}

TEST_CASE(
    "filters: after a reply nothing of the request goes on, and later filters do not see it") {
  FilterBench bench;
  Scripted::Script first, second;
  first.reply_on_head = true;
  first.head = Next::kPause;
  Add(bench, first);
  Add(bench, second);
  bench.Start();
  bench.run->RequestHead(false);
  bench.run->RequestData("a", true);
  CHECK(bench.reply->status == 403);
  CHECK(first.log == "h ");
  CHECK(second.log.empty());
  CHECK(bench.out.empty());
}

TEST_CASE("filters: each hears of the stream's end once, and cannot resume after it") {
  FilterBench bench;
  Scripted::Script script;
  script.head = Next::kPause;
  Add(bench, script);
  bench.Get();
  bench.End();
  bench.End();
  script.host->ResumeRequest();
  CHECK(script.ends == 1);
  CHECK(bench.out.empty());
}

TEST_CASE("filters: one that is disabled, or wants nothing of the stream, is not made") {
  FilterBench bench;
  Scripted::Script script;
  Add(bench, script);
  bench.entries[0].disabled = true;
  bench.AddFilter([](FilterHost&, RouteFilterConfigs) { return nullptr; });
  bench.Get();
  CHECK(bench.run->size() == 0);
  CHECK(bench.out == Lines{"head."});
}

}  // namespace proxy
