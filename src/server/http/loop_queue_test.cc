// Which requests a loop takes on, and in which order it runs them.
#include <gtest/gtest.h>

#include <vector>

#include "server/http/loop_queue.h"

namespace salver {
namespace {

using std::chrono::milliseconds;

struct Request final : QueuedRequest {
  void Run(bool is_in_time, LoopQueue::Clock::time_point) override { runs.push_back(is_in_time); }
  void GiveUpAnswer() override {
    queue->EndAnswer(answer);
    queue->Release(held);
    held = 0;
  }
  LoopQueue* queue = nullptr;
  LoopQueue::Writing::iterator answer;
  size_t held = 0;
  std::vector<bool> runs;
};

class LoopQueueTest : public ::testing::Test {
 protected:
  // Enters a new request with a body of `body` bytes; null when it is refused.
  std::shared_ptr<Request> Enter(LoopQueue* queue, size_t body) {
    auto request = std::make_shared<Request>();
    if (!queue->TakeBody(body, 0)) return nullptr;
    size_t answer = 0;
    if (!queue->Enter(request, 0, body, LoopQueue::Clock::now(), &answer)) {
      queue->Release(body);
      return nullptr;
    }
    request->held = body + answer;
    return request;
  }
  static ServerLoad LoadOf(const LoopQueue& queue) {
    ServerLoad load;
    queue.AddTo(&load);
    return load;
  }
  int due_ = 0;
  static constexpr std::chrono::hours kLong{1};
};

TEST_F(LoopQueueTest, RunsInTheOrderOfEntering) {
  LoopQueue queue({.bytes_max = 1 << 20, .wait_max = kLong, .turn_time = {}}, [this] { ++due_; });
  const auto first = Enter(&queue, 10), second = Enter(&queue, 10);
  EXPECT_EQ(LoadOf(queue).reads_queued, 2);
  EXPECT_EQ(due_, 1);
  queue.RunTurn();
  EXPECT_EQ(first->runs, std::vector<bool>{true});
  EXPECT_TRUE(second->runs.empty());
  EXPECT_EQ(due_, 2);
  queue.RunTurn();
  EXPECT_EQ(second->runs, std::vector<bool>{true});
  EXPECT_EQ(LoadOf(queue).reads_queued, 0);
  EXPECT_EQ(due_, 2);
}

TEST_F(LoopQueueTest, RequestsOfATurnAreRunTogether) {
  LoopQueue queue({.bytes_max = 1 << 20, .wait_max = kLong, .turn_time = kLong}, [this] { ++due_; });
  const auto first = Enter(&queue, 10), second = Enter(&queue, 10);
  queue.RunTurn();
  EXPECT_EQ(first->runs, std::vector<bool>{true});
  EXPECT_EQ(second->runs, std::vector<bool>{true});
  EXPECT_EQ(due_, 1);
}

TEST_F(LoopQueueTest, RefusesWhatWouldWaitTooLongButNeverOneThatFindsItIdle) {
  LoopQueue queue({1 << 20, milliseconds(10)}, [this] { ++due_; });
  for (int i = 0; i < 2; ++i) queue.Learn(0, 100, 100, milliseconds(50));
  const auto first = Enter(&queue, 100);
  ASSERT_NE(first, nullptr) << "nothing is before it";
  EXPECT_EQ(Enter(&queue, 100), nullptr);
  EXPECT_EQ(LoadOf(queue).refused_for_time, 1u);
  queue.RunTurn();
  EXPECT_NE(Enter(&queue, 100), nullptr);
}

TEST_F(LoopQueueTest, OneSlowRequestNowAndThenKeepsNoOthersOut) {
  LoopQueue queue({1 << 20, milliseconds(10)}, [this] { ++due_; });
  queue.Learn(0, 100, 100, milliseconds(500));  // it compiled its plan
  for (int i = 0; i < 3; ++i) EXPECT_NE(Enter(&queue, 100), nullptr);
  queue.Learn(0, 100, 100, milliseconds(1));
  queue.Learn(0, 100, 100, milliseconds(500));  // the registry was new
  for (int i = 0; i < 3; ++i) EXPECT_NE(Enter(&queue, 100), nullptr);
  for (int i = 0; i < 40; ++i) queue.Learn(0, 100, 100, milliseconds(500));  // reads are slow now
  EXPECT_NE(Enter(&queue, 100), nullptr);
  EXPECT_EQ(Enter(&queue, 100), nullptr);
}

TEST_F(LoopQueueTest, WhatDidWaitTooLongIsRefusedInItsTurn) {
  LoopQueue queue({1 << 20, std::chrono::nanoseconds(0)}, [this] { ++due_; });
  const auto request = Enter(&queue, 100);
  queue.RunTurn();
  EXPECT_EQ(request->runs, std::vector<bool>{false});
  EXPECT_EQ(LoadOf(queue).refused_for_time, 1u);
}

TEST_F(LoopQueueTest, RefusesBytesOfExpectedAnswersOverTheLimit) {
  LoopQueue queue({1'000'000, kLong}, [this] { ++due_; });
  queue.Learn(0, 100, 600'000, milliseconds(1));
  const auto first = Enter(&queue, 100);
  ASSERT_NE(first, nullptr);
  EXPECT_GE(first->held, 600'000u);
  EXPECT_EQ(Enter(&queue, 100), nullptr);
  EXPECT_EQ(LoadOf(queue).refused_for_bytes, 1u);
  EXPECT_EQ(LoadOf(queue).bytes_in_flight, static_cast<int64_t>(first->held));
  queue.RunTurn();
  queue.Release(first->held);
  EXPECT_EQ(LoadOf(queue).bytes_in_flight, 0);
  queue.Learn(0, 100, 20'000'000, milliseconds(1));
  EXPECT_NE(Enter(&queue, 100), nullptr) << "alone, it may be larger than the limit";
}

TEST_F(LoopQueueTest, SmallRequestsComeInWhateverIsHeld) {
  LoopQueue queue({1'000'000, kLong}, [this] { ++due_; });
  queue.Learn(0, 100, 10'000, milliseconds(1));
  queue.Hold(5'000'000);
  EXPECT_NE(Enter(&queue, 100), nullptr);
  EXPECT_EQ(Enter(&queue, 10'000), nullptr);
}

TEST_F(LoopQueueTest, LargeBodiesThatAreNotWholeLeaveHalfOfTheRoomToOthers) {
  LoopQueue queue({1'000'000, kLong}, [this] { ++due_; });
  EXPECT_TRUE(queue.TakeBody(400'000, 0));
  EXPECT_FALSE(queue.TakeBody(200'000, 0));
  EXPECT_NE(Enter(&queue, 1'000), nullptr);
}

TEST_F(LoopQueueTest, AnswersThatNobodyTakesGiveWay) {
  LoopQueue queue({1'000'000, kLong, std::chrono::nanoseconds(0)}, [this] { ++due_; });
  Request deaf;
  deaf.queue = &queue;
  deaf.held = 990'000;
  queue.Hold(deaf.held);
  deaf.answer = queue.BeginAnswer(&deaf);
  queue.Learn(0, 100, 100'000, milliseconds(1));
  EXPECT_NE(Enter(&queue, 100), nullptr);
  EXPECT_EQ(deaf.held, 0u);
}

}  // namespace
}  // namespace salver
