// Redis servers for the tests of one program: test/redis/server.py.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "online/redis_options.h"
#include "test/service.h"

namespace salver {

class TestRedis {
 public:
  // Whether this machine has Redis.
  static bool IsInstalled();
  // The server that tests share, empty; null where there is none: the test that asks is then to be skipped.
  static TestRedis* Shared();
  // One of its own. `kind`: "", "--tls", "--password", "--cluster", "--sentinel".
  explicit TestRedis(const std::string& kind) : service_(TestService::Start("redis/server.py", kind)) {}

  // How to reach it, with project "p". What a kind needs beyond the address is the test's to add.
  RedisOptions Options() const;
  // As a machine that fails. Start brings it back with what was acknowledged.
  void Stop() { service_->Command("stop"); }
  void Start() { service_->Command("start"); }
  // One command, past the store: its reply as redis-cli would show it. "" for none.
  std::string Ask(std::initializer_list<std::string_view> parts);
  TestService* service() { return service_.get(); }

 private:
  std::unique_ptr<TestService> service_;
};

}  // namespace salver
