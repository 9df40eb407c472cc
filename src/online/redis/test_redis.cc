#include "online/test_redis.h"

#include <filesystem>

#include "online/redis/redis_connection.h"

namespace salver {

bool TestRedis::IsInstalled() {
  return std::filesystem::exists("/usr/bin/redis-check-rdb");
}

TestRedis* TestRedis::Shared() {
  static const std::unique_ptr<TestRedis> server = IsInstalled() ? std::make_unique<TestRedis>("") : nullptr;
  return server.get();
}

RedisOptions TestRedis::Options() const {
  RedisOptions options;
  options.project = "p";
  options.nodes = {{service_->Text("host"), service_->Number("port")}};
  return options;
}

std::string TestRedis::Ask(std::initializer_list<std::string_view> parts) {
  const RedisOptions options = Options();
  auto connection = redis::Connection::Open(options.nodes[0], options, Deadline::Never());
  if (!connection.ok()) return connection.status().ToString();
  const auto reply = (*connection)->Ask(parts, Deadline::Never());
  if (!reply.ok()) return reply.status().ToString();
  return reply->kind == redis::ReplyValue::Kind::kInteger ? std::to_string(reply->integer) : reply->text;
}

}  // namespace salver
