#include <gtest/gtest.h>

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
      rows.positions.push_back(static_cast<int64_t>(rows.positions.size()));
    }
    std::vector<int32_t> keys;
    std::vector<int64_t> times;
    for (uint64_t i = random() % 20; i > 0; --i) {
      keys.push_back(static_cast<int32_t>(random() % (key_count + 1)) - 1);
      times.push_back(random() % 10 == 0 ? kNoTime : static_cast<int64_t>(random() % 14));
    }
    const int64_t ttl = static_cast<int64_t>(random() % 5);
    const bool cut = random() % 2 == 0;
    const auto answers = AsofIndex(rows, key_count).Join(keys, times, ttl, cut);
    for (size_t i = 0; i < keys.size(); ++i) {
      ASSERT_EQ(answers[i], Brute(rows, keys[i], times[i], ttl, cut)) << "round " << round << " row " << i;
    }
  }
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
