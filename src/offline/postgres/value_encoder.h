// Arrow values as PostgreSQL's binary format has them: the way back of value_decoder.h.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "offline/postgres/value_decoder.h"
#include "salver/status.h"

namespace arrow {
class Array;
}  // namespace arrow

namespace salver::postgres {

template <typename T>
void StoreBigEndian(T value, std::string* out) {
  for (int shift = static_cast<int>(sizeof(T)) * 8 - 8; shift >= 0; shift -= 8)
    *out += static_cast<char>((value >> shift) & 0xFF);
}

class ColumnEncoder {
 public:
  virtual ~ColumnEncoder() = default;
  // Appends the value of a row that is not null, without its length.
  virtual Fault Append(int64_t row, std::string* out) const = 0;
};

// `values` as the Arrow form that NewColumnEncoder takes for a column of type `type`: numbers cast where no
// value is lost, times to UTC microseconds (no zone means UTC), text only to text, json, uuid and numeric.
// Errors: InvalidArgument (kBadFeatureValue) naming `what` and both types.
Result<std::shared_ptr<arrow::Array>> FitValues(const std::shared_ptr<arrow::Array>& values,
                                                const Column& column, const std::string& what);

// Encodes what FitValues made. Faults: a value that the type has no room for.
std::unique_ptr<ColumnEncoder> NewColumnEncoder(const Column& column,
                                                const std::shared_ptr<arrow::Array>& values);

// The value of a row with its length before it, -1 for null.
Fault AppendSized(const ColumnEncoder& encoder, const arrow::Array& values, int64_t row, std::string* out);

// A number as text ("-12.50", "1e-7", "NaN") as a numeric.
Fault AppendNumeric(std::string_view text, std::string* out);

}  // namespace salver::postgres
