#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "kernel/asof_join.h"
#include "salver/online_store.h"
#include "salver/write_rule.h"

namespace salver {
namespace {

// The rule as plainly as it can be said: look at every build row.
int64_t Brute(const BuildRows& rows, int32_t key, int64_t time, int64_t ttl, bool cut) {
  int64_t best = -1;
  for (size_t i = 0; i < rows.keys.size(); ++i) {
    if (key < 0 || time == kNoTime || rows.keys[i] != key || rows.event_us[i] > time) continue;
    if (ttl != 0 && rows.event_us[i] < time - ttl) continue;
    if (cut && rows.created_us[i] > time) continue;
    if (best >= 0) {
      const auto rank = [&](size_t r) { return std::pair(rows.event_us[r], rows.created_us[r]); };
      if (rank(i) < rank(static_cast<size_t>(best))) continue;
    }
    best = static_cast<int64_t>(i);
  }
  return best;
}

// The same rows cut into parts of `size` rows, as row groups cut a file.
std::vector<BuildRows> InParts(const BuildRows& rows, size_t size) {
  std::vector<BuildRows> parts;
  for (size_t i = 0; i < rows.keys.size(); ++i) {
    if (i % size == 0) parts.push_back({.first_position = static_cast<int64_t>(i)});
    parts.back().keys.push_back(rows.keys[i]);
    parts.back().event_us.push_back(rows.event_us[i]);
    parts.back().created_us.push_back(rows.created_us[i]);
    parts.back().rows.push_back(static_cast<uint32_t>(i % size));
  }
  return parts;
}

TEST(AsofJoin, EqualsBruteForceOnRandomRows) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 3000; ++round) {
    const int32_t key_count = 1 + random() % 4;
    BuildRows rows;
    for (uint64_t i = random() % 30; i > 0; --i) {
      rows.keys.push_back(static_cast<int32_t>(random() % key_count));
      rows.event_us.push_back(static_cast<int64_t>(random() % 12));
      rows.created_us.push_back(random() % 5 == 0 ? kNoCreatedTime : static_cast<int64_t>(random() % 15));
      rows.rows.push_back(static_cast<uint32_t>(rows.rows.size()));
    }
    const auto parts = InParts(rows, random() % 5 + 1);
    std::vector<int32_t> keys;
    std::vector<int64_t> times;
    for (uint64_t i = random() % 20; i > 0; --i) {
      keys.push_back(static_cast<int32_t>(random() % (key_count + 1)) - 1);
      times.push_back(random() % 10 == 0 ? kNoTime : static_cast<int64_t>(random() % 14));
    }
    const int64_t ttl = static_cast<int64_t>(random() % 5);
    const bool cut = random() % 2 == 0;
    const auto index = AsofIndex::Make(parts, key_count, 1 + random() % 4);
    ASSERT_TRUE(index.ok());
    std::vector<int64_t> answers(keys.size());
    index->Join(keys, times, ttl, cut, answers);
    for (size_t i = 0; i < keys.size(); ++i) {
      ASSERT_EQ(answers[i], Brute(rows, keys[i], times[i], ttl, cut)) << "round " << round << " row " << i;
    }
  }
}

// Enough rows that several threads share the keys, most rows in one key, out of time order.
TEST(AsofJoin, IsTheSameForAnyNumberOfThreads) {
  std::mt19937_64 random(7);
  BuildRows rows;
  for (uint32_t i = 0; i < 450'000; ++i) {
    rows.keys.push_back(random() % 2 == 0 ? 3 : static_cast<int32_t>(random() % 1000));
    rows.event_us.push_back(static_cast<int64_t>(random() % 100'000));
    rows.rows.push_back(i);
  }
  std::vector<int32_t> keys;
  std::vector<int64_t> times;
  for (int i = 0; i < 20'000; ++i) {
    keys.push_back(static_cast<int32_t>(random() % 1000));
    times.push_back(static_cast<int64_t>(random() % 110'000));
  }
  std::vector<int64_t> expected;
  for (const int threads : {1, 2, 3, 4}) {
    const auto index = AsofIndex::Make({rows}, 1000, threads);
    ASSERT_TRUE(index.ok());
    std::vector<int64_t> answers(keys.size());
    index->Join(keys, times, 500, false, answers);
    if (threads == 1) expected = answers;
    ASSERT_EQ(answers, expected) << threads << " threads";
  }
  EXPECT_NE(std::count(expected.begin(), expected.end(), -1), 0);
  EXPECT_NE(std::count(expected.begin(), expected.end(), -1), static_cast<ptrdiff_t>(expected.size()));
}

TEST(WriteRule, AndVisibilityAreWhatTheDesignSays) {
  EXPECT_TRUE(IsNewer(2, 0, 1, 9));
  EXPECT_FALSE(IsNewer(1, 9, 2, 0));
  EXPECT_TRUE(IsNewer(1, 1, 1, 1));
  EXPECT_FALSE(IsNewer(1, kNoCreatedTime, 1, 0));
  EXPECT_TRUE(IsVisible(10, 10, 5));
  EXPECT_TRUE(IsVisible(5, 10, 5));
  EXPECT_FALSE(IsVisible(4, 10, 5));
  EXPECT_FALSE(IsVisible(11, 10, 5));
  EXPECT_TRUE(IsVisible(-1000, 10, 0));
}

}  // namespace
}  // namespace salver
