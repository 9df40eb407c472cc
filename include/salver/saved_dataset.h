// A SavedDataset is a training set that was kept: where it lies, and what it was made of. Its rows are in its
// storage, what is known of it is in the registry, in Feast's message.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "salver/data_source.h"

namespace salver {

struct SavedDataset {
  std::string name;
  DataSource storage;  // of files: path, file_format, options
  std::map<std::string, std::string> tags;
  std::string feature_service;  // that the features were named by; may be empty
  // Filled in from the job that was saved, and by the registry.
  std::vector<std::string> features;   // "view:feature"
  std::vector<std::string> join_keys;  // columns of the rows
  bool full_feature_names = false;
  int64_t min_event_us = 0, max_event_us = 0;
  int64_t created_us = 0, last_updated_us = 0;
};

}  // namespace salver
