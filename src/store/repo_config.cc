#include "store/repo_config.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/byte_size.h"
#include "base/files.h"
#include "base/nearest.h"
#include "store/config_values.h"
#include "store/online_store_config.h"

namespace salver {
namespace {

bool IsNameChar(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_';
}

std::string ExpandEnvironment(const std::string& text) {
  std::string expanded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '$') {
      expanded += text[i];
      continue;
    }
    const bool braced = i + 1 < text.size() && text[i + 1] == '{';
    const size_t start = i + (braced ? 2 : 1);
    size_t end = start;
    while (end < text.size() && IsNameChar(text[end])) ++end;
    const bool whole = end > start && (!braced || (end < text.size() && text[end] == '}'));
    const char* value = whole ? std::getenv(text.substr(start, end - start).c_str()) : nullptr;
    if (value == nullptr) {
      expanded += '$';
      continue;
    }
    expanded += value;
    i = braced ? end : end - 1;
  }
  return expanded;
}

// What Feast's sections may hold. Salver uses some of it and accepts the rest.
struct Section {
  const char* name;
  std::vector<std::string> types;  // legal values of "type"; empty: it has none
  std::vector<std::string> keys;
};

const std::vector<Section>& AcceptedSections() {
  static const std::vector<Section> sections = {
      {"batch_engine", {"local"}, {"type", "backend"}},
      {"auth", {"no_auth"}, {"type"}},
      {"feature_server",
       {"local", "mcp"},
       {"type", "enabled", "metrics", "feature_logging", "audit_logging", "offline_push_batching_enabled",
        "offline_push_batching_batch_size", "offline_push_batching_batch_interval_seconds",
        "transformation_service_endpoint", "mcp_enabled", "mcp_server_name", "mcp_server_version",
        "mcp_transport"}},
      {"embedding_model", {}, {"provider", "model"}},
      {"materialization", {}, {"pull_latest_features", "online_write_batch_size"}},
      {"openlineage",
       {},
       {"enabled", "transport_type", "transport_url", "transport_endpoint", "api_key", "namespace",
        "producer", "emit_on_apply", "emit_on_materialize", "consumer"}},
      {"mlflow",
       {},
       {"enabled", "tracking_uri", "ui_url", "auto_log", "auto_log_entity_df", "entity_df_max_rows",
        "log_operations", "ops_experiment_suffix", "dataset_sync", "ca_bundle", "supported_artifact_formats",
        "request_timeout", "max_retries", "retry_backoff_factor"}},
      {"data_quality_monitoring", {}, {"auto_baseline"}}};
  return sections;
}

// Reads one file's sections; the first thing that is wrong is kept.
class ConfigReader : private ConfigValues {
 public:
  ConfigReader(std::string file, RepoConfig* config) : ConfigValues(std::move(file)), config_(config) {}

  Status Read(const YAML::Node& root) {
    if (!root.IsMap()) return Bad(root, "the file is no mapping of keys. Start it with \"project: NAME\"");
    SALVER_RETURN_NOT_OK(CheckKeys(root, "",
                                   {"project",
                                    "project_description",
                                    "provider",
                                    "registry",
                                    "online_store",
                                    "offline_store",
                                    "batch_engine",
                                    "auth",
                                    "feature_server",
                                    "embedding_model",
                                    "flags",
                                    "repo_path",
                                    "entity_key_serialization_version",
                                    "coerce_tz_aware",
                                    "materialization",
                                    "openlineage",
                                    "mlflow",
                                    "data_quality_monitoring",
                                    "serving",
                                    "memory_limit",
                                    "spill_folder",
                                    "logging"}));
    SALVER_RETURN_NOT_OK(Project(root["project"], root));
    SALVER_RETURN_NOT_OK(EntityKeyVersion(root["entity_key_serialization_version"]));
    SALVER_RETURN_NOT_OK(RegistrySection(root["registry"]));
    SALVER_RETURN_NOT_OK(ReadOnlineStore(*this, root["online_store"],
                                         {config_->repository, config_->project, config_->entity_key_version},
                                         &config_->online_store));
    SALVER_RETURN_NOT_OK(OfflineStoreSection(root["offline_store"]));
    SALVER_RETURN_NOT_OK(Memory(root["memory_limit"], root["spill_folder"]));
    for (const Section& section : AcceptedSections())
      SALVER_RETURN_NOT_OK(Accept(section, root[section.name]));
    SALVER_RETURN_NOT_OK(LoggingSection(root["logging"]));
    return ServingSection(root["serving"]);
  }

 private:
  Status Accept(const Section& section, const YAML::Node& node) const {
    if (!node || node.IsNull()) return Status::OK();
    if (section.types.empty()) return CheckKeys(node, section.name, section.keys);
    std::string type = section.types[0];
    SALVER_RETURN_NOT_OK(TypeOf(node, section.name, &type));
    if (std::find(section.types.begin(), section.types.end(), type) == section.types.end()) {
      std::string text = std::string(section.name) + " type \"" + type + "\" is not in this release";
      if (std::string_view(section.name) == "auth") text += ", and serving without it would let everyone in";
      return Bad(node, text + "." + NearestNameHint(type, section.types));
    }
    return node.IsMap() ? CheckKeys(node, section.name, section.keys) : Status::OK();
  }

  Status Project(const YAML::Node& node, const YAML::Node& root) {
    if (!node || !node.IsScalar())
      return Bad(node ? node : root, "\"project\" is missing. Write \"project: NAME\"");
    config_->project = node.Scalar();
    const std::string& name = config_->project;
    const bool legal =
        !name.empty() && name[0] != '_' && name[0] != '-' &&
        std::all_of(name.begin(), name.end(), [](char c) { return IsNameChar(c) || c == '-'; });
    if (!legal)
      return Bad(node, "project \"" + name +
                           "\" is no project name: letters, digits, _ and - only, and not _ or - first");
    return Status::OK();
  }

  Status EntityKeyVersion(const YAML::Node& node) {
    if (!node) return Status::OK();
    config_->entity_key_version = node.as<int>(-1);
    if (config_->entity_key_version == 2 || config_->entity_key_version == 3) return Status::OK();
    return Bad(node, "entity_key_serialization_version \"" + node.as<std::string>("") +
                         "\" is not supported. Use 3, or 2 for stores that Feast wrote with it");
  }

  Status Memory(const YAML::Node& limit, const YAML::Node& folder) {
    if (limit && !limit.IsNull()) {
      const auto bytes = ParseByteSize(limit.IsScalar() ? limit.Scalar() : "");
      if (!bytes.ok()) return Bad(limit, "memory_limit " + bytes.status().message());
      config_->memory_limit_bytes = *bytes;
    }
    std::string path = FolderOf(config_->registry_path);
    if (folder && !folder.IsNull()) {
      if (!folder.IsScalar() || folder.Scalar().empty())
        return Bad(folder, "\"spill_folder\" is no path. Name a folder on a disk with room");
      path = folder.Scalar();
    }
    config_->spill_folder = JoinPath(config_->repository, path);
    config_->offline_store.memory_limit_bytes = config_->memory_limit_bytes;
    config_->offline_store.spill_folder = config_->spill_folder;
    return Status::OK();
  }

  Status RegistrySection(const YAML::Node& node) {
    std::string path = "data/registry.db";
    if (node && node.IsScalar()) {
      path = node.Scalar();
    } else if (node && !node.IsNull()) {
      SALVER_RETURN_NOT_OK(
          CheckKeys(node, "registry",
                    {"registry_type", "registry_store_type", "path", "cache_ttl_seconds", "cache_mode",
                     "s3_additional_kwargs", "purge_feast_metadata", "enable_online_feature_view_versioning",
                     "serve_features_while_materializing", "mcp"}));
      std::string type = "file";
      SALVER_RETURN_NOT_OK(Value(node, "registry", "registry_type", "text", &type));
      if (type != "file")
        return Bad(node["registry_type"],
                   "registry_type \"" + type + "\" is not in this release. There is: file");
      SALVER_RETURN_NOT_OK(Value(node, "registry", "path", "text", &path));
      SALVER_RETURN_NOT_OK(Value(node, "registry", "cache_ttl_seconds", "whole number of seconds",
                                 &config_->registry_cache_ttl_s));
      if (config_->registry_cache_ttl_s < 0)
        return Bad(node["cache_ttl_seconds"],
                   "\"registry.cache_ttl_seconds\" is negative. Use 0 for no expiry");
      SALVER_RETURN_NOT_OK(RefuseFlags(node, "registry", {"enable_online_feature_view_versioning"}));
    }
    if (path.find("://") != std::string::npos && !path.starts_with("file://")) {
      // Only the scheme: the rest may hold a password.
      return Bad(node, "registry on \"" + path.substr(0, path.find("://")) +
                           "\" is not in this release, which has local files only");
    }
    if (path.starts_with("file://")) path = path.substr(7);
    if (path.empty()) return Bad(node, "\"registry\" is empty. Name the file, such as data/registry.db");
    config_->registry_path = JoinPath(config_->repository, path);
    return Status::OK();
  }

  // What a store needs beyond its type is read here, by type.
  Status OfflineStoreSection(const YAML::Node& node) {
    OfflineStoreOptions& options = config_->offline_store;
    options.folder = config_->repository;
    if (!node || node.IsNull()) return Status::OK();
    SALVER_RETURN_NOT_OK(TypeOf(node, "offline_store", &options.type));
    const std::vector<std::string> types = OfflineStoreTypes();
    if (std::find(types.begin(), types.end(), options.type) == types.end()) {
      return Bad(node, "offline_store type \"" + options.type + "\" is not in this build." +
                           NearestNameHint(options.type, types));
    }
    if (options.type == "postgres") {
      return ReadPostgres(*this, node, "offline_store", {"entity_select_mode", "statement_timeout_seconds"},
                          &options.postgres);
    }
    if (!node.IsMap()) return Status::OK();
    SALVER_RETURN_NOT_OK(CheckKeys(
        node, "offline_store",
        {"type", "staging_location", "staging_location_endpoint_override", "query_timeout_seconds"}));
    return Value(node, "offline_store", "query_timeout_seconds", "number of seconds",
                 &options.query_timeout_seconds);
  }

  Status ServingSection(const YAML::Node& node) {
    if (!node || node.IsNull()) return Status::OK();
    SALVER_RETURN_NOT_OK(CheckKeys(node, "serving", {"expired_values"}));
    const YAML::Node expired = node["expired_values"];
    if (!expired || expired.IsNull()) return Status::OK();
    const std::string text = expired.as<std::string>("");
    if (text != "null" && text != "serve")
      return Bad(expired, "serving.expired_values \"" + text + "\" is neither null nor serve");
    config_->serve_expired_values = text == "serve";
    return Status::OK();
  }

  // As an entry of SALVER_LOG: "level", "room=level" or "format=json".
  Status LogEntry(const YAML::Node& node, const std::string& before) {
    const Status added = config_->log.Add(before + node.as<std::string>(""));
    return added.ok() ? added : Bad(node, "logging: " + added.message());
  }

  Status LoggingSection(const YAML::Node& node) {
    if (!node || node.IsNull()) return Status::OK();
    SALVER_RETURN_NOT_OK(CheckKeys(node, "logging", {"format", "level", "rooms"}));
    if (node["format"]) SALVER_RETURN_NOT_OK(LogEntry(node["format"], "format="));
    if (node["level"]) SALVER_RETURN_NOT_OK(LogEntry(node["level"], ""));
    const YAML::Node rooms = node["rooms"];
    if (!rooms || rooms.IsNull()) return Status::OK();
    if (!rooms.IsMap()) return Bad(rooms, "\"logging.rooms\" is no mapping of rooms to levels");
    for (const auto& room : rooms)
      SALVER_RETURN_NOT_OK(LogEntry(room.second, room.first.as<std::string>("") + "="));
    return Status::OK();
  }

  RepoConfig* const config_;
};

}  // namespace

Result<RepoConfig> LoadRepoConfig(const std::string& repository, const std::string& config_file,
                                  LogLevel log_level) {
  std::error_code error;
  RepoConfig config;
  config.log.level = log_level;
  config.repository = std::filesystem::absolute(repository, error).lexically_normal().string();
  const std::string file =
      config_file.empty() ? JoinPath(config.repository, "feature_store.yaml") : config_file;
  const auto text = Files::System()->Read(file);
  if (text.status().code() == StatusCode::kNotFound) {
    return Status::NotFound(
        "there is no \"" + file +
            "\". Run this in a feature repository, name one with -c, or make one with `salver init`.",
        Reason::kBadConfig);
  }
  if (!text.ok()) return text.status();
  try {
    SALVER_RETURN_NOT_OK(ConfigReader(file, &config).Read(YAML::Load(ExpandEnvironment(*text))));
  } catch (const YAML::Exception& problem) {
    return Status::InvalidArgument(
        file + ":" + std::to_string(problem.mark.line + 1) + ": " + problem.msg + ".", Reason::kBadConfig);
  }
  return config;
}

std::string RepoConfig::ToYaml() const {
  std::string text = "project: " + project +
                     "\nprovider: local\nregistry:\n  registry_type: file\n  path: " + registry_path +
                     "\n  cache_ttl_seconds: " + std::to_string(registry_cache_ttl_s) + "\nonline_store:";
  if (online_store.type.empty()) {
    text += " null\n";
  } else {
    text += "\n" + OnlineStoreYaml(online_store);
  }
  return text + "offline_store:\n  type: " + offline_store.type +
         "\nentity_key_serialization_version: " + std::to_string(entity_key_version) + "\n" +
         (memory_limit_bytes > 0 ? "memory_limit: " + std::to_string(memory_limit_bytes) + "\n" : "") +
         "spill_folder: " + spill_folder +
         "\nserving:\n  expired_values: " + (serve_expired_values ? "serve" : "null") + "\n";
}

}  // namespace salver
