// What a worker remembers of a connection, whatever protocol it speaks, and the list of them.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace salver {

class Session {
 public:
  virtual ~Session() = default;
  // Ends the connection when nothing is asked on it. Requests that have begun are finished, if their bytes
  // come and their answers go within the stop time.
  virtual void Stop() = 0;
};

// The live sessions of one event loop. Only on its thread.
class Sessions {
 public:
  void Add(const std::shared_ptr<Session>& session) {
    if (sessions_.size() >= 2 * live_at_sweep_ + 64) {
      std::erase_if(sessions_, [](const auto& weak) { return weak.expired(); });
      live_at_sweep_ = sessions_.size();
    }
    sessions_.push_back(session);
  }
  void Stop() {
    const auto all = sessions_;  // one that stops may add its successor
    for (const auto& weak : all) {
      if (const auto session = weak.lock()) session->Stop();
    }
  }

 private:
  std::vector<std::weak_ptr<Session>> sessions_;
  size_t live_at_sweep_ = 0;
};

}  // namespace salver
