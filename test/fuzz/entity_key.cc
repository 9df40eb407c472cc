#include <arrow/array.h>
#include <arrow/builder.h>

#include "online/postgres/postgres_layout.h"
#include "salver/entity_key.h"
#include "serving/key_values.h"
#include "test/fuzz/fuzz_targets.h"
#ifdef SALVER_WITH_REDIS
#include "online/redis/redis_keys.h"
#endif

namespace salver::fuzz {
namespace {

constexpr ValueType kTypes[] = {ValueType::kInt64, ValueType::kString, ValueType::kInt32,
                                ValueType::kUnixTimestamp, ValueType::kBytes};

// As a request may write it.
EntityValue Value(Input* input) {
  switch (input->Byte() % 5) {
    case 0:
      return std::monostate();
    case 1:
      return input->Byte() % 2 == 1;
    case 2:
      return input->Integer();
    case 3:
      return std::bit_cast<double>(input->Integer());
    default:
      return input->Text();
  }
}

// The cell as a table brings it.
std::shared_ptr<arrow::Array> ArrayOf(const OnlineCell& cell, ValueType type) {
  const auto builder = arrow::MakeBuilder(ArrowType(type, "")).ValueOrDie();
  arrow::Status status;
  switch (type) {
    case ValueType::kInt32:
      status = static_cast<arrow::Int32Builder&>(*builder).Append(static_cast<int32_t>(cell.integer));
      break;
    case ValueType::kInt64:
      status = static_cast<arrow::Int64Builder&>(*builder).Append(cell.integer);
      break;
    case ValueType::kUnixTimestamp:
      status = static_cast<arrow::TimestampBuilder&>(*builder).Append(cell.integer);
      break;
    case ValueType::kString:
      status = static_cast<arrow::StringBuilder&>(*builder).Append(cell.bytes());
      break;
    default:
      status = static_cast<arrow::BinaryBuilder&>(*builder).Append(cell.bytes());
  }
  Check(status.ok(), "a value of a key is one of its column");
  return builder->Finish().ValueOrDie();
}

// What stores do with bytes that they take for keys.
void UseKey(std::string_view key, const std::string& prefix, size_t values) {
  const std::string_view keys[] = {key, "", key};
  postgres::KeyIndex index(keys);
  Check(key.empty() || (index.FirstRow(key) == 0 && index.NextRow(0) == 2),
        "a key is found where it is wanted");
#ifdef SALVER_WITH_REDIS
  redis::IsEntityKey(key, prefix, values, "p");
  redis::ScanPattern(key, "p");
  Check(redis::SlotOf(key) < 16384, "every key has a slot");
#else
  (void)prefix, (void)values;
#endif
}

}  // namespace

void EntityKey(std::string_view bytes) {
  Input input(bytes);
  const int version = input.Byte() % 2 == 1 ? 2 : 3;
  std::vector<Field> join_keys;
  for (size_t count = input.Byte() % 4; count > 0; --count)
    join_keys.push_back(
        {.name = std::string(input.Text()), .type = kTypes[input.Byte() % std::size(kTypes)]});
  const auto encoder = EntityKeyEncoder::Make(join_keys, version);
  if (!encoder.ok()) return;  // a name twice
  ByteArena arena;
  std::vector<OnlineCell> cells;
  std::vector<std::shared_ptr<arrow::Array>> columns;
  for (const Field& key : join_keys) {
    const auto cell = KeyCell(Value(&input), key.type, key.name, 0, &arena);
    if (!cell.ok()) return;
    cells.push_back(*cell);
    columns.push_back(ArrayOf(*cell, key.type));
  }
  std::string of_request = encoder->prefix(), of_table;
  for (const size_t at : encoder->order()) AppendKeyCell(cells[at], join_keys[at].type, &of_request);
  std::vector<uint64_t> ends;
  if (!join_keys.empty()) {
    Check(encoder->EncodeColumns(columns, &of_table, &ends).ok(), "a table's keys can be encoded");
    Check(of_request == of_table, "a request's key is the table's");
#ifdef SALVER_WITH_REDIS
    Check(version != 3 || redis::IsEntityKey(of_request + "p", encoder->prefix(), join_keys.size(), "p"),
          "a key is known again");
#endif
    UseKey(of_request, encoder->prefix(), join_keys.size());
  }
  UseKey(input.Rest(), encoder->prefix(), join_keys.size());
}

}  // namespace salver::fuzz
