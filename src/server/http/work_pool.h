// Threads for work that no event loop should wait for, and an end to what waits for them.
//
// Thread safety: everything from any thread.
#pragma once

#include <utility>  // boost 1.74's asio needs it first in C++20

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <cstdint>
#include <functional>

namespace salver {

class WorkPool {
 public:
  // `most`: pieces of work, waiting or running.
  WorkPool(size_t threads, int most) : most_(most), threads_(threads) {}

  // Runs `work` later; false when there is too much already.
  bool Run(std::function<void()> work) {
    if (count_.fetch_add(1) >= most_) {
      --count_;
      ++refused_;
      return false;
    }
    boost::asio::post(threads_, [this, work = std::move(work)] {
      work();
      --count_;
    });
    return true;
  }
  // Ends when all work is done.
  void Join() { threads_.join(); }

  int64_t count() const { return count_; }
  uint64_t refused() const { return refused_; }

 private:
  const int most_;
  std::atomic<int> count_{0};
  std::atomic<uint64_t> refused_{0};
  boost::asio::thread_pool threads_;
};

}  // namespace salver
