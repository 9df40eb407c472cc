#include "materialize/row_sorter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <random>

namespace salver {
namespace {

using Rows = std::vector<std::pair<std::string, std::string>>;

// Keys with a common beginning, some equal in their next 8 bytes, some a beginning of another.
Rows RandomRows(size_t count, std::mt19937_64* random) {
  Rows rows;
  for (size_t i = 0; i < count; ++i) {
    std::string key =
        "common" + std::string((*random)() % 3 * 4, 'x') + std::to_string((*random)() % 100'000);
    if ((*random)() % 10 == 0) key.resize(6 + (*random)() % 3);
    rows.emplace_back(key + std::to_string(i % 7),
                      std::string((*random)() % 50, static_cast<char>('a' + i % 26)));
  }
  return rows;
}

Rows Sorted(const Rows& rows, int workers, int64_t memory, int64_t* spilled) {
  const std::string folder = testing::TempDir() + "/sorter";
  RowSorter sorter({.workers = workers, .common_prefix = 6, .memory_bytes = memory, .spill_folder = folder});
  for (size_t i = 0; i < rows.size(); ++i) {
    const size_t worker = i % static_cast<size_t>(workers);
    const auto& [key, row] = rows[i];
    row.copy(sorter.Add(worker, key, row.size()), row.size());
    if (i % 500 == 499) {
      EXPECT_TRUE(sorter.MakeRoom(worker).ok());
    }
  }
  EXPECT_TRUE(sorter.Finish(workers).ok());
  if (sorter.bytes_spilled() > 0) {
    EXPECT_TRUE(std::filesystem::is_empty(folder)) << "temporary files have names";
  }
  Rows sorted;
  for (;;) {
    const auto chunk = sorter.Next(10'000);
    EXPECT_TRUE(chunk.ok()) << chunk.status().ToString();
    if (!chunk.ok() || chunk->keys.empty()) break;
    for (size_t i = 0; i < chunk->keys.size(); ++i) sorted.emplace_back(chunk->keys[i], chunk->rows[i]);
  }
  *spilled = sorter.bytes_spilled();
  return sorted;
}

TEST(RowSorter, GivesEveryRowInTheOrderOfKeysForAnyMemory) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (const size_t count : {size_t{0}, size_t{1}, size_t{20'000}}) {
    const Rows rows = RandomRows(count, &random);
    Rows expected = rows;
    std::sort(expected.begin(), expected.end());
    for (const int64_t memory : {0, 1}) {
      for (const int workers : {1, 3}) {
        int64_t spilled = 0;
        Rows sorted = Sorted(rows, workers, memory, &spilled);
        EXPECT_TRUE(std::is_sorted(sorted.begin(), sorted.end(),
                                   [](const auto& a, const auto& b) { return a.first < b.first; }));
        std::sort(sorted.begin(), sorted.end());
        EXPECT_EQ(sorted, expected);
        if (count > 10'000) {
          EXPECT_EQ(spilled > 0, memory > 0);
        }
      }
    }
  }
}

}  // namespace
}  // namespace salver
