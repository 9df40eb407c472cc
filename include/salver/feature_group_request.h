// Asking for features of feature groups, materialized or virtual.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "salver/status.h"

namespace arrow {
class Table;
}

namespace salver {

struct FeatureGroupRequest {
  // "group:feature", "group@v1:feature", or "feature" alone where only one group has it.
  std::vector<std::string> names;
  // A row for every answer: the entity keys of all groups asked, and perhaps "event_timestamp", the moment to
  // see each row at. Other columns come back untouched.
  std::shared_ptr<arrow::Table> entity_ids;
  // The moment to see all rows at, UTC microseconds; none: that of each row, or now.
  std::optional<int64_t> point_in_time;
  bool full_feature_names = false;  // "group__feature"; for features of one name
};

// Where features of feature groups come from. Thread safety: from any thread.
class FeatureGroupReader {
 public:
  virtual ~FeatureGroupReader() = default;
  // The rows of entity_ids, in order, then the features in the order of `names`: each as it was at the row's
  // moment, by the same point-in-time join as GetHistoricalFeatures; null where there was none.
  // Errors: NotFound (kFeatureGroupNotFound, kFeatureNotFound), InvalidArgument (kMissingColumns,
  // kBadKeyValue,
  //         kNameCollision), and those of the store.
  virtual Result<std::shared_ptr<arrow::Table>> GetFeatures(const FeatureGroupRequest& request) = 0;
};

}  // namespace salver
