#include "online/row_filler.h"

#include <algorithm>

namespace salver {

void RowFiller::MapColumns(const RowSchema& schema) {
  mapped_ = &schema;
  const std::span<const Field> features = read_->view->features;
  const std::span<const RowSchema::Column> stored = schema.columns;
  // The usual case: the features have not changed. Sizes are compared too: what lies behind the end of a row
  // is not left to a hash.
  if (schema.hash != 0 && schema.hash == read_->schema_hash && stored.size() == features.size()) {
    slots_.assign(read_->columns.begin(), read_->columns.end());
    return;
  }
  slots_.resize(read_->columns.size());
  int* slot = slots_.data();
  for (const ColumnId column : read_->columns) {
    const Field& feature = features[column];
    const auto fits = [&](const RowSchema::Column& c) {
      return c.type == feature.type && c.name == feature.name;
    };
    size_t at = column;  // where it is unless the schema has changed
    if (at >= stored.size() || !fits(stored[at]))
      at = static_cast<size_t>(std::find_if(stored.begin(), stored.end(), fits) - stored.begin());
    *slot++ = at < stored.size() ? static_cast<int>(at) : -1;
  }
}

Status RowFiller::Fill(std::string_view stored, const RowHeader& header, const RowSchema& schema, size_t row,
                       OnlineRows* rows) {
  if (mapped_ != &schema) MapColumns(schema);
  rows->present[row] = 1;
  rows->event_us[row] = header.event_us;
  rows->created_us[row] = header.created_us;
  return DecodeRowCells(stored, schema, slots_, rows->cells.data() + row, rows->row_count);
}

}  // namespace salver
