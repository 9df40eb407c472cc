// feature_store.yaml: Feast's keys and meanings, read strictly. A key that Feast has and Salver does not use
// yet is accepted; a key that neither has is an error with the nearest one.
#pragma once

#include <string>

#include "offline/offline_stores.h"
#include "online/online_stores.h"
#include "salver/log.h"
#include "salver/status.h"

namespace salver {

struct RepoConfig {
  std::string repository;  // absolute folder
  std::string project;
  std::string registry_path;  // absolute
  int64_t registry_cache_ttl_s = 600;
  OnlineStoreOptions online_store;  // type "": none
  OfflineStoreOptions offline_store;
  int entity_key_version = 3;
  int64_t memory_limit_bytes = 0;     // memory_limit: what retrieval and materialization may use; 0: no limit
  std::string spill_folder;           // absolute; where what does not fit goes for a while
  bool serve_expired_values = false;  // serving: {expired_values: serve}
  LogConfig log;                      // logging

  std::string ToYaml() const;  // defaults filled in
};

// `config_file` empty: feature_store.yaml in `repository`. $NAME and ${NAME} of the environment are replaced;
// unknown ones stay as they are. Relative paths start at the repository.
// Errors: NotFound; InvalidArgument (kBadConfig) naming file, line and key.
// `log_level` holds where the file names none.
Result<RepoConfig> LoadRepoConfig(const std::string& repository, const std::string& config_file,
                                  LogLevel log_level);

}  // namespace salver
