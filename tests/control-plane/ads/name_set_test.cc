// Sets of names that streams share.
#include "control-plane/ads/name_set.h"

#include <algorithm>

#include <catch2/catch.hpp>

using namespace control;

TEST_CASE("names: equal large sets are one in memory, and stay sets when they change") {
  NamePool pool;
  std::vector<std::string> names;
  for (int i = 0; i < 100; ++i) names.push_back("n" + std::to_string(i));
  NameSet one;
  NameSet two;
  for (const std::string& name : names) CHECK(one.Insert(name));
  for (auto it = names.rbegin(); it != names.rend(); ++it) CHECK(two.Insert(*it));
  one.Compact(pool);
  two.Compact(pool);
  std::sort(names.begin(), names.end());
  CHECK(one.Sorted() == names);
  CHECK(pool.Intern(names) == pool.Intern(names));
  CHECK(one.size() == 100);
  CHECK_FALSE(one.Insert("n5"));
  CHECK(one.Erase("n5"));
  CHECK_FALSE(one.Erase("n5"));
  CHECK_FALSE(one.Contains("n5"));
  CHECK(two.Contains("n5"));
  CHECK(one.size() == 99);
  CHECK(one.Insert("n5"));
  CHECK(one.Insert("new"));
  CHECK(one.Sorted().size() == 101);
  names = one.Sorted();
  CHECK(std::is_sorted(names.begin(), names.end()));
}
