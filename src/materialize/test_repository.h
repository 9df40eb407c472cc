// A repository in memory for the tests of this room: one view over one table, a registry on any file layer,
// the engine of this process.
#pragma once

#include <arrow/api.h>

#include <memory>
#include <string>
#include <vector>

#include "base/files.h"
#include "materialize/materialize.h"

namespace salver {

// The history of the view: INT64 keys, one INT64 feature and one STRING feature that makes rows as large as
// wanted.
struct HistoryRow {
  int64_t id, event_us, created_us, value;
};

class TestRepository {
 public:
  // `padding`: the size of the STRING feature.
  TestRepository(Files* registry_files, size_t padding);

  Status Apply();
  // Materializes [start_us, end_us] of the rows into `store`.
  Result<MaterializeReport> Materialize(OnlineStore* store, const std::vector<HistoryRow>& rows,
                                        int64_t start_us, int64_t end_us, MaterializeOptions options = {});
  Status Push(OnlineStore* store, const std::vector<HistoryRow>& rows);

  std::shared_ptr<const FeatureView> view();
  // Of the view, as the registry's file has it; with their counts of rows.
  std::vector<std::pair<TimeInterval, int64_t>> Intervals(Files* files);

 private:
  std::shared_ptr<arrow::Table> TableOf(const std::vector<HistoryRow>& rows) const;

  Files* const files_;
  const size_t padding_;
};

// The encoded key of an id.
std::string KeyOfId(int64_t id);

}  // namespace salver
