#include "base/published.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace salver {
namespace {

TEST(Published, GivesTheNewestAlsoToAThreadThatHasSeenAnOlder) {
  Published<const int> number;
  EXPECT_EQ(number.Load(), nullptr);
  number.Store(std::make_shared<int>(1));
  const auto first = number.Load();
  std::thread([&] { number.Store(std::make_shared<int>(2)); }).join();
  EXPECT_EQ(*number.Load(), 2);
  EXPECT_EQ(*first, 1);
  number.Store(nullptr);
  EXPECT_EQ(number.Load(), nullptr);
}

TEST(Published, ThreadsThatLookWhileItChangesNeverGoBack) {
  Published<const int> number;
  constexpr int kChanges = 20'000;
  number.Store(std::make_shared<int>(0));
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      for (int last = 0; last < kChanges;) {
        const int now = *number.Load();
        ASSERT_GE(now, last);
        last = now;
      }
    });
  }
  for (int i = 1; i <= kChanges; ++i) {
    number.Store(std::make_shared<int>(i));
    ASSERT_EQ(*number.Load(), i);
  }
  for (std::thread& reader : readers) reader.join();
}

}  // namespace
}  // namespace salver
