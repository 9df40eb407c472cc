#include "kernel/asof_sweep.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "base/parallel.h"
#include "salver/online_store.h"

namespace salver {
namespace {

struct Rows {
  std::vector<int32_t> keys;
  std::vector<int64_t> event_us, created_us;
};

// Rows of ascending parts; a part's own rows in any order, its times between those of its neighbours.
struct PartedRows {
  std::vector<Rows> parts;
  std::vector<PartTimes> times;
};

PartedRows RandomParts(std::mt19937_64* random, int32_t key_count, bool created) {
  PartedRows made;
  int64_t from = 0;
  for (uint64_t part = 1 + (*random)() % 5; part > 0; --part) {
    const int64_t span = static_cast<int64_t>((*random)() % 5);
    Rows rows;
    for (uint64_t i = (*random)() % 12; i > 0; --i) {
      rows.keys.push_back(static_cast<int32_t>((*random)() % (key_count + 1)) - 1);
      rows.event_us.push_back((*random)() % 9 == 0 ? kNoTime
                                                   : from + static_cast<int64_t>((*random)() % (span + 1)));
      if (created)
        rows.created_us.push_back((*random)() % 5 == 0 ? kNoCreatedTime
                                                       : static_cast<int64_t>((*random)() % 9));
    }
    if ((*random)() % 2 == 0) std::sort(rows.event_us.begin(), rows.event_us.end());
    made.parts.push_back(std::move(rows));
    made.times.push_back({from, from + span});
    // Parts may meet in one moment, unless created times decide.
    from += span + static_cast<int64_t>((*random)() % 3) + (created ? 1 : 0);
  }
  return made;
}

// The index over the same rows is the oracle; it is held to brute force by a test of its own.
std::vector<int64_t> ByIndex(const PartedRows& rows, std::span<const int32_t> keys,
                             std::span<const int64_t> times, int32_t key_count, int64_t ttl) {
  std::vector<BuildRows> parts;
  int64_t first = 0;
  for (const Rows& part : rows.parts) {
    BuildRows build{.first_position = first};
    for (size_t i = 0; i < part.keys.size(); ++i) {
      if (part.keys[i] < 0 || part.event_us[i] == kNoTime) continue;
      build.keys.push_back(part.keys[i]);
      build.event_us.push_back(part.event_us[i]);
      if (!part.created_us.empty()) build.created_us.push_back(part.created_us[i]);
      build.rows.push_back(static_cast<uint32_t>(i));
    }
    first += static_cast<int64_t>(part.keys.size());
    parts.push_back(std::move(build));
  }
  std::vector<int64_t> answers(keys.size());
  AsofIndex::Make(std::move(parts), key_count, 1)->Join(keys, times, ttl, false, answers);
  return answers;
}

// leave_out: rows that nobody asks for are not given.
void AddAll(const PartedRows& rows, int threads, bool leave_out, std::mt19937_64* random, AsofSweep* sweep) {
  std::vector<int64_t> firsts = {0};
  for (const Rows& part : rows.parts)
    firsts.push_back(firsts.back() + static_cast<int64_t>(part.keys.size()));
  std::vector<size_t> order(rows.parts.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::shuffle(order.begin(), order.end(), *random);
  std::vector<AsofSweep::Memory> memory(static_cast<size_t>(threads));
  ASSERT_TRUE(ParallelForWorkers(order.size(), threads, [&](size_t i, size_t worker) {
                const Rows& part = rows.parts[order[i]];
                const int64_t first = firsts[order[i]];
                if (!leave_out) {
                  return sweep->Add(order[i], {first, part.keys, part.event_us, part.created_us},
                                    &memory[worker]);
                }
                Rows asked;
                std::vector<uint32_t> at;
                for (size_t row = 0; row < part.keys.size(); ++row) {
                  if (part.keys[row] < 0) continue;
                  at.push_back(static_cast<uint32_t>(row));
                  asked.keys.push_back(part.keys[row]);
                  asked.event_us.push_back(part.event_us[row]);
                  if (!part.created_us.empty()) asked.created_us.push_back(part.created_us[row]);
                }
                return sweep->Add(order[i], {first, asked.keys, asked.event_us, asked.created_us, at},
                                  &memory[worker]);
              }).ok());
}

TEST(AsofSweep, EqualsTheIndexOnRandomRows) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  int matched = 0;
  for (int round = 0; round < 4000; ++round) {
    const int32_t key_count = 1 + static_cast<int32_t>(random() % 4);
    const bool created = random() % 2 == 0;
    const PartedRows rows = RandomParts(&random, key_count, created);
    ASSERT_TRUE(AsofSweep::CanSweep(rows.times, created));
    std::vector<int32_t> keys;
    std::vector<int64_t> times;
    for (uint64_t i = random() % 30; i > 0; --i) {
      keys.push_back(static_cast<int32_t>(random() % (key_count + 1)) - 1);
      times.push_back(random() % 10 == 0 ? kNoTime : static_cast<int64_t>(random() % 35) - 3);
    }
    const std::vector<int64_t> ttls = {static_cast<int64_t>(random() % 6), 0};
    const int threads = 1 + static_cast<int>(random() % 3);
    AsofSweep sweep(keys, times, key_count, rows.times, ttls, threads);
    AddAll(rows, threads, random() % 2 == 0, &random, &sweep);
    for (size_t ttl = 0; ttl < ttls.size(); ++ttl) {
      const auto answers = sweep.TakeAnswers(ttl);
      const auto expected = ByIndex(rows, keys, times, key_count, ttls[ttl]);
      ASSERT_TRUE(std::equal(answers.begin(), answers.end(), expected.begin(), expected.end()))
          << "round " << round;
      matched +=
          static_cast<int>(std::count_if(answers.begin(), answers.end(), [](int64_t at) { return at >= 0; }));
    }
  }
  EXPECT_GT(matched, 1000);
}

TEST(AsofSweep, RefusesPartsThatOverlap) {
  EXPECT_TRUE(AsofSweep::CanSweep({}, false));
  EXPECT_TRUE(AsofSweep::CanSweep(std::vector<PartTimes>{{1, 5}, {5, 5}, {5, 9}}, false));
  EXPECT_FALSE(AsofSweep::CanSweep(std::vector<PartTimes>{{1, 5}, {5, 9}}, true));
  EXPECT_FALSE(AsofSweep::CanSweep(std::vector<PartTimes>{{1, 5}, {4, 9}}, false));
}

TEST(AsofSweep, SaysWhenAPartHoldsTimesThatItWasSaidNotToHave) {
  const std::vector<int32_t> keys = {0};
  const std::vector<int64_t> times = {7};
  AsofSweep sweep(keys, times, 1, {{1, 5}, {6, 9}}, {0}, 1);
  AsofSweep::Memory memory;
  const std::vector<int64_t> late = {6};
  EXPECT_EQ(sweep.Add(0, {0, keys, late, {}}, &memory).code(), StatusCode::kDataLoss);
}

}  // namespace
}  // namespace salver
