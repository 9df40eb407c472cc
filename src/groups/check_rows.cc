// Written rows against their schema: cast where nothing is lost, and say everything that does not fit.
#include <arrow/array.h>
#include <arrow/compute/cast.h>
#include <arrow/datum.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>

#include <algorithm>

#include "base/nearest.h"
#include "groups/check_rows.h"
#include "groups/value_range.h"
#include "salver/feature_schema.h"

namespace salver {
namespace {

using ColumnPtr = std::shared_ptr<arrow::ChunkedArray>;

constexpr int kRowsShown = 5;
constexpr int kRowsCounted = 1000;
constexpr int64_t kMicrosPerDay = 86'400'000'000;

// Rows of one column that have the same thing wrong with them.
class BadRows {
 public:
  bool full() const { return count_ >= kRowsCounted; }
  bool empty() const { return count_ == 0; }
  void Add(const arrow::ChunkedArray& column, int64_t row) {
    if (count_++ >= kRowsShown) return;
    shown_ += (shown_.empty() ? "" : ", ") + ("row " + std::to_string(row)) + TextOf(column, row);
  }
  // "WHAT in 3 rows: row 1 (7.5), ..."
  std::string ToString(const std::string& what) const {
    const std::string count = full() ? "at least " + std::to_string(count_) : std::to_string(count_);
    return what + " in " + count + (count_ == 1 ? " row: " : " rows: ") + shown_ +
           (count_ > kRowsShown ? " and others." : ".");
  }

 private:
  static std::string TextOf(const arrow::ChunkedArray& column, int64_t row) {
    const auto scalar = column.GetScalar(row);
    if (!scalar.ok() || !(*scalar)->is_valid) return "";
    std::string text = (*scalar)->ToString();
    if (arrow::is_base_binary_like(column.type()->id())) text = "\"" + text + "\"";
    if (text.size() > 60) text = text.substr(0, 57) + "...";
    return " (" + text + ")";
  }

  int count_ = 0;
  std::string shown_;
};

bool IsText(arrow::Type::type id) {
  return id == arrow::Type::STRING || id == arrow::Type::LARGE_STRING || id == arrow::Type::STRING_VIEW;
}

// Whether a column of this type may hold values of the data type at all.
bool Accepts(DataType wanted, const arrow::DataType& type) {
  const auto id = type.id();
  switch (wanted) {
    case DataType::kInt:
    case DataType::kBigint:
    case DataType::kFloat:
    case DataType::kDouble:
      return arrow::is_integer(id) || arrow::is_floating(id) || arrow::is_decimal(id);
    case DataType::kDecimal:
      return arrow::is_integer(id) || arrow::is_decimal(id) || IsText(id);
    case DataType::kString:
      return IsText(id);
    case DataType::kTimestamp:
    case DataType::kDate:
      return id == arrow::Type::TIMESTAMP || arrow::is_date(id);
    case DataType::kArray:
      return id == arrow::Type::LIST || id == arrow::Type::LARGE_LIST || id == arrow::Type::FIXED_SIZE_LIST;
    case DataType::kMap:
      return id == arrow::Type::MAP;
    case DataType::kStruct:
      return id == arrow::Type::STRUCT;
    case DataType::kBoolean:
      return id == arrow::Type::BOOL;
  }
  return false;
}

arrow::Result<ColumnPtr> Cast(const ColumnPtr& column, const std::shared_ptr<arrow::DataType>& type) {
  if (column->type()->Equals(*type)) return column;
  arrow::compute::CastOptions options = arrow::compute::CastOptions::Safe(type);
  options.allow_time_truncate = true;
  ARROW_ASSIGN_OR_RAISE(const auto cast, arrow::compute::Cast(arrow::Datum(column), options));
  return cast.chunked_array();
}

// Rows whose value has no place in `type`, found by halves.
void FindUncastable(const ColumnPtr& column, const ColumnPtr& slice, int64_t first,
                    const std::shared_ptr<arrow::DataType>& type, BadRows* bad) {
  if (bad->full() || Cast(slice, type).ok()) return;
  if (slice->length() == 1) return bad->Add(*column, first);
  const int64_t half = slice->length() / 2;
  FindUncastable(column, slice->Slice(0, half), first, type, bad);
  FindUncastable(column, slice->Slice(half), first + half, type, bad);
}

// Calls visit(array, index, row) for every value that is not null.
template <typename Array, typename Visit>
void EachValue(const arrow::ChunkedArray& column, Visit visit) {
  int64_t row = 0;
  for (const auto& chunk : column.chunks()) {
    const auto& array = static_cast<const Array&>(*chunk);
    for (int64_t i = 0; i < array.length(); ++i, ++row) {
      if (array.IsValid(i)) visit(array, i, row);
    }
  }
}

template <typename Array>
BadRows OutOfRange(const ValueRange& range, const arrow::ChunkedArray& column) {
  using Value = std::conditional_t<std::is_floating_point_v<typename Array::value_type>, double, int64_t>;
  BadRows bad;
  EachValue<Array>(column, [&](const Array& array, int64_t i, int64_t row) {
    if (!bad.full() && !range.IsLegal(static_cast<Value>(array.Value(i)))) bad.Add(column, row);
  });
  return bad;
}

BadRows OutOfRangeDecimals(const ValueRange& range, const arrow::ChunkedArray& column) {
  BadRows bad;
  EachValue<arrow::StringArray>(column, [&](const auto& array, int64_t i, int64_t row) {
    if (!bad.full() && !range.IsLegalDecimal(array.GetView(i))) bad.Add(column, row);
  });
  return bad;
}

BadRows OutOfRange(DataType type, const ValueRange& range, const arrow::ChunkedArray& column) {
  switch (type) {
    case DataType::kInt:
      return OutOfRange<arrow::Int32Array>(range, column);
    case DataType::kBigint:
      return OutOfRange<arrow::Int64Array>(range, column);
    case DataType::kFloat:
      return OutOfRange<arrow::FloatArray>(range, column);
    case DataType::kDouble:
      return OutOfRange<arrow::DoubleArray>(range, column);
    case DataType::kTimestamp:
    case DataType::kDate:
      return OutOfRange<arrow::TimestampArray>(range, column);
    case DataType::kDecimal:
      return OutOfRangeDecimals(range, column);
    default:
      return {};
  }
}

// Values that have the right Arrow type and still are none of the data type.
BadRows NotOfType(DataType type, const arrow::ChunkedArray& column) {
  BadRows bad;
  if (type == DataType::kDecimal) {
    EachValue<arrow::StringArray>(column, [&](const auto& array, int64_t i, int64_t row) {
      if (!bad.full() && !IsDecimalText(array.GetView(i))) bad.Add(column, row);
    });
  } else if (type == DataType::kDate) {
    EachValue<arrow::TimestampArray>(column, [&](const auto& array, int64_t i, int64_t row) {
      if (!bad.full() && array.Value(i) % kMicrosPerDay != 0) bad.Add(column, row);
    });
  }
  return bad;
}

BadRows Nulls(const arrow::ChunkedArray& column) {
  BadRows bad;
  int64_t row = 0;
  for (const auto& chunk : column.chunks()) {
    for (int64_t i = 0; i < chunk->length(); ++i, ++row) {
      if (chunk->IsNull(i) && !bad.full()) bad.Add(column, row);
    }
  }
  return bad;
}

class RowsCheck {
 public:
  RowsCheck(const std::string& intro, const FeatureGroupSchema& schema, const arrow::Table& rows)
      : intro_(intro), schema_(schema), rows_(rows) {}

  Result<std::shared_ptr<arrow::Table>> Run() {
    for (FeatureSchema key : schema_.entity_keys) {
      key.nullable = false;
      SALVER_RETURN_NOT_OK(Column(key, "entity key"));
    }
    if (!schema_.timestamp_key.empty()) {
      SALVER_RETURN_NOT_OK(
          Column({.name = schema_.timestamp_key, .data_type = DataType::kTimestamp, .nullable = false},
                 "timestamp key"));
    }
    for (const FeatureSchema& feature : schema_.features) SALVER_RETURN_NOT_OK(Column(feature, "feature"));
    FindUnknownColumns();
    if (problems_.empty()) return arrow::Table::Make(arrow::schema(fields_), columns_, rows_.num_rows());
    std::string text = intro_;
    for (size_t i = 0; i < problems_.size() && i < kMaxSchemaProblems; ++i) text += "\n  " + problems_[i];
    if (problems_.size() > kMaxSchemaProblems)
      text += "\n  and " + std::to_string(problems_.size() - kMaxSchemaProblems) + " more.";
    return Status::InvalidArgument(std::move(text), Reason::kSchemaValidation);
  }

 private:
  void Say(std::string problem) { problems_.push_back(std::move(problem)); }

  Status Column(const FeatureSchema& feature, const std::string& role) {
    SALVER_ASSIGN(const Field field, FieldOf(feature));
    const auto type = ArrowType(field.type, field.struct_schema());
    fields_.push_back(arrow::field(feature.name, type, feature.nullable));
    const std::string subject = role + " \"" + feature.name + "\": ";
    names_.push_back(feature.name);
    ColumnPtr column = rows_.GetColumnByName(feature.name);
    if (column == nullptr) {
      const bool twice = rows_.schema()->GetAllFieldIndices(feature.name).size() > 1;
      if (twice) {
        Say(subject + "the rows have two columns of this name.");
      } else if (!feature.nullable) {
        Say(subject + "the rows have no such column." +
            NearestNameHint(feature.name, rows_.schema()->field_names()));
      } else {
        const auto nulls = arrow::MakeArrayOfNull(type, rows_.num_rows());
        if (!nulls.ok()) return Status::ResourceExhausted(nulls.status().ToString());
        column = std::make_shared<arrow::ChunkedArray>(*nulls);
      }
    } else {
      column = Fit(feature, subject, column, type);
    }
    columns_.push_back(column);
    return Status::OK();
  }

  // The column cast and found good; null, and problems, when it is not.
  ColumnPtr Fit(const FeatureSchema& feature, const std::string& subject, ColumnPtr column,
                const std::shared_ptr<arrow::DataType>& type) {
    if (column->type()->id() == arrow::Type::DICTIONARY) {
      const auto& dictionary = static_cast<const arrow::DictionaryType&>(*column->type());
      if (const auto decoded = Cast(column, dictionary.value_type()); decoded.ok()) column = *decoded;
    }
    const bool all_null = column->type()->id() == arrow::Type::NA;
    if (!all_null && !Accepts(feature.data_type, *column->type())) {
      Say(subject + "the column holds " + column->type()->ToString() + ", but " +
          DataTypeName(feature.data_type) + " is declared" + Example(*column) + ".");
      return nullptr;
    }
    const auto cast = Cast(column, type);
    if (!cast.ok()) {
      BadRows bad;
      FindUncastable(column, column, 0, type, &bad);
      Say(subject + bad.ToString(std::string("no ") + DataTypeName(feature.data_type)));
      return nullptr;
    }
    return CheckValues(feature, subject, *cast) ? *cast : nullptr;
  }

  bool CheckValues(const FeatureSchema& feature, const std::string& subject, const ColumnPtr& column) {
    const size_t before = problems_.size();
    if (!feature.nullable && column->null_count() > 0)
      Say(subject + Nulls(*column).ToString("null, which is not allowed,"));
    const BadRows other = NotOfType(feature.data_type, *column);
    if (!other.empty()) {
      Say(subject + other.ToString(feature.data_type == DataType::kDate ? "no date (not midnight in UTC)"
                                                                        : "no DECIMAL"));
      return false;
    }
    const auto range = ValueRange::Of(feature);
    if (range.ok() && range->bounded()) {
      const BadRows outside = OutOfRange(feature.data_type, *range, *column);
      if (!outside.empty()) Say(subject + outside.ToString("out of range (" + range->ToString() + ")"));
    }
    return problems_.size() == before;
  }

  static std::string Example(const arrow::ChunkedArray& column) {
    if (column.length() == 0) return "";
    const auto value = column.GetScalar(0);
    return value.ok() && (*value)->is_valid ? "; row 0 has \"" + (*value)->ToString() + "\"" : "";
  }

  void FindUnknownColumns() {
    for (const std::string& name : rows_.schema()->field_names()) {
      if (std::find(names_.begin(), names_.end(), name) != names_.end()) continue;
      Say("column \"" + name + "\" is not in the schema." + NearestNameHint(name, names_));
    }
  }

  const std::string& intro_;
  const FeatureGroupSchema& schema_;
  const arrow::Table& rows_;
  std::vector<std::string> names_;
  arrow::FieldVector fields_;
  std::vector<ColumnPtr> columns_;
  std::vector<std::string> problems_;
};

}  // namespace

Result<std::shared_ptr<arrow::Table>> CheckRowsSaying(const std::string& intro,
                                                      const FeatureGroupSchema& schema,
                                                      const arrow::Table& rows) {
  return RowsCheck(intro, schema, rows).Run();
}

Result<std::shared_ptr<arrow::Table>> CheckRows(const FeatureGroupSchema& schema, const arrow::Table& rows) {
  return CheckRowsSaying("feature group \"" + schema.name + "\" version " + std::to_string(schema.version) +
                             ": the rows do not fit its schema, and none was written.",
                         schema, rows);
}

}  // namespace salver
