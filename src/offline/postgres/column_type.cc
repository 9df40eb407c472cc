#include "offline/postgres/column_type.h"

#include <arrow/type.h>

namespace salver::postgres {
namespace {

struct Entry {
  WireType wire;
  uint32_t oid, array_oid;  // fixed numbers of the server's catalog
};

constexpr Entry kEntries[] = {
    {WireType::kBool, 16, 1000},        {WireType::kBytes, 17, 1001},
    {WireType::kText, 18, 1002},        {WireType::kText, 19, 1003},
    {WireType::kInt64, 20, 1016},       {WireType::kInt16, 21, 1005},
    {WireType::kInt32, 23, 1007},       {WireType::kText, 25, 1009},
    {WireType::kJson, 114, 199},        {WireType::kFloat32, 700, 1021},
    {WireType::kFloat64, 701, 1022},    {WireType::kText, 1042, 1014},
    {WireType::kText, 1043, 1015},      {WireType::kDate, 1082, 1182},
    {WireType::kTimestamp, 1114, 1115}, {WireType::kTimestampTz, 1184, 1185},
    {WireType::kNumeric, 1700, 1231},   {WireType::kUuid, 2950, 2951},
    {WireType::kJsonb, 3802, 3807},
};

std::shared_ptr<arrow::DataType> ScalarType(WireType wire) {
  switch (wire) {
    case WireType::kBool:
      return arrow::boolean();
    case WireType::kInt16:
    case WireType::kInt32:
      return arrow::int32();
    case WireType::kInt64:
    case WireType::kRowPlace:
      return arrow::int64();
    case WireType::kFloat32:
      return arrow::float32();
    case WireType::kFloat64:
    case WireType::kNumeric:
      return arrow::float64();
    case WireType::kText:
    case WireType::kUuid:
      return arrow::utf8();
    case WireType::kJson:
    case WireType::kJsonb:
      return arrow::large_utf8();
    case WireType::kBytes:
      return arrow::binary();
    case WireType::kDate:
    case WireType::kTimestamp:
      return arrow::timestamp(arrow::TimeUnit::MICRO);
    case WireType::kTimestampTz:
      return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  }
  return arrow::null();
}

}  // namespace

std::optional<ColumnType> ColumnTypeOfOid(uint32_t oid) {
  for (const Entry& entry : kEntries) {
    if (entry.oid == oid) return ColumnType{entry.wire, false};
    if (entry.array_oid == oid) return ColumnType{entry.wire, true};
  }
  return std::nullopt;
}

std::shared_ptr<arrow::DataType> ArrowTypeOf(ColumnType type) {
  auto scalar = ScalarType(type.wire);
  return type.array ? arrow::list(std::move(scalar)) : scalar;
}

uint32_t ElementOid(uint32_t oid) {
  for (const Entry& entry : kEntries) {
    if (entry.array_oid == oid) return entry.oid;
  }
  return oid;
}

std::optional<std::string> DeclaredType(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::BOOL:
      return "boolean";
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::UINT8:
      return "smallint";
    case arrow::Type::INT32:
    case arrow::Type::UINT16:
      return "integer";
    case arrow::Type::INT64:
    case arrow::Type::UINT32:
      return "bigint";
    case arrow::Type::UINT64:
      return "numeric(20)";
    case arrow::Type::FLOAT:
      return "real";
    case arrow::Type::DOUBLE:
      return "double precision";
    case arrow::Type::STRING:
      return "text";
    case arrow::Type::LARGE_STRING:
      return "jsonb";
    case arrow::Type::BINARY:
      return "bytea";
    case arrow::Type::DATE32:
      return "date";
    case arrow::Type::TIMESTAMP:
      return static_cast<const arrow::TimestampType&>(type).timezone().empty() ? "timestamp" : "timestamptz";
    case arrow::Type::LIST: {
      const auto& element = *static_cast<const arrow::ListType&>(type).value_type();
      if (element.id() == arrow::Type::LIST) return std::nullopt;
      const auto declared = DeclaredType(element);
      return declared ? std::optional(*declared + "[]") : std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

}  // namespace salver::postgres
