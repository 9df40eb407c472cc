#include "store/online_store_config.h"

#include <algorithm>
#include <cctype>

#include "base/files.h"
#include "base/nearest.h"

namespace salver {
namespace {

const std::string kSection = "online_store";
constexpr int64_t kMaxRowCacheMb = int64_t{1} << 20;

// Feast's classes, with or without their modules.
std::string TypeName(std::string type) {
  static constexpr std::pair<std::string_view, const char*> kClasses[] = {
      {"SqliteOnlineStore", "sqlite"},
      {"RedisOnlineStore", "redis"},
      {"PostgreSQLOnlineStore", "postgres"},
      {"HybridOnlineStore", "hybrid"}};
  for (const auto& [name, short_name] : kClasses) {
    if (type.ends_with(name)) return short_name;
  }
  return type;
}

Status ReadLayout(const ConfigValues& values, const YAML::Node& node, bool* packed) {
  std::string layout = "feast";
  SALVER_RETURN_NOT_OK(values.Choice(node, kSection, "layout", {"feast", "packed"}, &layout));
  *packed = layout == "packed";
  return Status::OK();
}

Status ReadLmdb(const ConfigValues& values, const YAML::Node& node, OnlineStoreOptions* to) {
  to->path = "data/online.lmdb";
  SALVER_RETURN_NOT_OK(values.CheckKeys(node, kSection, {"type", "path", "sync"}));
  SALVER_RETURN_NOT_OK(values.Value(node, kSection, "path", "text", &to->path));
  return values.Value(node, kSection, "sync", "true or false", &to->sync);
}

Status ReadSqlite(const ConfigValues& values, const YAML::Node& node, OnlineStoreOptions* to) {
  to->path = "data/online.db";
  SALVER_RETURN_NOT_OK(
      values.CheckKeys(node, kSection,
                       {"type", "path", "vector_enabled", "similarity", "text_search_enabled",
                        "enable_openai_compatible_store", "row_cache_mb"}));
  if (to->project.find('-') != std::string::npos) {
    return values.Bad(node,
                      "project \"" + to->project +
                          "\" has a - in its name, which a sqlite table can not. Rename it, or use lmdb");
  }
  SALVER_RETURN_NOT_OK(values.Value(node, kSection, "path", "text", &to->path));
  SALVER_RETURN_NOT_OK(values.Value(node, kSection, "vector_enabled", "true or false", &to->vectors));
  SALVER_RETURN_NOT_OK(
      values.Value(node, kSection, "text_search_enabled", "true or false", &to->text_search));
  SALVER_RETURN_NOT_OK(
      values.Value(node, kSection, "row_cache_mb", "whole number of megabytes", &to->row_cache_mb));
  if (to->row_cache_mb < 0 || to->row_cache_mb > kMaxRowCacheMb)
    return values.Bad(node["row_cache_mb"],
                      "\"online_store.row_cache_mb\" is " + std::to_string(to->row_cache_mb) +
                          ". Use 0 for no cache, and " + std::to_string(kMaxRowCacheMb) + " at most");
  return values.RefuseFlags(node, kSection, {"enable_openai_compatible_store"});
}

Status ReadRedis(const ConfigValues& values, const YAML::Node& node, OnlineStoreOptions* to) {
  RedisOptions& redis = to->redis;
  redis.project = to->project;
  redis.entity_key_version = to->entity_key_version;
  SALVER_RETURN_NOT_OK(
      values.CheckKeys(node, kSection,
                       {"type", "redis_type", "client", "sentinel_master", "connection_string",
                        "key_ttl_seconds", "full_scan_for_deletion", "skip_dedup", "layout"}));
  std::string kind = "redis", client = "redis", connection = "localhost:6379";
  SALVER_RETURN_NOT_OK(
      values.Choice(node, kSection, "redis_type", {"redis", "redis_cluster", "redis_sentinel"}, &kind));
  redis.deployment = kind == "redis_cluster"    ? RedisDeployment::kCluster
                     : kind == "redis_sentinel" ? RedisDeployment::kSentinel
                                                : RedisDeployment::kSingle;
  SALVER_RETURN_NOT_OK(values.Choice(node, kSection, "client", {"redis", "glide"}, &client));
  SALVER_RETURN_NOT_OK(values.Value(node, kSection, "connection_string", "text", &connection));
  if (const Status parsed = ParseRedisConnection(connection, &redis); !parsed.ok())
    return values.Bad(node["connection_string"], parsed.message());
  if (redis.deployment == RedisDeployment::kCluster && redis.database != 0)
    return values.Bad(node["connection_string"], "a Redis cluster has no databases. Leave db out");
  SALVER_RETURN_NOT_OK(values.Value(node, kSection, "sentinel_master", "text", &redis.sentinel_master));
  SALVER_RETURN_NOT_OK(
      values.Value(node, kSection, "key_ttl_seconds", "whole number of seconds", &redis.key_ttl_s));
  if (redis.key_ttl_s < 0)
    return values.Bad(node["key_ttl_seconds"],
                      "\"online_store.key_ttl_seconds\" is negative. Use 0 for no expiry");
  SALVER_RETURN_NOT_OK(
      values.Value(node, kSection, "full_scan_for_deletion", "true or false", &redis.delete_on_drop));
  return ReadLayout(values, node, &redis.packed);
}

Status ReadPostgresStore(const ConfigValues& values, const YAML::Node& node, OnlineStoreOptions* to) {
  to->postgres.project = to->project;
  SALVER_RETURN_NOT_OK(ReadPostgres(
      values, node, kSection,
      {"vector_enabled", "similarity", "enable_openai_compatible_store", "max_batched_result_rows", "layout"},
      &to->postgres.server));
  SALVER_RETURN_NOT_OK(
      values.RefuseFlags(node, kSection, {"vector_enabled", "enable_openai_compatible_store"}));
  return ReadLayout(values, node, &to->postgres.packed);
}

Status ReadByType(const ConfigValues& values, const YAML::Node& node, const OnlineStoreContext& context,
                  OnlineStoreOptions* to);

// Feast's online_stores: a list of {type, conf}; the value of the tag is the last word of the type.
Status ReadHybrid(const ConfigValues& values, const YAML::Node& node, const OnlineStoreContext& context,
                  OnlineStoreOptions* to) {
  SALVER_RETURN_NOT_OK(values.CheckKeys(node, kSection, {"type", "routing_tag", "online_stores"}));
  to->routing_tag = "tribe";
  SALVER_RETURN_NOT_OK(values.Value(node, kSection, "routing_tag", "text", &to->routing_tag));
  const YAML::Node list = node["online_stores"];
  if (!list || !list.IsSequence() || list.size() == 0)
    return values.Bad(node, "online_store of type hybrid has no list \"online_stores\" of {type, conf}");
  for (const YAML::Node& entry : list) {
    SALVER_RETURN_NOT_OK(values.CheckKeys(entry, "online_store.online_stores", {"type", "conf"}));
    OnlineStoreOptions one;
    one.project = to->project;
    one.entity_key_version = to->entity_key_version;
    SALVER_RETURN_NOT_OK(values.TypeOf(entry, "online_store.online_stores", &one.type));
    std::string name = one.type.substr(one.type.rfind('.') + 1);
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    one.type = TypeName(one.type);
    std::vector<std::string> types = OnlineStoreTypes();
    std::erase(types, "hybrid");
    if (std::find(types.begin(), types.end(), one.type) == types.end())
      return values.Bad(entry, "online store type \"" + one.type + "\" can not be part of a hybrid store." +
                                   NearestNameHint(one.type, types));
    const YAML::Node conf =
        entry["conf"] && entry["conf"].IsMap() ? entry["conf"] : YAML::Node(YAML::NodeType::Map);
    SALVER_RETURN_NOT_OK(ReadByType(values, conf, context, &one));
    if (!to->stores.emplace(name, std::move(one)).second)
      return values.Bad(entry, "online store type \"" + name + "\" is there twice. Remove one");
  }
  return Status::OK();
}

Status ReadByType(const ConfigValues& values, const YAML::Node& node, const OnlineStoreContext& context,
                  OnlineStoreOptions* to) {
  Status status;
  if (to->type == "lmdb") {
    status = ReadLmdb(values, node, to);
  } else if (to->type == "sqlite") {
    status = ReadSqlite(values, node, to);
  } else if (to->type == "redis") {
    status = ReadRedis(values, node, to);
  } else if (to->type == "postgres") {
    status = ReadPostgresStore(values, node, to);
  } else if (to->type == "hybrid") {
    status = ReadHybrid(values, node, context, to);
  } else {
    status = values.CheckKeys(node, kSection, {"type"});
  }
  if (!to->path.empty()) to->path = JoinPath(context.repository, to->path);
  return status;
}

}  // namespace

Status ReadOnlineStore(const ConfigValues& values, const YAML::Node& node, const OnlineStoreContext& context,
                       OnlineStoreOptions* to) {
  to->project = context.project;
  to->entity_key_version = context.entity_key_version;
  std::string type = "sqlite";
  if (node && node.IsNull()) return Status::OK();
  if (node) SALVER_RETURN_NOT_OK(values.TypeOf(node, kSection, &type));
  if (type == "none" || type == "null") return Status::OK();
  type = TypeName(type);
  const std::vector<std::string> types = OnlineStoreTypes();
  if (std::find(types.begin(), types.end(), type) == types.end()) {
    return values.Bad(
        node, "online store type \"" + type + "\" is not in this build." + NearestNameHint(type, types));
  }
  to->type = type;
  const YAML::Node section = node && node.IsMap() ? node : YAML::Node(YAML::NodeType::Map);
  return ReadByType(values, section, context, to);
}

std::string OnlineStoreYaml(const OnlineStoreOptions& options) {
  std::string text = "  type: " + options.type + "\n";
  if (options.type == "hybrid") {
    text += "  routing_tag: " + options.routing_tag + "\n  online_stores:\n";
    for (const auto& [name, one] : options.stores) text += "  - type: " + name + "\n";
  }
  if (!options.path.empty()) text += "  path: " + options.path + "\n";
  if (options.type == "sqlite") text += "  row_cache_mb: " + std::to_string(options.row_cache_mb) + "\n";
  if (options.type == "lmdb") text += std::string("  sync: ") + (options.sync ? "true" : "false") + "\n";
  if (options.type == "postgres") {
    const PostgresOptions& server = options.postgres.server;
    text += "  host: " + server.host + "\n  port: " + std::to_string(server.port) +
            "\n  database: " + server.database + "\n  db_schema: " + server.db_schema +
            "\n  user: " + server.user + "\n";
    text += std::string("  layout: ") + (options.postgres.packed ? "packed" : "feast") + "\n";
  }
  if (options.type == "redis") {
    text += "  connection_string: ";
    for (const RedisAddress& node : options.redis.nodes) text += node.Text() + ",";
    text.back() = '\n';
    text += std::string("  layout: ") + (options.redis.packed ? "packed" : "feast") + "\n";
  }
  return text;
}

}  // namespace salver
