#include "base/named_objects.h"

#include <gtest/gtest.h>

#include <thread>

namespace salver {
namespace {

TEST(NamedObjects, GivesTheNewestAlsoToAThreadThatKnowsAnOlder) {
  NamedObjects<int> numbers;
  EXPECT_EQ(numbers.Find("a"), nullptr);
  numbers.Put("a", std::make_shared<int>(1));
  EXPECT_EQ(*numbers.Find("a"), 1);
  const auto before = numbers.Find("a");
  std::thread([&] {
    EXPECT_EQ(*numbers.Find("a"), 1);
    numbers.Put("a", std::make_shared<int>(2));
    numbers.Put("b", std::make_shared<int>(3));
  }).join();
  EXPECT_EQ(*numbers.Find("a"), 2);
  EXPECT_EQ(*numbers.Find("b"), 3);
  EXPECT_EQ(*before, 1) << "what was found stays";
  numbers.Clear();
  EXPECT_EQ(numbers.Find("a"), nullptr);
  numbers.Put("a", std::make_shared<int>(4));
  EXPECT_EQ(*numbers.Find("a"), 4);
}

// What one thread has seen replaced, no other sees as it was once it is told.
TEST(NamedObjects, ThreadsThatLookWhileItChangesNeverGoBack) {
  NamedObjects<const int> numbers;
  constexpr int kChanges = 20'000;
  numbers.Put("a", std::make_shared<int>(0));
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      for (int last = 0; last < kChanges;) {
        const int now = *numbers.Find("a");
        ASSERT_GE(now, last);
        last = now;
      }
    });
  }
  for (int i = 1; i <= kChanges; ++i) {
    numbers.Put("a", std::make_shared<int>(i));
    ASSERT_EQ(*numbers.Find("a"), i);
  }
  for (std::thread& reader : readers) reader.join();
}

}  // namespace
}  // namespace salver
