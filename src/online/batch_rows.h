// What every store does first with an OnlineBatch: check its shape, and keep one row a key.
#pragma once

#include <cstdint>
#include <vector>

#include "salver/online_store.h"
#include "salver/packed_row.h"

namespace salver {

// The rows of `batch` that may be written: per key the newest by IsNewer (the later row at a tie), sorted by
// key. Rows with the empty key (a null join key) are left out.
struct BatchRows {
  std::vector<uint32_t> rows;  // positions in the batch, in key order
  int64_t older = 0;           // rows that lost inside the batch
};

// Errors: InvalidArgument when a span or the record batch does not fit the view: the message says which.
Result<BatchRows> NewestRows(const FeatureView& view, const OnlineBatch& batch);

inline int64_t CreatedOf(const OnlineBatch& batch, size_t row) {
  return batch.created_us.empty() ? kNoCreatedTime : batch.created_us[row];
}

// The columns of rows packed for `view`.
RowSchema RowSchemaOf(const FeatureView& view);
// HashRowSchema of those columns: OnlineRead::schema_hash.
uint64_t SchemaHashOf(const FeatureView& view);

Status UnknownView(const FeatureView& view, std::string_view store);
Status DeadlinePassed(const FeatureView& view, std::string_view action);

}  // namespace salver
