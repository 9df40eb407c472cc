#include "kernel/window_values.h"

#include <arrow/array.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/compute/api_vector.h>
#include <arrow/datum.h>
#include <arrow/type.h>
#include <arrow/util/bitmap_builders.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/arrow_status.h"

namespace salver {
namespace {

using arrow::Type;
using ArrayPtr = std::shared_ptr<arrow::Array>;
using Function = AggregateFunction;

bool IsLargeText(Type::type type) {
  return type == Type::LARGE_STRING || type == Type::LARGE_BINARY;
}
bool IsText(Type::type type) {
  return type == Type::STRING || type == Type::BINARY || IsLargeText(type);
}
bool IsFloat(Type::type type) {
  return type == Type::FLOAT || type == Type::DOUBLE;
}
bool IsInteger(Type::type type) {
  return type == Type::INT32 || type == Type::INT64;
}

bool NeedsNumbers(Function function) {
  return function != Function::kCount && function != Function::kFirst && function != Function::kLast;
}
bool NeedsArithmetic(Function function) {
  return function == Function::kSum || function == Function::kMean || function == Function::kStd ||
         function == Function::kVar;
}

// Numbers of type `From` of rows [begin, end) that are not null.
template <typename From, typename To>
void Append(const arrow::Array& array, size_t begin, size_t end, std::vector<To>* values) {
  const From* from = array.data()->GetValues<From>(1);
  if (array.null_count() == 0) {
    values->assign(from + begin, from + end);
    return;
  }
  for (size_t row = begin; row < end; ++row) {
    if (array.IsValid(static_cast<int64_t>(row))) values->push_back(static_cast<To>(from[row]));
  }
}

class VectorBuffer final : public arrow::Buffer {
 public:
  explicit VectorBuffer(LargeVector<int64_t> values)
      : Buffer(nullptr, static_cast<int64_t>(values.size() * sizeof(int64_t))), values_(std::move(values)) {
    data_ = reinterpret_cast<const uint8_t*>(values_.data());
  }

 private:
  const LargeVector<int64_t> values_;
};

Result<std::shared_ptr<arrow::Buffer>> Bitmap(const LargeVector<uint8_t>& valid) {
  return FromArrow(arrow::internal::BytesToBits({valid.data(), valid.size()}), "answers of windows");
}

// Answers narrower than 8 bytes.
template <typename Builder, typename ValueOf>
Result<ArrayPtr> Narrow(const LargeVector<int64_t>& codes, const LargeVector<uint8_t>& valid,
                        const ValueOf& value_of) {
  Builder builder;
  SALVER_RETURN_NOT_OK(FromArrow(builder.Reserve(static_cast<int64_t>(codes.size())), "answers of windows"));
  for (size_t i = 0; i < codes.size(); ++i) {
    valid[i] != 0 ? builder.UnsafeAppend(value_of(codes[i])) : builder.UnsafeAppendNull();
  }
  return FromArrow(builder.Finish(), "answers of windows");
}

}  // namespace

Result<ArrayPtr> AnswerArray(const std::shared_ptr<arrow::DataType>& type, LargeVector<int64_t> bits,
                             const LargeVector<uint8_t>& valid) {
  const int64_t count = static_cast<int64_t>(bits.size());
  const int64_t nulls = std::count(valid.begin(), valid.end(), 0);
  std::shared_ptr<arrow::Buffer> bitmap;
  if (nulls > 0) {
    SALVER_ASSIGN(bitmap, Bitmap(valid));
  }
  auto buffer = std::make_shared<VectorBuffer>(std::move(bits));
  return arrow::MakeArray(arrow::ArrayData::Make(type, count, {std::move(bitmap), std::move(buffer)}, nulls));
}

Result<WindowValues> WindowValues::Make(ArrayPtr column, const std::vector<AggregateKind>& kinds,
                                        const std::string& what) {
  WindowValues values;
  const Type::type type = column->type_id();
  values.column_ = std::move(column);
  values.is_float_ = IsFloat(type);
  bool numbers = false, ordered = false;
  for (const AggregateKind kind : kinds) {
    numbers = numbers || NeedsNumbers(kind.function);
    ordered = ordered || kind.function == Function::kMin || kind.function == Function::kMax;
    const bool fits = NeedsArithmetic(kind.function) ? IsFloat(type) || IsInteger(type)
                      : NeedsNumbers(kind.function)
                          ? IsFloat(type) || IsInteger(type) || type == Type::BOOL ||
                                type == Type::TIMESTAMP ||
                                (IsText(type) && kind.function != Function::kApproxQuantile)
                          : true;
    if (fits) continue;
    return Status::InvalidArgument(what + " holds " + values.column_->type()->ToString() +
                                       ", which this aggregation is not for. Choose count, first or last.",
                                   Reason::kBadFeatureValue);
  }
  if (!numbers) return values;
  values.numbers_ = values.column_;
  if (IsText(type)) SALVER_RETURN_NOT_OK(values.EncodeText(ordered, what));
  return values;
}

Status WindowValues::EncodeText(bool ordered, const std::string& what) {
  SALVER_ASSIGN(const auto encoded, FromArrow(arrow::compute::DictionaryEncode(arrow::Datum(column_)), what));
  const auto array = encoded.make_array();
  const auto& dictionary = static_cast<const arrow::DictionaryArray&>(*array);
  texts_ = dictionary.dictionary();
  numbers_ = dictionary.indices();
  if (!ordered) return Status::OK();
  const bool large = IsLargeText(texts_->type_id());
  const auto text = [&](int64_t i) -> std::string_view {
    return large ? static_cast<const arrow::LargeBinaryArray&>(*texts_).GetView(i)
                 : static_cast<const arrow::BinaryArray&>(*texts_).GetView(i);
  };
  std::vector<int64_t> sorted(static_cast<size_t>(texts_->length()));
  std::iota(sorted.begin(), sorted.end(), 0);
  std::sort(sorted.begin(), sorted.end(), [&](int64_t a, int64_t b) { return text(a) < text(b); });
  std::vector<int32_t> rank(sorted.size());
  for (size_t i = 0; i < sorted.size(); ++i) rank[static_cast<size_t>(sorted[i])] = static_cast<int32_t>(i);
  const arrow::Int64Array places(texts_->length(), arrow::Buffer::Wrap(sorted));
  SALVER_ASSIGN(texts_, FromArrow(arrow::compute::Take(*texts_, places), what));
  const auto& indices = static_cast<const arrow::Int32Array&>(*numbers_);
  arrow::Int32Builder ranks;
  SALVER_RETURN_NOT_OK(FromArrow(ranks.Reserve(indices.length()), what));
  for (int64_t i = 0; i < indices.length(); ++i) {
    indices.IsNull(i) ? ranks.UnsafeAppendNull()
                      : ranks.UnsafeAppend(rank[static_cast<size_t>(indices.Value(i))]);
  }
  SALVER_ASSIGN(numbers_, FromArrow(ranks.Finish(), what));
  return Status::OK();
}

bool WindowValues::has_nulls() const {
  return column_->null_count() > 0;
}

bool WindowValues::IsNull(size_t row) const {
  return column_->IsNull(static_cast<int64_t>(row));
}

void WindowValues::Integers(size_t begin, size_t end, std::vector<int64_t>* values) const {
  values->clear();
  switch (numbers_->type_id()) {
    case Type::INT32:
      return Append<int32_t>(*numbers_, begin, end, values);
    case Type::BOOL:
      for (size_t row = begin; row < end; ++row) {
        if (!IsNull(row))
          values->push_back(
              static_cast<const arrow::BooleanArray&>(*numbers_).Value(static_cast<int64_t>(row)));
      }
      return;
    default:
      return Append<int64_t>(*numbers_, begin, end, values);
  }
}

void WindowValues::Floats(size_t begin, size_t end, std::vector<double>* values) const {
  values->clear();
  if (numbers_->type_id() == Type::FLOAT) return Append<float>(*numbers_, begin, end, values);
  Append<double>(*numbers_, begin, end, values);
}

Result<ArrayPtr> WindowValues::FromCodes(LargeVector<int64_t> codes,
                                         const LargeVector<uint8_t>& valid) const {
  switch (column_->type_id()) {
    case Type::INT32:
      return Narrow<arrow::Int32Builder>(codes, valid,
                                         [](int64_t code) { return static_cast<int32_t>(code); });
    case Type::BOOL:
      return Narrow<arrow::BooleanBuilder>(codes, valid, [](int64_t code) { return code != 0; });
    case Type::FLOAT:
      return Narrow<arrow::FloatBuilder>(codes, valid,
                                         [](int64_t code) { return static_cast<float>(OfOrderCode(code)); });
    case Type::DOUBLE:
      for (int64_t& code : codes) code = std::bit_cast<int64_t>(OfOrderCode(code));
      return AnswerArray(column_->type(), std::move(codes), valid);
    case Type::INT64:
    case Type::TIMESTAMP:
      return AnswerArray(column_->type(), std::move(codes), valid);
    default: {
      SALVER_ASSIGN(const auto indices, AnswerArray(arrow::int64(), std::move(codes), valid));
      return FromArrow(arrow::compute::Take(*texts_, *indices), "answers of windows");
    }
  }
}

Result<ArrayPtr> WindowValues::FromRows(LargeVector<int64_t> rows, const LargeVector<uint8_t>& valid) const {
  SALVER_ASSIGN(const auto indices, AnswerArray(arrow::int64(), std::move(rows), valid));
  return FromArrow(arrow::compute::Take(*column_, *indices), "answers of windows");
}

}  // namespace salver
