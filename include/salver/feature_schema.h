// The schema of a feature group: what each column holds, and which values are legal. Written rows are held to
// it. A feature group is a feature view with a version; its features are that view's.
//
//   data type   feast type      Arrow, as stored       legal columns
//   INT         INT32           int32                  numbers without a fraction that fit
//   BIGINT      INT64           int64                  numbers without a fraction that fit
//   FLOAT       FLOAT           float                  numbers
//   DOUBLE      DOUBLE          double                 numbers
//   DECIMAL     DECIMAL         string, every digit    decimals, integers, text that is a decimal number
//   STRING      STRING          string                 text
//   TIMESTAMP   UNIX_TIMESTAMP  timestamp[us, UTC]     timestamps (no zone: UTC), dates
//   DATE        UNIX_TIMESTAMP  timestamp[us, UTC]     dates, timestamps at midnight; comes back as date32
//   BOOLEAN     BOOL            bool                   booleans
//   ARRAY       LIST of those   list                   lists; metadata "element_type", for VECTOR: FLOAT
//   MAP         MAP             map<string, string>    maps
//   STRUCT      STRUCT          struct                 structs; metadata "fields": {"lat": "FLOAT64"}
//
// DATE and DECIMAL have no type of their own in Feast's values: a date is its midnight in UTC there, a
// decimal its text, so nothing is rounded on the way.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "salver/feature_view.h"
#include "salver/status.h"

namespace arrow {
class Table;
}

namespace salver {

enum class DataType {
  kInt,
  kBigint,
  kFloat,
  kDouble,
  kDecimal,
  kString,
  kTimestamp,
  kDate,
  kArray,
  kMap,
  kStruct,
  kBoolean
};
enum class FeatureType { kNumerical, kCategorical, kText, kVector, kTimeseries, kComplex };

// "BIGINT", and back. Errors: InvalidArgument (kMetadata) with the nearest name.
const char* DataTypeName(DataType type);
const char* FeatureTypeName(FeatureType type);
Result<DataType> DataTypeNamed(std::string_view name);
Result<FeatureType> FeatureTypeNamed(std::string_view name);

struct FeatureSchema {
  std::string name;
  DataType data_type = DataType::kDouble;
  FeatureType feature_type = FeatureType::kNumerical;
  std::string description;
  bool nullable = true;
  // Known: "min" and "max" (both included) of numbers, decimals and times; "unit"; "element_type" and
  // "fields" as above. Others are kept as they are.
  std::map<std::string, std::string> metadata;
};

struct FeatureGroupSchema {
  std::string name;
  int version = 1;
  std::vector<FeatureSchema> entity_keys;  // BIGINT, INT, STRING or TIMESTAMP; never null
  std::string timestamp_key;  // the column of the event time; empty, of virtual groups only: no history
  std::string description;
  std::vector<FeatureSchema> features;
  std::map<std::string, std::string> tags;
};

// The column as the engine sees it. Errors: InvalidArgument (kMetadata) for an element type or fields that
// are missing or not known.
Result<Field> FieldOf(const FeatureSchema& feature);

// OK, or all that is wrong with the schema itself, a line each: InvalidArgument (kMetadata).
Status CheckSchema(const FeatureGroupSchema& schema);

// `rows` as the table stores them: keys, event time, features, in the schema's order and types; a nullable
// feature that `rows` lacks is null. Errors: InvalidArgument (kSchemaValidation) with a line for every column
// that is missing or not known, and for
//         every column with values of the wrong type, nulls or values out of range: how many, and the first
//         rows (from 0) with their values. At most kMaxSchemaProblems lines.
Result<std::shared_ptr<arrow::Table>> CheckRows(const FeatureGroupSchema& schema, const arrow::Table& rows);
inline constexpr int kMaxSchemaProblems = 50;

// Why `after` can not replace `before` under the same version; empty when it can. What readers or writers of
// the group would trip over: a feature or key that is gone, another type, unit or feature type, nulls or
// values that are no longer legal, a new feature that must not be null.
std::vector<std::string> BreakingChanges(const FeatureGroupSchema& before, const FeatureGroupSchema& after);

}  // namespace salver
