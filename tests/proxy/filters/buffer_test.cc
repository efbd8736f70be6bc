#include <catch2/catch.hpp>

#include "tests/testing/proxy/filter_bench.h"

namespace proxy {

TEST_CASE("buffer: the request goes on when it is whole, with its length") {
  FilterBench bench;
  REQUIRE(bench.Add(BufferFilter(), "max_request_bytes: 5").ok());
  bench.Start();
  bench.run->RequestHead(false);
  bench.run->RequestData("abc", false);
  CHECK(bench.out.empty());
  bench.run->RequestData("de", true);
  CHECK(bench.out == std::vector<std::string>{"head", "abcde."});
  CHECK(bench.head.content_length == 5);
}

TEST_CASE("buffer: one byte more is 413, wherever the byte comes") {
  for (const bool last : {false, true}) {
    FilterBench bench;
    REQUIRE(bench.Add(BufferFilter(), "max_request_bytes: 5").ok());
    bench.Start();
    bench.run->RequestHead(false);
    bench.run->RequestData("abc", false);
    bench.run->RequestData("def", last);
    CHECK(bench.out == std::vector<std::string>{"413"});
  }
}

TEST_CASE("buffer: what has no body, or turns into a tunnel, does not wait") {
  FilterBench bench;
  REQUIRE(bench.Add(BufferFilter(), "max_request_bytes: 5").ok());
  bench.Get();
  CHECK(bench.out == std::vector<std::string>{"head."});
  bench.head.upgrade = "websocket";
  bench.Start();
  bench.run->RequestHead(false);
  bench.run->RequestData("abcdefgh", false);
  CHECK(bench.out == std::vector<std::string>{"head", "abcdefgh"});
  CHECK_FALSE(bench.Add(BufferFilter(), "{}").ok());
}

}  // namespace proxy
