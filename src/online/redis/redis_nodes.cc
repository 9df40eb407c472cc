#include "online/redis/redis_nodes.h"

#include <algorithm>
#include <charconv>

#include "online/redis/redis_keys.h"

namespace salver::redis {
namespace {

constexpr size_t kSlots = 16384;

Status Unreadable(const std::string& where, const char* command) {
  return Status::DataLoss(where + ": the answer to " + command + " can not be read.");
}

}  // namespace

size_t NodeMap::NodeOf(std::string_view key) const {
  return slots.empty() ? 0 : slots[SlotOf(key)];
}

Result<std::shared_ptr<const NodeMap>> Nodes::Map(Deadline deadline) {
  {
    std::lock_guard lock(mutex_);
    if (map_ != nullptr) return map_;
  }
  SALVER_ASSIGN(NodeMap found, Resolve(deadline));
  auto map = std::make_shared<const NodeMap>(std::move(found));
  std::lock_guard lock(mutex_);
  map_ = map;
  return map;
}

Result<NodeMap> Nodes::Resolve(Deadline deadline) {
  if (options_.deployment == RedisDeployment::kSingle) return NodeMap{{options_.nodes[0]}, {}};
  Status status;
  for (const RedisAddress& node : options_.nodes) {
    auto found = options_.deployment == RedisDeployment::kSentinel ? AskSentinel(node, deadline)
                                                                   : AskCluster(node, deadline);
    if (found.ok()) return found;
    status = found.status();
  }
  return status;
}

Result<NodeMap> Nodes::AskSentinel(const RedisAddress& sentinel, Deadline deadline) {
  // Sentinels have no databases, and the password of the servers is not theirs.
  RedisOptions plain = options_;
  plain.database = 0;
  plain.username.clear();
  plain.password = Secret();
  SALVER_ASSIGN(const auto connection, Connection::Open(sentinel, plain, deadline));
  SALVER_ASSIGN(const Reply reply,
                connection->Ask({"SENTINEL", "GET-MASTER-ADDR-BY-NAME", options_.sentinel_master}, deadline));
  if (reply.kind == ReplyValue::Kind::kNil) {
    return Status::FailedPrecondition(connection->where() + ", a sentinel, knows no master \"" +
                                      options_.sentinel_master + "\". Check online_store's sentinel_master.");
  }
  if (reply.elements.size() != 2) return Unreadable(connection->where(), "SENTINEL GET-MASTER-ADDR-BY-NAME");
  RedisAddress master{reply.elements[0].text, 0};
  const std::string& port = reply.elements[1].text;
  std::from_chars(port.data(), port.data() + port.size(), master.port);
  return NodeMap{{master}, {}};
}

// CLUSTER SLOTS: [[first slot, last slot, [host, port, ...] of the master, replicas...], ...]
Result<NodeMap> Nodes::AskCluster(const RedisAddress& node, Deadline deadline) {
  SALVER_ASSIGN(const auto connection, Connection::Open(node, options_, deadline));
  SALVER_ASSIGN(const Reply reply, connection->Ask({"CLUSTER", "SLOTS"}, deadline));
  NodeMap map;
  map.slots.resize(kSlots);
  size_t covered = 0;
  for (const Reply& range : reply.elements) {
    if (range.elements.size() < 3 || range.elements[2].elements.size() < 2)
      return Unreadable(connection->where(), "CLUSTER SLOTS");
    const int64_t first = range.elements[0].integer, last = range.elements[1].integer;
    const Reply& master = range.elements[2];
    if (first < 0 || last < first || last >= static_cast<int64_t>(kSlots))
      return Unreadable(connection->where(), "CLUSTER SLOTS");
    // No host: the one that was asked.
    const RedisAddress address{master.elements[0].text.empty() ? node.host : master.elements[0].text,
                               static_cast<int>(master.elements[1].integer)};
    auto found = std::find(map.servers.begin(), map.servers.end(), address);
    if (found == map.servers.end()) found = map.servers.insert(found, address);
    std::fill(map.slots.begin() + first, map.slots.begin() + last + 1,
              static_cast<uint16_t>(found - map.servers.begin()));
    covered += static_cast<size_t>(last - first + 1);
  }
  if (covered < kSlots) {
    return Status::Unavailable(connection->where() + ": only " + std::to_string(covered) +
                               " of the cluster's 16384 slots have a server. Try again when it is whole.");
  }
  return map;
}

Result<std::unique_ptr<Connection>> Nodes::Take(const RedisAddress& address, Deadline deadline,
                                                bool* pooled) {
  *pooled = true;
  {
    std::lock_guard lock(mutex_);
    Pool& pool = pools_[address];
    while (!pool.idle.empty()) {
      auto connection = std::move(pool.idle.back());
      pool.idle.pop_back();
      return connection;
    }
    if (!pool.failure.ok()) {
      if (pool.probed || std::chrono::steady_clock::now() < pool.rest_until) return pool.failure;
      pool.probed = true;
    }
  }
  *pooled = false;
  auto connection = Connection::Open(address, options_, deadline);
  std::lock_guard lock(mutex_);
  Pool& pool = pools_[address];
  pool.probed = false;
  // A caller that was in too much of a hurry has learnt nothing.
  if (connection.status().code() == StatusCode::kDeadlineExceeded) return connection;
  pool.failure = connection.status().code() == StatusCode::kUnavailable ? connection.status() : Status();
  pool.rest_until = std::chrono::steady_clock::now() + kRestAfterFailure;
  return connection;
}

void Nodes::Return(const RedisAddress& address, std::unique_ptr<Connection> connection) {
  if (!connection->reusable()) return;
  std::lock_guard lock(mutex_);
  Pool& pool = pools_[address];
  if (pool.idle.size() < kIdleMax) pool.idle.push_back(std::move(connection));
}

void Nodes::Forget() {
  std::lock_guard lock(mutex_);
  for (auto& [address, pool] : pools_) pool.idle.clear();
  map_ = nullptr;
}

}  // namespace salver::redis
