#include "engine/wanted_numbers.h"

#include <arrow/array.h>
#include <arrow/builder.h>

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace salver {
namespace {

template <typename Builder, typename T>
std::shared_ptr<arrow::Array> ArrayOf(const std::vector<std::optional<T>>& numbers) {
  Builder builder;
  for (const auto& number : numbers)
    EXPECT_TRUE((number ? builder.Append(*number) : builder.AppendNull()).ok());
  return builder.Finish().ValueOrDie();
}

TEST(WantedNumbers, ARangeHasNoneOrMayHaveSome) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 50; ++round) {
    std::vector<std::optional<int64_t>> numbers;
    std::set<int64_t> have;
    for (int i = 0; i < 20; ++i) {
      numbers.push_back(static_cast<int64_t>(random() % 2000) - 1000);
      have.insert(*numbers.back());
      if (random() % 4 == 0) numbers.push_back(std::nullopt);
    }
    WantedNumbers wanted(ArrayOf<arrow::Int64Builder>(numbers));
    int left_out = 0;
    for (int i = 0; i < 200; ++i) {
      const auto min = static_cast<int64_t>(random() % 2400) - 1200;
      const NumberRange range{min, min + static_cast<int64_t>(random() % 100)};
      const auto first = have.lower_bound(range.min);
      const bool has = first != have.end() && *first <= range.max;
      ASSERT_EQ(wanted.MayBeIn(range), has) << range.min << " to " << range.max;
      left_out += !has;
    }
    EXPECT_GT(left_out, 0);
    EXPECT_TRUE(wanted.MayBeIn({INT64_MIN, INT64_MAX}));
  }
}

TEST(WantedNumbers, NullsAreInNoRange) {
  WantedNumbers none(ArrayOf<arrow::Int32Builder, int32_t>({std::nullopt, std::nullopt}));
  EXPECT_FALSE(none.MayBeIn({INT64_MIN, INT64_MAX}));
  WantedNumbers one(ArrayOf<arrow::Int32Builder, int32_t>({std::nullopt, -5}));
  EXPECT_TRUE(one.MayBeIn({-5, -5}));
  EXPECT_FALSE(one.MayBeIn({-4, 7}));
}

TEST(WantedNumbers, TextIsNotOfNumbers) {
  EXPECT_FALSE(WantedNumbers::Takes(*ArrayOf<arrow::StringBuilder, std::string>({"1"})));
}

}  // namespace
}  // namespace salver
