#include "store/repo_config.h"

#include <yaml-cpp/yaml.h>

#include <cstdlib>
#include <filesystem>

#include "base/files.h"
#include "base/nearest.h"
#include "online/online_stores.h"

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

// The value, or `fallback` when the key is not there. A value of another type throws, with its place.
template <typename T>
T Or(const YAML::Node& node, T fallback) {
  return node ? node.as<T>() : fallback;
}

// Reads one file's sections; the first thing that is wrong is kept.
class ConfigReader {
 public:
  ConfigReader(std::string file, RepoConfig* config) : file_(std::move(file)), config_(config) {}

  Status Read(const YAML::Node& root) {
    if (!root.IsMap()) return Bad(root, "is no mapping of keys. Start it with \"project: NAME\"");
    SALVER_RETURN_NOT_OK(
        CheckKeys(root, "",
                  {"project", "project_description", "provider", "registry", "online_store", "offline_store",
                   "batch_engine", "auth", "feature_server", "embedding_model", "flags", "repo_path",
                   "entity_key_serialization_version", "coerce_tz_aware", "materialization", "openlineage",
                   "mlflow", "data_quality_monitoring", "serving"}));
    SALVER_RETURN_NOT_OK(Project(root["project"], root));
    SALVER_RETURN_NOT_OK(EntityKeyVersion(root["entity_key_serialization_version"]));
    SALVER_RETURN_NOT_OK(RegistrySection(root["registry"]));
    SALVER_RETURN_NOT_OK(OnlineStoreSection(root["online_store"]));
    SALVER_RETURN_NOT_OK(OfflineStoreSection(root["offline_store"]));
    SALVER_RETURN_NOT_OK(AuthSection(root["auth"]));
    return ServingSection(root["serving"]);
  }

 private:
  Status Bad(const YAML::Node& node, const std::string& what) const {
    const int line = node.Mark().line;
    return Status::InvalidArgument(file_ + (line >= 0 ? ":" + std::to_string(line + 1) : "") + ": " + what +
                                       (what.ends_with('?') || what.ends_with('.') ? "" : "."),
                                   Reason::kBadConfig);
  }

  Status CheckKeys(const YAML::Node& section, const std::string& name,
                   const std::vector<std::string>& known) const {
    for (const auto& entry : section) {
      const std::string key = entry.first.as<std::string>("");
      if (std::find(known.begin(), known.end(), key) != known.end()) continue;
      const std::string hint = NearestNameHint(key, known);
      return Bad(entry.first, "key \"" + (name.empty() ? "" : name + ".") + key + "\" is not known." + hint);
    }
    return Status::OK();
  }

  Status Project(const YAML::Node& node, const YAML::Node& root) {
    if (!node || !node.IsScalar())
      return Bad(node ? node : root, "\"project\" is missing. Write \"project: NAME\"");
    config_->project = node.as<std::string>();
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

  Status RegistrySection(const YAML::Node& node) {
    std::string path = "data/registry.db";
    if (node && node.IsScalar()) {
      path = node.as<std::string>();
    } else if (node) {
      SALVER_RETURN_NOT_OK(
          CheckKeys(node, "registry",
                    {"registry_type", "registry_store_type", "path", "cache_ttl_seconds", "cache_mode",
                     "s3_additional_kwargs", "purge_feast_metadata", "enable_online_feature_view_versioning",
                     "serve_features_while_materializing", "mcp"}));
      const std::string type = node["registry_type"].as<std::string>("file");
      if (type != "file")
        return Bad(node["registry_type"],
                   "registry_type \"" + type + "\" is not in this release. There is: file");
      path = node["path"].as<std::string>(path);
      config_->registry_cache_ttl_s = Or<int64_t>(node["cache_ttl_seconds"], 600);
    }
    if (path.find("://") != std::string::npos && !path.starts_with("file://")) {
      return Bad(node, "registry \"" + path + "\" is not a local file, which is all this release has");
    }
    if (path.starts_with("file://")) path = path.substr(7);
    config_->registry_path = JoinPath(config_->repository, path);
    return Status::OK();
  }

  Status OnlineStoreSection(const YAML::Node& node) {
    std::string type = "sqlite", path;
    if (node && node.IsNull()) {
      type = "none";
    } else if (node && node.IsScalar()) {
      type = node.as<std::string>();
    } else if (node) {
      type = node["type"].as<std::string>("sqlite");
      if (type == "lmdb") {
        SALVER_RETURN_NOT_OK(CheckKeys(node, "online_store", {"type", "path", "sync"}));
        config_->online_store_sync = Or(node["sync"], true);
      } else if (type == "sqlite") {
        SALVER_RETURN_NOT_OK(CheckKeys(node, "online_store",
                                       {"type", "path", "vector_enabled", "similarity", "text_search_enabled",
                                        "enable_openai_compatible_store", "vector_len"}));
      }
      path = node["path"].as<std::string>("");
    }
    if (type == "none" || type == "null") return Status::OK();
    const std::vector<std::string> types = OnlineStoreTypes();
    if (std::find(types.begin(), types.end(), type) == types.end()) {
      const std::string hint = NearestNameHint(type, types);
      return Bad(node, "online store type \"" + type + "\" is not in this build." + hint);
    }
    if (type == "sqlite" && config_->project.find('-') != std::string::npos) {
      return Bad(node, "project \"" + config_->project +
                           "\" has a - in its name, which a sqlite table can not. Rename it, or use lmdb");
    }
    config_->online_store_type = type;
    if (path.empty()) path = type == "lmdb" ? "data/online.lmdb" : "data/online.db";
    if (type != "memory") config_->online_store_path = JoinPath(config_->repository, path);
    return Status::OK();
  }

  Status OfflineStoreSection(const YAML::Node& node) {
    if (!node || node.IsNull()) return Status::OK();
    const std::string type = node.IsScalar() ? node.as<std::string>() : node["type"].as<std::string>("dask");
    const std::vector<std::string> known = {"dask", "file", "duckdb"};
    if (std::find(known.begin(), known.end(), type) != known.end()) return Status::OK();
    return Bad(node, "offline store type \"" + type +
                         "\" is not in this release. There is: file (dask and duckdb mean the same here)");
  }

  Status AuthSection(const YAML::Node& node) {
    if (!node || node.IsNull()) return Status::OK();
    const std::string type = node["type"].as<std::string>("no_auth");
    if (type == "no_auth") return Status::OK();
    return Bad(
        node,
        "auth type \"" + type +
            "\" is not in this release, and serving without it would let everyone in. There is: no_auth");
  }

  Status ServingSection(const YAML::Node& node) {
    if (!node) return Status::OK();
    SALVER_RETURN_NOT_OK(CheckKeys(node, "serving", {"expired_values"}));
    const std::string expired = node["expired_values"].as<std::string>("null");
    if (expired != "null" && expired != "~" && expired != "serve") {
      return Bad(node["expired_values"],
                 "serving.expired_values \"" + expired + "\" is neither null nor serve");
    }
    config_->serve_expired_values = expired == "serve";
    return Status::OK();
  }

  const std::string file_;
  RepoConfig* const config_;
};

}  // namespace

Result<RepoConfig> LoadRepoConfig(const std::string& repository, const std::string& config_file) {
  std::error_code error;
  RepoConfig config;
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
  if (online_store_type.empty()) {
    text += " null\n";
  } else {
    text += "\n  type: " + online_store_type + "\n";
    if (!online_store_path.empty()) text += "  path: " + online_store_path + "\n";
    if (online_store_type == "lmdb")
      text += std::string("  sync: ") + (online_store_sync ? "true" : "false") + "\n";
  }
  return text + "offline_store:\n  type: file\nentity_key_serialization_version: " +
         std::to_string(entity_key_version) +
         "\nserving:\n  expired_values: " + (serve_expired_values ? "serve" : "null") + "\n";
}

}  // namespace salver
