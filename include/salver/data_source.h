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
  // Which OfflineStore reads it: "file", "duckdb", "postgres", ...; empty: none does.
  std::string store;
  std::string path;          // of files, as written in the definition: relative to the repository, or a URI
  std::string file_format;   // of files: "parquet", "csv", "json", "arrow", "delta"; empty: by suffix
  std::string table, query;  // of databases: one of the two
  std::map<std::string, std::string> options;        // what else the store needs, e.g. s3_endpoint_override
  std::string timestamp_field;                       // event time column, source name (before field_mapping)
  std::string created_timestamp_column;              // empty: the source has none
  std::map<std::string, std::string> field_mapping;  // source column -> feature or join key name
  // Declared types by source column, for formats that write none (CSV, JSON, partition folders).
  std::map<std::string, ValueType> column_types;
  std::shared_ptr<const DataSource>
      batch_source;  // kPush, kKafka, kKinesis: where the history is; may be null

  // Path, table or query, for people to read.
  const std::string& location() const { return !path.empty() ? path : !table.empty() ? table : query; }
};

// True when both stand for the same rows, whatever they are called: one read serves both.
bool ReadsSameRows(const DataSource& a, const DataSource& b);

}  // namespace salver
