#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "base/parallel.h"
#include "kernel/asof_join.h"
#include "kernel/label_index.h"
#include "kernel/no_time.h"
#include "salver/online_store.h"
#include "salver/write_rule.h"

namespace salver {
namespace {

struct Rows {
  std::vector<int32_t> keys;
  std::vector<int64_t> event_us, created_us;  // created_us may be empty
};

// The rule as plainly as it can be said: look at every row.
int64_t Brute(const Rows& rows, int32_t key, int64_t time, int64_t ttl, bool cut) {
  int64_t best = -1;
  const auto created = [&](size_t row) {
    return rows.created_us.empty() ? kNoCreatedTime : rows.created_us[row];
  };
  for (size_t i = 0; i < rows.keys.size(); ++i) {
    if (key < 0 || time == kNoTime || rows.keys[i] != key || rows.event_us[i] == kNoTime) continue;
    if (rows.event_us[i] > time || (ttl != 0 && rows.event_us[i] < time - ttl)) continue;
    if (cut && created(i) > time) continue;
    if (best >= 0) {
      const auto rank = [&](size_t r) { return std::pair(rows.event_us[r], created(r)); };
      if (rank(i) < rank(static_cast<size_t>(best))) continue;
    }
    best = static_cast<int64_t>(i);
  }
  return best;
}

// Gives the join parts of `size` rows, as row groups cut a file, in any order, from several threads.
// leave_out: rows that nobody asks for are not given. Threads keep their `memory` from join to join.
void AddInParts(const Rows& rows, size_t size, int threads, bool leave_out, std::mt19937_64* random,
                std::vector<AsofJoin::Memory>* memory, AsofJoin* join) {
  std::vector<size_t> starts;
  for (size_t start = 0; start < rows.keys.size(); start += size) starts.push_back(start);
  if ((*random)() % 2 == 0) std::shuffle(starts.begin(), starts.end(), *random);
  ASSERT_TRUE(ParallelForWorkers(starts.size(), threads, [&](size_t i, size_t worker) {
                Rows part;
                std::vector<uint32_t> at;
                const size_t end = std::min(rows.keys.size(), starts[i] + size);
                for (size_t row = starts[i]; row < end; ++row) {
                  if (leave_out && rows.keys[row] < 0) continue;
                  at.push_back(static_cast<uint32_t>(row - starts[i]));
                  part.keys.push_back(rows.keys[row]);
                  part.event_us.push_back(rows.event_us[row]);
                  if (!rows.created_us.empty()) part.created_us.push_back(rows.created_us[row]);
                }
                if (!leave_out) at.clear();
                join->Add({static_cast<int64_t>(starts[i]), part.keys, part.event_us, part.created_us, at},
                          &(*memory)[worker]);
                return Status::OK();
              }).ok());
}

TEST(AsofJoin, EqualsBruteForceOnRandomRows) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  int matched = 0;
  std::vector<AsofJoin::Memory> memory(3);
  for (int round = 0; round < 4000; ++round) {
    const int32_t key_count = 1 + static_cast<int32_t>(random() % 4);
    const bool has_created = random() % 2 == 0;
    Rows rows;
    for (uint64_t i = random() % 30; i > 0; --i) {
      rows.keys.push_back(static_cast<int32_t>(random() % (key_count + 1)) - 1);
      rows.event_us.push_back(random() % 9 == 0 ? kNoTime : static_cast<int64_t>(random() % 12));
      if (has_created)
        rows.created_us.push_back(random() % 5 == 0 ? kNoCreatedTime : static_cast<int64_t>(random() % 15));
    }
    if (random() % 2 == 0) std::sort(rows.event_us.begin(), rows.event_us.end());
    std::vector<int32_t> keys;
    std::vector<int64_t> times;
    for (uint64_t i = random() % 20; i > 0; --i) {
      keys.push_back(static_cast<int32_t>(random() % (key_count + 1)) - 1);
      times.push_back(random() % 10 == 0 ? kNoTime : static_cast<int64_t>(random() % 14) - 1);
    }
    const int threads = 1 + static_cast<int>(random() % 3);
    const auto labels = LabelIndex::Make(keys, times, key_count, threads);
    ASSERT_TRUE(labels.ok());
    const bool cut = random() % 2 == 0;
    std::vector<int64_t> ttls = {static_cast<int64_t>(1 + random() % 5),
                                 static_cast<int64_t>(1 + random() % 5)};
    if (random() % 2 == 0) ttls.push_back(0);
    AsofJoin join(*labels, {.created_cut = cut,
                            .has_created = has_created,
                            .ttl_max_us = ttls.back() == 0 ? 0 : std::max(ttls[0], ttls[1]),
                            .concurrent = threads > 1});
    AddInParts(rows, random() % 5 + 1, threads, random() % 2 == 0, &random, &memory, &join);
    const auto answers = join.Finish(ttls, threads);
    ASSERT_TRUE(answers.ok());
    for (size_t ttl = 0; ttl < ttls.size(); ++ttl) {
      for (size_t i = 0; i < keys.size(); ++i) {
        const int64_t found = (*answers)[ttl][i];
        ASSERT_EQ(found, Brute(rows, keys[i], times[i], ttls[ttl], cut)) << "round " << round << " row " << i;
        matched += found >= 0;
      }
    }
  }
  EXPECT_GT(matched, 1000);
}

// Behind the last label there is nothing to look at.
TEST(LabelIndex, TheLastKeyMayHaveNoLabels) {
  const std::vector<int32_t> keys = {0, 1};
  const std::vector<int64_t> times = {5, kNoTime};
  const LabelIndex index = LabelIndex::Make(keys, times, 2, 1).value();
  ASSERT_EQ(index.size(), 1u);
  EXPECT_EQ(index.times().size(), 1u);
  std::vector<LabelIndex::Search> searches = {
      {.time = 3, .key = 0}, {.time = 6, .key = 0}, {.time = 3, .key = 1}};
  index.Find(searches);
  EXPECT_EQ(searches[0].left, 1u);
  EXPECT_EQ(searches[1].left, 0u);
  EXPECT_EQ(searches[2].left, 0u);
}

// Enough rows that threads meet on the same labels, most rows and labels in one key, out of time order.
TEST(AsofJoin, IsTheSameForAnyNumberOfThreads) {
  std::mt19937_64 random(7);
  Rows rows;
  for (int i = 0; i < 450'000; ++i) {
    rows.keys.push_back(random() % 2 == 0 ? 3 : static_cast<int32_t>(random() % 1000));
    rows.event_us.push_back(static_cast<int64_t>(random() % 10'000));
  }
  std::vector<int32_t> keys;
  std::vector<int64_t> times;
  for (int i = 0; i < 80'000; ++i) {
    keys.push_back(random() % 2 == 0 ? 3 : static_cast<int32_t>(random() % 1000));
    times.push_back(static_cast<int64_t>(random() % 11'000));
  }
  LargeVector<int64_t> expected;
  std::vector<AsofJoin::Memory> memory(4);
  for (const int threads : {1, 2, 3, 4}) {
    const auto labels = LabelIndex::Make(keys, times, 1000, threads);
    ASSERT_TRUE(labels.ok());
    AsofJoin join(*labels, {.ttl_max_us = 50, .concurrent = threads > 1});
    AddInParts(rows, 10'000, threads, false, &random, &memory, &join);
    auto answers = join.Finish(std::vector<int64_t>{50}, threads);
    ASSERT_TRUE(answers.ok());
    if (threads == 1) expected = (*answers)[0];
    ASSERT_EQ((*answers)[0], expected) << threads << " threads";
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
