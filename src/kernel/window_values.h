// A column as window aggregates compute with it: numbers, whatever its type; and their answers as columns
// again.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/large_vector.h"
#include "salver/aggregation.h"
#include "salver/status.h"

namespace arrow {
class Array;
class DataType;
}  // namespace arrow

namespace salver {

// Doubles as integers in the order that answers know: -inf, numbers, inf, NaN. All NaN are one, and so are -0
// and 0.
inline int64_t OrderCode(double value) {
  if (value != value) return INT64_MAX;
  const int64_t bits = std::bit_cast<int64_t>(value + 0.0);
  return bits ^ ((bits >> 63) & INT64_MAX);
}
inline double OfOrderCode(int64_t code) {
  if (code == INT64_MAX) return std::bit_cast<double>(int64_t{0x7ff8000000000000});
  return std::bit_cast<double>(code ^ ((code >> 63) & INT64_MAX));
}

// Thread safety: immutable once made.
class WindowValues {
 public:
  // `column` has a value a row. What `kinds` need of it is prepared.
  // Errors: InvalidArgument  a function that is not for such a column; the message names `what`.
  static Result<WindowValues> Make(std::shared_ptr<arrow::Array> column,
                                   const std::vector<AggregateKind>& kinds, const std::string& what);

  bool has_nulls() const;
  bool IsNull(size_t row) const;
  bool is_float() const { return is_float_; }

  // The values of rows [begin, end) that are not null, in place of what is in `values`. Integers: numbers,
  // times, BOOL as 0 and 1, text as codes, ordered as the text where `kinds` asks for an order; not for
  // floats. Floats: for floats.
  void Integers(size_t begin, size_t end, std::vector<int64_t>* values) const;
  void Floats(size_t begin, size_t end, std::vector<double>* values) const;

  // One value of the column's type for each code: an integer of AppendIntegers, an OrderCode of floats.
  Result<std::shared_ptr<arrow::Array>> FromCodes(LargeVector<int64_t> codes,
                                                  const LargeVector<uint8_t>& valid) const;
  // The column's values at `rows`.
  Result<std::shared_ptr<arrow::Array>> FromRows(LargeVector<int64_t> rows,
                                                 const LargeVector<uint8_t>& valid) const;

 private:
  Status EncodeText(bool ordered, const std::string& what);

  std::shared_ptr<arrow::Array> column_;
  std::shared_ptr<arrow::Array> numbers_;  // of fixed width: the column, or for each text its place in texts_
  std::shared_ptr<arrow::Array> texts_;    // different ones; null: the column is no text
  bool is_float_ = false;
};

// Answers of 8 bytes as an array of that type, which keeps their memory: INT64, DOUBLE or a timestamp.
Result<std::shared_ptr<arrow::Array>> AnswerArray(const std::shared_ptr<arrow::DataType>& type,
                                                  LargeVector<int64_t> bits,
                                                  const LargeVector<uint8_t>& valid);

}  // namespace salver
