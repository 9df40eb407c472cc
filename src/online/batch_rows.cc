#include "online/batch_rows.h"

#include <arrow/record_batch.h>

#include <algorithm>
#include <numeric>

#include "salver/write_rule.h"

namespace salver {
namespace {

Status Misshapen(const FeatureView& view, const std::string& what) {
  return Status::InvalidArgument("rows for feature view \"" + view.name + "\": " + what + ".",
                                 Reason::kMissingColumns);
}

Status CheckShape(const FeatureView& view, const OnlineBatch& batch) {
  const size_t rows = batch.keys.size();
  if (batch.event_us.size() != rows) return Misshapen(view, "as many event times as keys are needed");
  if (!batch.created_us.empty() && batch.created_us.size() != rows) {
    return Misshapen(view, "as many created times as keys are needed, or none");
  }
  if (batch.features == nullptr || batch.features->num_rows() != static_cast<int64_t>(rows)) {
    return Misshapen(view, "as many feature rows as keys are needed");
  }
  if (batch.features->num_columns() != static_cast<int>(view.features.size())) {
    return Misshapen(view, std::to_string(batch.features->num_columns()) + " columns for " +
                               std::to_string(view.features.size()) + " features");
  }
  return Status::OK();
}

}  // namespace

Result<BatchRows> NewestRows(const FeatureView& view, const OnlineBatch& batch) {
  SALVER_RETURN_NOT_OK(CheckShape(view, batch));
  std::vector<uint32_t> order(batch.keys.size());
  std::iota(order.begin(), order.end(), 0u);
  std::erase_if(order, [&](uint32_t row) { return batch.keys[row].empty(); });
  const auto by_key = [&](uint32_t a, uint32_t b) { return batch.keys[a] < batch.keys[b]; };
  if (!std::is_sorted(order.begin(), order.end(), by_key))
    std::stable_sort(order.begin(), order.end(), by_key);

  BatchRows newest;
  newest.rows.reserve(order.size());
  for (const uint32_t row : order) {
    if (newest.rows.empty() || batch.keys[newest.rows.back()] != batch.keys[row]) {
      newest.rows.push_back(row);
      continue;
    }
    uint32_t& kept = newest.rows.back();
    if (IsNewer(batch.event_us[row], CreatedOf(batch, row), batch.event_us[kept], CreatedOf(batch, kept)))
      kept = row;
    ++newest.older;
  }
  return newest;
}

RowSchema RowSchemaOf(const FeatureView& view) {
  RowSchema schema;
  for (const Field& feature : view.features) schema.columns.push_back({feature.name, feature.type});
  return schema;
}

uint64_t SchemaHashOf(const FeatureView& view) {
  return HashRowSchema(EncodeRowSchema(RowSchemaOf(view).columns));
}

Status UnknownView(const FeatureView& view, std::string_view store) {
  return Status::NotFound("feature view \"" + view.name + "\" has no table in the " + std::string(store) +
                              " online store. Run `salver apply` first.",
                          Reason::kViewNotFound);
}

Status DeadlinePassed(const FeatureView& view, std::string_view action) {
  return Status::DeadlineExceeded(std::string(action) + " feature view \"" + view.name +
                                  "\" took longer than its deadline. Try again.");
}

}  // namespace salver
