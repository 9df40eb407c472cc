// MaterializedFeatureStore keeps feature groups as tables: Parquet files below storage_path, sorted by entity
// key, so that a few keys are found without a scan.
//
//   auto store = MaterializedFeatureStore::Open("feature_repo", {});
//   (*store)->RegisterFeatureGroup(schema);
//   (*store)->WriteFeatures("driver_stats", rows, {});
//   (*store)->GetFeatures({.names = {"driver_stats:trips"}, .entity_ids = ids});
//
// Acknowledged means: when a write returns OK its rows survive power loss, and every reader that starts later
// sees them. A write that failed or was killed leaves the table as it was. Writers of one table, of any
// process, take turns; readers never wait.
//
// Thread safety: all methods from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "salver/feature_group_request.h"
#include "salver/feature_store_metadata.h"
#include "salver/status.h"

namespace salver {

struct MaterializedOptions {
  std::string storage_path = "data/feature_groups";  // relative paths start at the repository
  std::string storage_format = "parquet";  // of groups that are registered here: "parquet" or "delta"
  bool cache_enabled = true;
  int64_t cache_size_mb = 256;  // of decoded columns
};

enum class WriteMode { kOverwrite, kAppend };

struct WriteOptions {
  int version = 0;  // 0: the newest
  WriteMode mode = WriteMode::kAppend;
  // Rows that are there within the times of the new rows go first, so that writing the same rows again
  // changes nothing. Only with kAppend.
  bool backfill = false;
};

struct WriteReport {
  int64_t rows_written = 0;
  int64_t rows_replaced = 0;  // that are no longer there
  int64_t rows_total = 0;     // in the table now
};

struct CacheStats {
  int64_t hits = 0, misses = 0, evictions = 0;
  int64_t entries = 0, bytes = 0, capacity_bytes = 0;
  double hit_rate() const {
    return hits + misses == 0 ? 0 : static_cast<double>(hits) / static_cast<double>(hits + misses);
  }
};

// What lookups have read of tables so far.
struct LookupStats {
  int64_t row_groups = 0,
          row_groups_read = 0;  // of the tables that were asked; read: or taken from the cache
  int64_t bytes_read = 0;       // from files, footers included
};

class MaterializedFeatureStore : public FeatureGroupReader {
 public:
  // Errors: those of FeatureStore::Open; InvalidArgument (kBadConfig) for a format that is not known.
  static Result<std::unique_ptr<MaterializedFeatureStore>> Open(const std::string& repository,
                                                                const MaterializedOptions& options);

  virtual const std::shared_ptr<FeatureStoreMetadata>& metadata() const = 0;

  // As FeatureStoreMetadata::Register, with a table of this store's. A feature that is added is null in the
  // rows already there.
  virtual Result<FeatureGroup> RegisterFeatureGroup(const FeatureGroupSchema& schema) = 0;

  // Errors: kSchemaValidation (CheckRows), and nothing was written; kFeatureGroupNotFound;
  // kMaterializationFailed
  //         with the code that says why (ResourceExhausted: the disk is full).
  virtual Result<WriteReport> WriteFeatures(const std::string& group, const arrow::Table& rows,
                                            const WriteOptions& options) = 0;
  // Makes `rows` all that there is of the times [start_us, end_us], both included. No row may lie outside.
  virtual Result<WriteReport> Backfill(const std::string& group, const arrow::Table& rows, int64_t start_us,
                                       int64_t end_us) = 0;

  virtual CacheStats cache_stats() const = 0;
  virtual LookupStats lookup_stats() const = 0;
  // metadata()->CheckHealth(), and whether storage_path can be written.
  virtual HealthReport CheckHealth() = 0;
};

}  // namespace salver
