#include <catch2/catch.hpp>

#include <thread>

#include "proxy/filters/token_bucket.h"

namespace proxy {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kStart = 1000 * kSecond;

}  // namespace

TEST_CASE("token bucket: a full one gives its tokens at once, then as many as are filled in") {
  const BucketRate rate{.tokens_max = 100, .per_fill = 10, .interval = absl::Seconds(1)};
  TokenBucket bucket;
  int given = 0;
  for (int i = 0; i < 200; ++i) given += bucket.Take(rate, kStart) ? 1 : 0;
  CHECK(given == 100);
  CHECK(bucket.Left(rate, kStart) == 0);
  CHECK(bucket.UntilNext(rate, kStart) == kSecond / 10);
  CHECK_FALSE(bucket.Take(rate, kStart + kSecond / 10 - 1));
  CHECK(bucket.Take(rate, kStart + kSecond / 10));
  CHECK_FALSE(bucket.Take(rate, kStart + kSecond / 10));
}

TEST_CASE("token bucket: no more is saved than it holds") {
  const BucketRate rate{.tokens_max = 3, .per_fill = 1, .interval = absl::Seconds(1)};
  TokenBucket bucket;
  CHECK(bucket.Take(rate, kStart));
  CHECK_FALSE(bucket.Full(rate, kStart));
  CHECK(bucket.Full(rate, kStart + kSecond));
  CHECK(bucket.Left(rate, kStart + 1000 * kSecond) == 3);
  int given = 0;
  for (int i = 0; i < 10; ++i) given += bucket.Take(rate, kStart + 1000 * kSecond) ? 1 : 0;
  CHECK(given == 3);
}

TEST_CASE("token bucket: over a long time the rate is exact") {
  const BucketRate rate{.tokens_max = 1, .per_fill = 7, .interval = absl::Seconds(1)};
  TokenBucket bucket;
  int64_t given = 0;
  for (int64_t ms = 0; ms <= 100'000; ++ms) {
    given += bucket.Take(rate, kStart + ms * 1'000'000) ? 1 : 0;
  }
  // A bucket of one loses what comes between two looks: never more than the rate, nearly all of it.
  CHECK(given <= 701);
  CHECK(given >= 690);
}

TEST_CASE("token bucket: eight threads together get no token too many and none too few") {
  const BucketRate rate{.tokens_max = 10'000, .per_fill = 1, .interval = absl::Hours(1)};
  TokenBucket bucket;
  std::atomic<int> given{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5'000; ++i) given += bucket.Take(rate, kStart) ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(given == 10'000);
}

TEST_CASE("bucket table: each key has its own bucket; full ones make room") {
  const BucketRate rate{.tokens_max = 1, .per_fill = 1, .interval = absl::Seconds(1)};
  BucketTable table(rate, 2);  // Four slots.
  bool evicted = false;
  for (uint64_t key = 1; key <= 4; ++key) {
    CHECK(table.Find(key, kStart, evicted).Take(rate, kStart));
  }
  for (uint64_t key = 1; key <= 4; ++key) {
    CHECK_FALSE(table.Find(key, kStart, evicted).Take(rate, kStart));
  }
  CHECK_FALSE(evicted);
  // All are in use: the fifth key takes a place too early, and that is told.
  table.Find(5, kStart, evicted);
  CHECK(evicted);
  evicted = false;
  table.Find(6, kStart + 2 * kSecond, evicted);
  CHECK_FALSE(evicted);
}

}  // namespace proxy
