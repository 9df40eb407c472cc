// The servers of a Redis deployment and the connections to them: which server holds a key, and a connection
// to it.
//
// Thread safety: all from any thread.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "online/redis/redis_connection.h"
#include "online/redis_options.h"

namespace salver::redis {

// What is known of the deployment at one moment.
struct NodeMap {
  std::vector<RedisAddress> servers;  // that take writes
  std::vector<uint16_t> slots;        // of a cluster, 16384: position in `servers`; else empty

  size_t NodeOf(std::string_view key) const;
};

class Nodes {
 public:
  explicit Nodes(const RedisOptions& options) : options_(options) {}

  // Asked of the sentinels or the cluster when it is not known. Errors: Unavailable, DeadlineExceeded.
  Result<std::shared_ptr<const NodeMap>> Map(Deadline deadline);

  // One that is idle, or a new one. `pooled` says which.
  // Errors: Connection::Open's. A server that did not answer is not asked again for kRestAfterFailure, and
  // then by one caller at a time: the others get its last error at once, instead of all waiting for a server
  // that hangs.
  Result<std::unique_ptr<Connection>> Take(const RedisAddress& address, Deadline deadline, bool* pooled);
  // Closes it unless it can be used again.
  void Return(const RedisAddress& address, std::unique_ptr<Connection> connection);
  // Something is not as it was: idle connections are closed, and sentinels or cluster are asked again.
  void Forget();

 private:
  static constexpr std::chrono::milliseconds kRestAfterFailure{200};
  static constexpr size_t kIdleMax = 64;  // of one server

  struct Pool {
    std::vector<std::unique_ptr<Connection>> idle;
    Status failure;  // of the last attempt to connect
    std::chrono::steady_clock::time_point rest_until;
    bool probed = false;  // someone is trying after a failure
  };

  Result<NodeMap> Resolve(Deadline deadline);
  Result<NodeMap> AskSentinel(const RedisAddress& sentinel, Deadline deadline);
  Result<NodeMap> AskCluster(const RedisAddress& node, Deadline deadline);

  const RedisOptions options_;
  std::mutex mutex_;
  std::map<RedisAddress, Pool> pools_;
  std::shared_ptr<const NodeMap> map_;
};

}  // namespace salver::redis
