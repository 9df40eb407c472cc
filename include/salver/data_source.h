// A DataSource says where rows come from; readers live in src/source/. A value, made from a
// feast.core.DataSource and never changed.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "salver/value_type.h"

namespace salver {

enum class DataSourceKind { kFile, kPush, kRequest, kKafka, kKinesis, kTable, kCustom };

struct DataSource {
  std::string name;
  DataSourceKind kind = DataSourceKind::kCustom;
  std::string path;                      // kFile: as written in the definition, relative to the repository
  std::string file_format;               // kFile: "parquet" or "delta"
  std::string timestamp_field;           // event time column, source name (before field_mapping)
  std::string created_timestamp_column;  // empty: the source has none
  std::map<std::string, std::string> field_mapping;  // source column -> feature or join key name
  std::shared_ptr<const DataSource>
      batch_source;  // kPush, kKafka, kKinesis: where the history is; may be null
};

}  // namespace salver
