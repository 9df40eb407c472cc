// PostgreSQL's types as Arrow's: one table, used to read, to write, to create and to refuse.
//
//   boolean                         bool
//   smallint, integer               int32          (smallint is widened, as Feast's INT32)
//   bigint                          int64
//   real, double precision          float, double
//   numeric                         double         (as in Feast; cast to text for all its digits)
//   text, varchar, char(n), "char", name, uuid     string
//   json, jsonb                     large_string
//   bytea                           binary
//   date, timestamp                 timestamp[us]  (no zone means UTC)
//   timestamptz                     timestamp[us, UTC]
//   arrays of these                 list
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace arrow {
class DataType;
}

namespace salver::postgres {

enum class WireType : uint8_t {
  kBool,
  kInt16,
  kInt32,
  kInt64,
  kFloat32,
  kFloat64,
  kNumeric,
  kText,
  kUuid,
  kJson,
  kJsonb,
  kBytes,
  kDate,
  kTimestamp,
  kTimestampTz,
  kRowPlace,  // ctid, a row's place in its table, as int64; read by Salver for its own ends only
};

struct ColumnType {
  WireType wire = WireType::kText;
  bool array = false;
  bool operator==(const ColumnType&) const = default;
};

struct Column {
  std::string name;
  ColumnType type;
  uint32_t oid = 0;  // of the type, arrays too
};

// The column that says where a row of a table lies.
inline const Column kRowPlaceColumn{"ctid", {WireType::kRowPlace, false}, 27};

// Nothing for a type that no Feast type can hold.
std::optional<ColumnType> ColumnTypeOfOid(uint32_t oid);
std::shared_ptr<arrow::DataType> ArrowTypeOf(ColumnType type);
// The number of the element's type, for an array; of the type itself otherwise. Text has several numbers: any
// of them is right for an array of text, so this is the element's number inside an array of type `oid`.
uint32_t ElementOid(uint32_t oid);

// "bigint", "text[]": what a new column that holds this Arrow type is declared as, as Feast declares it.
// Nothing for a type that has no such column.
std::optional<std::string> DeclaredType(const arrow::DataType& type);

}  // namespace salver::postgres
