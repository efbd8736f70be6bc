#include <catch2/catch.hpp>

#include <cmath>

#include <absl/strings/str_cat.h>

#include "proxy/route/hash_policy.h"

namespace proxy {
namespace {

HashPolicies By(HashPolicy::Kind kind, const std::string& name) {
  HashPolicies policies;
  policies.list.push_back({.kind = kind, .name = name, .rewrite = {}, .substitution = {}});
  return policies;
}

ForwardAction Split(std::vector<uint32_t> weights) {
  ForwardAction action;
  action.total_weight = 0;
  for (const uint32_t weight : weights) {
    WeightedCluster& one = action.clusters.emplace_back();
    one.cluster = absl::StrCat("v", action.clusters.size());
    one.weight = weight;
    action.total_weight += weight;
  }
  return action;
}

RequestHead User(int number) {
  RequestHead head;
  head.path = "/";
  head.headers.Add("x-user", absl::StrCat("user-", number));
  return head;
}

constexpr int kUsers = 100'000;

// Whether each user is in the first cluster, with a share of `first` in 10,000.
std::vector<bool> Members(uint32_t first) {
  const HashPolicies by = By(HashPolicy::Kind::kHeader, "x-user");
  const ForwardAction action = Split({first, 10'000 - first});
  std::vector<bool> members;
  for (int i = 0; i < kUsers; ++i) {
    const auto hash = HashOf(by, User(i), StreamInfo());
    members.push_back(SplitByHash(action, *hash).cluster == "v1");
  }
  return members;
}

}  // namespace

TEST_CASE("canary: growing from 0.01 % to all, nobody who was in it is moved out") {
  std::vector<bool> before(kUsers, false);
  for (const uint32_t share : {1U, 100U, 200U, 500U, 2'500U, 5'000U, 9'999U, 10'000U}) {
    const std::vector<bool> now = Members(share);
    int members = 0;
    for (int i = 0; i < kUsers; ++i) {
      CHECK_FALSE((before[static_cast<size_t>(i)] && !now[static_cast<size_t>(i)]));
      members += now[static_cast<size_t>(i)] ? 1 : 0;
    }
    // Five standard deviations of a binomial distribution.
    const double p = share / 10'000.0;
    CHECK(std::abs(members - kUsers * p) <= 5 * std::sqrt(kUsers * p * (1 - p)) + 1e-6);
    before = now;
  }
}

TEST_CASE("canary: the same user is on the same side in every proxy and after every restart") {
  // xxHash64 of "user-1" with seed 0: nothing of this process enters.
  CHECK(*HashOf(By(HashPolicy::Kind::kHeader, "x-user"), User(1), StreamInfo()) ==
        11633770265628666856ULL);
}

TEST_CASE("hash: headers, cookies, parameters and addresses; nothing where there is none") {
  RequestHead head;
  head.path = "/?a=1&b=2";
  head.headers.Add("cookie", "x=0; user=\"anne\"");
  head.headers.Add("x-user", "anne");
  StreamInfo info;
  const auto anne = HashOf(By(HashPolicy::Kind::kHeader, "x-user"), head, info);
  REQUIRE(anne);
  CHECK(HashOf(By(HashPolicy::Kind::kCookie, "user"), head, info) == anne);
  CHECK(HashOf(By(HashPolicy::Kind::kQuery, "b"), head, info).has_value());
  CHECK_FALSE(HashOf(By(HashPolicy::Kind::kHeader, "x-no"), head, info));
  CHECK_FALSE(HashOf(By(HashPolicy::Kind::kCookie, "no"), head, info));
  CHECK_FALSE(HashOf(By(HashPolicy::Kind::kQuery, "c"), head, info));
  CHECK_FALSE(HashOf(By(HashPolicy::Kind::kSourceIp, ""), head, info));
  info.downstream_remote = *Address::FromIp("10.0.0.1", 1);
  const auto first = HashOf(By(HashPolicy::Kind::kSourceIp, ""), head, info);
  info.downstream_remote = *Address::FromIp("10.0.0.1", 2);
  CHECK(HashOf(By(HashPolicy::Kind::kSourceIp, ""), head, info) == first);  // Whatever the port.
}

TEST_CASE("hash: a terminal policy that finds something is the last") {
  RequestHead head = User(1);
  HashPolicies both = By(HashPolicy::Kind::kHeader, "x-user");
  const auto alone = HashOf(both, head, StreamInfo());
  both.list.push_back(both.list[0]);
  CHECK(HashOf(both, head, StreamInfo()) != alone);
  both.list[0].terminal = true;
  CHECK(HashOf(both, head, StreamInfo()) == alone);
  both.list[0].name = "x-no";
  CHECK(HashOf(both, head, StreamInfo()) == alone);
}

}  // namespace proxy
