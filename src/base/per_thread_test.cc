#include "base/per_thread.h"

#include <gtest/gtest.h>

#include <thread>

namespace salver {
namespace {

TEST(PerThread, IsTheSameForAThreadAndAnotherForEachThatLivesBesideIt) {
  PerThread<int> numbers;
  int& mine = numbers.Local();
  mine = 1;
  std::thread([&] {
    EXPECT_NE(&numbers.Local(), &mine);
    numbers.Local() = 2;
    EXPECT_EQ(numbers.Local(), 2);
  }).join();
  EXPECT_EQ(&numbers.Local(), &mine);
  numbers.WithAll([&](std::span<int* const> all) {
    ASSERT_EQ(all.size(), 2u);
    EXPECT_EQ(*all[0] + *all[1], 1 + 2);
  });
}

TEST(PerThread, WhatAThreadLeavesIsTheNextOnes) {
  PerThread<int> numbers;
  for (int i = 0; i < 100; ++i) {
    std::thread([&] { EXPECT_EQ(++numbers.Local(), i + 1); }).join();
  }
  EXPECT_EQ(numbers.WithAll([](std::span<int* const> all) { return all.size(); }), 1u);
}

TEST(PerThread, OneThatIsGoneIsNotTakenForAnotherAtItsPlace) {
  for (int i = 0; i < 100; ++i) {
    const auto numbers = std::make_unique<PerThread<int>>();
    EXPECT_EQ(numbers->Local(), 0);
    numbers->Local() = 7;
  }
}

TEST(PerThread, AThreadMayOutliveIt) {
  auto numbers = std::make_unique<PerThread<int>>();
  std::thread([&] {
    numbers->Local() = 1;
    numbers.reset();
  }).join();
}

TEST(WithOwnCount, KeepsTheObjectAndLeavesTheOtherCountAlone) {
  auto first = std::make_shared<int>(5);
  const auto own = WithOwnCount(first);
  const auto copies = std::vector(10, own);
  EXPECT_EQ(first.use_count(), 2);
  first.reset();
  EXPECT_EQ(*own, 5);
}

}  // namespace
}  // namespace salver
