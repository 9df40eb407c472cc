#include "salver/entity_key.h"

#include <arrow/array.h>

#include <algorithm>
#include <numeric>

#include "model/wire.h"

namespace salver {
namespace {

void AppendU32(uint32_t value, std::string* out) {
  wire::AppendFixed(value, out);
}

void AppendPayload(ValueType type, std::string_view payload, std::string* out) {
  AppendU32(static_cast<uint32_t>(type), out);
  AppendU32(static_cast<uint32_t>(payload.size()), out);
  out->append(payload);
}

template <typename T>
void AppendNumber(ValueType type, T value, std::string* out) {
  AppendU32(static_cast<uint32_t>(type), out);
  AppendU32(sizeof(T), out);
  wire::AppendFixed(value, out);
}

int64_t FloorSeconds(int64_t micros) {
  return micros / 1'000'000 - (micros % 1'000'000 < 0 ? 1 : 0);
}

void AppendCell(const arrow::Array& column, int64_t row, ValueType type, std::string* out) {
  switch (type) {
    case ValueType::kInt64:
      return EntityKeyEncoder::AppendInt64(static_cast<const arrow::Int64Array&>(column).Value(row), out);
    case ValueType::kInt32:
      return EntityKeyEncoder::AppendInt32(static_cast<const arrow::Int32Array&>(column).Value(row), out);
    case ValueType::kUnixTimestamp:
      return EntityKeyEncoder::AppendUnixTimestamp(
          FloorSeconds(static_cast<const arrow::TimestampArray&>(column).Value(row)), out);
    case ValueType::kString:
      return EntityKeyEncoder::AppendString(static_cast<const arrow::StringArray&>(column).GetView(row), out);
    default:
      return EntityKeyEncoder::AppendBytes(static_cast<const arrow::BinaryArray&>(column).GetView(row), out);
  }
}

}  // namespace

Result<EntityKeyEncoder> EntityKeyEncoder::Make(std::span<const Field> join_keys, int version) {
  EntityKeyEncoder encoder;
  if (version != 2 && version != 3) {
    return Status::InvalidArgument("entity_key_serialization_version " + std::to_string(version) +
                                       " is not supported. Use 3, or 2 for stores that Feast wrote with it.",
                                   Reason::kBadConfig);
  }
  if (join_keys.empty()) {  // Feast's entityless view: one row under the dummy key
    if (version == 3) AppendU32(1, &encoder.prefix_);
    AppendU32(static_cast<uint32_t>(ValueType::kString), &encoder.prefix_);
    if (version == 3) AppendU32(static_cast<uint32_t>(kDummyJoinKey.size()), &encoder.prefix_);
    encoder.prefix_ += kDummyJoinKey;
    AppendString("", &encoder.prefix_);
    return encoder;
  }
  encoder.order_.resize(join_keys.size());
  std::iota(encoder.order_.begin(), encoder.order_.end(), size_t{0});
  std::sort(encoder.order_.begin(), encoder.order_.end(),
            [&](size_t a, size_t b) { return join_keys[a].name < join_keys[b].name; });
  if (version == 3) AppendU32(static_cast<uint32_t>(join_keys.size()), &encoder.prefix_);
  for (size_t i = 0; i < encoder.order_.size(); ++i) {
    const Field& key = join_keys[encoder.order_[i]];
    if (!IsKeyType(key.type)) {
      return Status::InvalidArgument("join key \"" + key.name + "\" has type " + ValueTypeName(key.type) +
                                         "; a join key is STRING, BYTES, INT32, INT64 or UNIX_TIMESTAMP.",
                                     Reason::kBadDefinition);
    }
    if (i > 0 && key.name == join_keys[encoder.order_[i - 1]].name) {
      return Status::InvalidArgument("join key \"" + key.name + "\" is given twice. Name each join key once.",
                                     Reason::kBadDefinition);
    }
    AppendU32(static_cast<uint32_t>(ValueType::kString), &encoder.prefix_);
    if (version == 3) AppendU32(static_cast<uint32_t>(key.name.size()), &encoder.prefix_);
    encoder.prefix_ += key.name;
    encoder.types_.push_back(key.type);
  }
  return encoder;
}

Status EntityKeyEncoder::EncodeColumns(std::span<const std::shared_ptr<arrow::Array>> columns,
                                       std::string* out, std::vector<uint64_t>* ends) const {
  if (columns.size() != order_.size()) {
    return Status::Internal("EncodeColumns: " + std::to_string(columns.size()) + " columns for " +
                            std::to_string(order_.size()) + " join keys.");
  }
  for (size_t i = 0; i < order_.size(); ++i) {
    const auto& column = columns[order_[i]];
    if (!column->type()->Equals(*ArrowType(types_[i], ""))) {
      return Status::Internal("EncodeColumns: column of " + column->type()->ToString() +
                              " for a join key of type " + ValueTypeName(types_[i]) + ".");
    }
  }
  const int64_t rows = columns.empty() ? 0 : columns[0]->length();
  ends->reserve(ends->size() + rows);
  for (int64_t row = 0; row < rows; ++row) {
    const bool null =
        std::any_of(columns.begin(), columns.end(), [&](const auto& c) { return c->IsNull(row); });
    if (!null) {
      *out += prefix_;
      for (size_t i = 0; i < order_.size(); ++i) AppendCell(*columns[order_[i]], row, types_[i], out);
    }
    ends->push_back(out->size());
  }
  return Status::OK();
}

void EntityKeyEncoder::AppendInt64(int64_t value, std::string* out) {
  AppendNumber(ValueType::kInt64, value, out);
}
void EntityKeyEncoder::AppendInt32(int32_t value, std::string* out) {
  AppendNumber(ValueType::kInt32, value, out);
}
void EntityKeyEncoder::AppendUnixTimestamp(int64_t seconds, std::string* out) {
  AppendNumber(ValueType::kUnixTimestamp, seconds, out);
}
void EntityKeyEncoder::AppendString(std::string_view value, std::string* out) {
  AppendPayload(ValueType::kString, value, out);
}
void EntityKeyEncoder::AppendBytes(std::string_view value, std::string* out) {
  AppendPayload(ValueType::kBytes, value, out);
}

}  // namespace salver
