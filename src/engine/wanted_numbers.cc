#include "engine/wanted_numbers.h"

#include <arrow/array.h>

#include <algorithm>

namespace salver {
namespace {

template <typename Visit>
void ForEachNumber(const arrow::Array& column, Visit visit) {
  const bool is_narrow = column.type_id() == arrow::Type::INT32;
  const auto* const wide = is_narrow ? nullptr : column.data()->GetValues<int64_t>(1);
  const auto* const narrow = is_narrow ? column.data()->GetValues<int32_t>(1) : nullptr;
  for (int64_t row = 0; row < column.length(); ++row) {
    if (column.IsValid(row)) visit(is_narrow ? narrow[row] : wide[row]);
  }
}

}  // namespace

bool WantedNumbers::Takes(const arrow::Array& column) {
  const auto type = column.type_id();
  return type == arrow::Type::INT32 || type == arrow::Type::INT64 || type == arrow::Type::TIMESTAMP;
}

WantedNumbers::WantedNumbers(std::shared_ptr<arrow::Array> column)
    : column_(std::move(column)), all_{INT64_MAX, INT64_MIN} {
  ForEachNumber(*column_,
                [this](int64_t number) { all_ = {std::min(all_.min, number), std::max(all_.max, number)}; });
}

bool WantedNumbers::MayBeIn(NumberRange range) {
  if (all_.min > all_.max || range.max < all_.min || range.min > all_.max) return false;
  // Where rows lie in no order of their keys, ranges are wide, and sorting would be for nothing.
  const auto width = [](NumberRange of) {
    return static_cast<uint64_t>(of.max) - static_cast<uint64_t>(of.min);
  };
  if (width(range) > width(all_) / 2) return true;
  if (sorted_.empty()) {
    ForEachNumber(*column_, [this](int64_t number) { sorted_.push_back(number); });
    std::sort(sorted_.begin(), sorted_.end());
  }
  const auto first = std::lower_bound(sorted_.begin(), sorted_.end(), range.min);
  return first != sorted_.end() && *first <= range.max;
}

}  // namespace salver
