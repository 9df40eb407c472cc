// Where a Redis is and how its rows are kept: Feast's keys of `online_store: {type: redis}` with Feast's
// defaults, and `layout`, which is Salver's own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"
#include "salver/status.h"

namespace salver {

struct RedisAddress {
  std::string host;
  int port = 6379;
  std::string Text() const { return host + ":" + std::to_string(port); }
  friend bool operator==(const RedisAddress&, const RedisAddress&) = default;
  friend auto operator<=>(const RedisAddress&, const RedisAddress&) = default;
};

enum class RedisDeployment {
  kSingle,    // the first node
  kCluster,   // nodes are asked in turn for the map of slots
  kSentinel,  // nodes are sentinels: they name the server to use
};

struct RedisOptions {
  std::string project;
  int entity_key_version = 3;
  RedisDeployment deployment = RedisDeployment::kSingle;
  std::vector<RedisAddress> nodes = {{"localhost", 6379}};
  std::string sentinel_master = "mymaster";
  int database = 0;
  std::string username;
  Secret password;
  bool tls = false;
  std::string tls_ca_path, tls_certificate_path,
      tls_key_path;  // "": the system's authorities; no certificate
  bool tls_verify = true;
  int64_t connect_timeout_ms = 5000;
  int64_t call_timeout_ms = 10'000;  // of a call that has no deadline of its own
  int64_t key_ttl_s = 0;             // 0: entities do not expire
  bool delete_on_drop = true;        // full_scan_for_deletion
  bool packed = false;               // layout: packed instead of Feast's
};

// "host:port[,host:port...][,name=value...]" into `options`; names are redis-py's: db, username, password,
// ssl, ssl_ca_certs, ssl_certfile, ssl_keyfile, ssl_cert_reqs, socket_timeout, socket_connect_timeout
// (seconds).
// Errors: InvalidArgument (kBadConfig). No message shows the value of a password.
Status ParseRedisConnection(std::string_view text, RedisOptions* options);

}  // namespace salver
