// The legal values of a feature: "min" and "max" of its metadata, both included.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "salver/feature_schema.h"
#include "salver/status.h"

namespace salver {

// True for [+-]digits[.digits].
bool IsDecimalText(std::string_view text);
// Negative, 0 or positive as `a` is below, equal to or above `b`; both IsDecimalText.
int CompareDecimalText(std::string_view a, std::string_view b);

class ValueRange {
 public:
  // Errors: InvalidArgument (kMetadata) for a bound that is no value of the feature's type, for a type
  // without an order, and for a min above the max.
  static Result<ValueRange> Of(const FeatureSchema& feature);

  bool bounded() const { return !min_text_.empty() || !max_text_.empty(); }
  bool IsLegal(int64_t value) const { return value >= min_int_ && value <= max_int_; }
  // False for NaN when there is a bound.
  bool IsLegal(double value) const { return !bounded() || (value >= min_real_ && value <= max_real_); }
  bool IsLegalDecimal(std::string_view text) const;

  // True when every value that is legal in `other`, of the same data type, is legal here.
  bool Contains(const ValueRange& other) const;
  std::string ToString() const;  // "0 to 5", "at least 0", "anything"

 private:
  Status SetBounds(const FeatureSchema& feature);

  DataType type_ = DataType::kDouble;
  std::string min_text_, max_text_;  // empty: no bound
  // Whole numbers, and microseconds of times.
  int64_t min_int_ = INT64_MIN, max_int_ = INT64_MAX;
  double min_real_ = 0, max_real_ = 0;
};

}  // namespace salver
