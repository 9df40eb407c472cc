#include "online/row_filler.h"

#include <algorithm>

namespace salver {

void RowFiller::MapColumns(const RowSchema& schema) {
  mapped_ = &schema;
  slots_.assign(read_->columns.size(), -1);
  for (size_t i = 0; i < read_->columns.size(); ++i) {
    const Field& feature = read_->view->features[read_->columns[i]];
    const auto fits = [&](const RowSchema::Column& c) {
      return c.type == feature.type && c.name == feature.name;
    };
    if (read_->columns[i] < schema.columns.size() && fits(schema.columns[read_->columns[i]])) {
      slots_[i] = static_cast<int>(read_->columns[i]);  // the usual case: the schema has not changed
      continue;
    }
    const auto found = std::find_if(schema.columns.begin(), schema.columns.end(), fits);
    if (found != schema.columns.end()) slots_[i] = static_cast<int>(found - schema.columns.begin());
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
