#include "server/http/grpc_messages.h"

#include <algorithm>

#include "base/clock.h"
#include "model/value_codec.h"
#include "model/wire.h"

namespace salver {
namespace {

Status NoMessage(const char* name) {
  return Status::InvalidArgument(std::string("the bytes of the request are no ") + name + ".");
}

struct MapEntry {
  std::string_view key, value;
};

// An entry of a map<string, string or message>.
bool ReadEntry(std::string_view bytes, MapEntry* entry) {
  for (wire::Reader reader(bytes); !reader.done();) {
    if (!reader.Next()) return false;
    std::string_view* to = reader.type() != wire::kBytes ? nullptr
                           : reader.field() == 1         ? &entry->key
                           : reader.field() == 2         ? &entry->value
                                                         : nullptr;
    if (to != nullptr ? !reader.Bytes(to) : !reader.Skip()) return false;
  }
  return true;
}

enum class Outcome { kDone, kMalformed, kNoScalar };

// The scalar that a feast.types.Value holds; the last one, as protobuf has it of a oneof.
Outcome ReadScalar(std::string_view bytes, EntityValue* value) {
  *value = std::monostate();
  for (wire::Reader reader(bytes); !reader.done();) {
    if (!reader.Next()) return Outcome::kMalformed;
    const auto type = static_cast<ValueType>(reader.field());
    uint64_t number;
    double real;
    float narrow;
    std::string_view text;
    if (reader.type() == wire::kVarint) {
      if (!reader.Varint(&number)) return Outcome::kMalformed;
      if (type == ValueType::kBool) {
        *value = number != 0;
      } else if (type == ValueType::kInt32 || type == ValueType::kInt64 ||
                 type == ValueType::kUnixTimestamp) {
        *value = static_cast<int64_t>(number);
      } else if (type == ValueType::kNull) {
        *value = std::monostate();
      }
    } else if (reader.type() == wire::kFixed64) {
      if (!reader.Fixed(&real)) return Outcome::kMalformed;
      if (type == ValueType::kDouble) *value = real;
    } else if (reader.type() == wire::kFixed32) {
      if (!reader.Fixed(&narrow)) return Outcome::kMalformed;
      if (type == ValueType::kFloat) *value = static_cast<double>(narrow);
    } else {
      if (!reader.Bytes(&text)) return Outcome::kMalformed;
      if (!IsStringLike(type)) return Outcome::kNoScalar;
      *value = text;
    }
  }
  return Outcome::kDone;
}

Status ReadColumn(std::string_view bytes, std::vector<EntityColumn>* columns) {
  constexpr const char* kName = "GetOnlineFeaturesRequest: an entry of its entities is cut off";
  MapEntry entry;
  if (!ReadEntry(bytes, &entry)) return NoMessage(kName);
  const auto same = [&](const EntityColumn& column) { return column.name == entry.key; };
  auto column = std::find_if(columns->begin(), columns->end(), same);
  if (column == columns->end()) column = columns->insert(columns->end(), EntityColumn{entry.key, {}});
  column->values.clear();  // the last entry of a key counts
  for (wire::Reader reader(entry.value); !reader.done();) {
    std::string_view value;
    if (!reader.Next()) return NoMessage(kName);
    if (reader.field() != 1 || reader.type() != wire::kBytes) {
      if (!reader.Skip()) return NoMessage(kName);
      continue;
    }
    if (!reader.Bytes(&value)) return NoMessage(kName);
    switch (ReadScalar(value, &column->values.emplace_back())) {
      case Outcome::kDone:
        break;
      case Outcome::kMalformed:
        return NoMessage(kName);
      case Outcome::kNoScalar:
        return Status::InvalidArgument("entity column \"" + std::string(entry.key) + "\", row " +
                                           std::to_string(column->values.size() - 1) +
                                           ", holds a list or a map. It should be a number, a string or a "
                                           "boolean.",
                                       Reason::kBadKeyValue);
    }
  }
  return Status::OK();
}

bool ReadNames(std::string_view bytes, std::vector<std::string_view>* names) {
  for (wire::Reader reader(bytes); !reader.done();) {
    if (!reader.Next()) return false;
    const bool name = reader.field() == 1 && reader.type() == wire::kBytes;
    if (name ? !reader.Bytes(&names->emplace_back()) : !reader.Skip()) return false;
  }
  return true;
}

// Appends a field whose payload `append` writes behind it. Most payloads are short: one byte is left for the
// length and more are made room for where they are needed.
template <typename Append>
void AppendSized(uint32_t field, std::string* out, const Append& append) {
  wire::AppendTag(field, wire::kBytes, out);
  const size_t at = out->size();
  out->push_back(0);
  append();
  const size_t size = out->size() - at - 1;
  if (size < 0x80) {
    (*out)[at] = static_cast<char>(size);
    return;
  }
  std::string length;
  wire::AppendVarint(size, &length);
  out->replace(at, 1, length);
}

void AppendTimestamp(int64_t micros, std::string* out) {
  const int64_t rest = (micros % kMicrosPerSecond + kMicrosPerSecond) % kMicrosPerSecond;
  const int64_t seconds = (micros - rest) / kMicrosPerSecond;
  AppendSized(3, out, [&] {
    if (seconds != 0) {
      wire::AppendTag(1, wire::kVarint, out);
      wire::AppendVarint(static_cast<uint64_t>(seconds), out);
    }
    if (rest != 0) {
      wire::AppendTag(2, wire::kVarint, out);
      wire::AppendVarint(static_cast<uint64_t>(rest) * 1000, out);
    }
  });
}

// The statuses and times of one column.
void AppendState(const OnlineColumn& column, size_t rows, std::string* out) {
  AppendSized(2, out, [&] {
    for (const FieldStatus status : column.statuses) out->push_back(static_cast<char>(status));
  });
  for (size_t row = 0; row < rows; ++row)
    AppendTimestamp(column.event_us != nullptr ? column.event_us[row] : 0, out);
}

}  // namespace

Result<GrpcOnlineRequest> ReadOnlineRequest(std::string_view message) {
  constexpr const char* kName = "feast.serving.GetOnlineFeaturesRequest";
  GrpcOnlineRequest request;
  for (wire::Reader reader(message); !reader.done();) {
    if (!reader.Next()) return NoMessage(kName);
    std::string_view bytes;
    uint64_t number;
    if (reader.type() == wire::kVarint) {
      if (!reader.Varint(&number)) return NoMessage(kName);
      if (reader.field() == 4) request.online.full_feature_names = number != 0;
      if (reader.field() == 6) request.with_versions = number != 0;
    } else if (reader.type() != wire::kBytes) {
      if (!reader.Skip()) return NoMessage(kName);
    } else {
      if (!reader.Bytes(&bytes)) return NoMessage(kName);
      if (reader.field() == 1) {  // of feature_service and features the later one counts
        request.online.feature_service = bytes;
        request.online.features.clear();
      } else if (reader.field() == 2) {
        request.online.feature_service = {};
        if (!ReadNames(bytes, &request.online.features)) return NoMessage(kName);
      } else if (reader.field() == 3 || reader.field() == 5) {
        SALVER_RETURN_NOT_OK(ReadColumn(bytes, &request.online.entities));
      }
    }
  }
  return request;
}

void AppendOnlineResponse(const OnlineResponse& response, bool with_versions, std::string* out) {
  out->reserve(out->size() + 64 + response.columns.size() * (32 + response.row_count * 24));
  AppendSized(1, out, [&] {
    AppendSized(1, out, [&] {
      for (const OnlineColumn& column : response.columns) wire::AppendBytes(1, column.name, out);
    });
    if (!with_versions) return;
    for (const auto& view : response.views) {
      AppendSized(2, out, [&] {
        wire::AppendBytes(1, view.name, out);
        if (view.version == 0) return;
        wire::AppendTag(2, wire::kVarint, out);
        wire::AppendVarint(static_cast<uint64_t>(view.version), out);
      });
    }
  });
  const OnlineColumn* before = nullptr;  // columns of a view share their state: what it has is copied
  std::string vector, state;
  for (const OnlineColumn& column : response.columns) {
    vector.clear();
    for (size_t row = 0; row < response.row_count; ++row) {
      AppendSized(1, &vector, [&] { AppendCellValue(column.cells[row], column.type, &vector); });
    }
    if (before == nullptr || before->event_us != column.event_us ||
        before->statuses.data() != column.statuses.data()) {
      state.clear();
      AppendState(column, response.row_count, &state);
    }
    before = &column;
    wire::AppendTag(2, wire::kBytes, out);
    wire::AppendVarint(vector.size() + state.size(), out);
    *out += vector;
    *out += state;
  }  // the field "status" stays unset, as Feast leaves it
}

Result<GrpcWriteRequest> ReadWriteRequest(std::string_view message, GrpcWriteKind kind) {
  const bool push = kind == GrpcWriteKind::kPush;
  const char* const name = push ? "PushRequest" : "WriteToOnlineStoreRequest";
  const uint32_t typed_field = push ? 5 : 4;
  GrpcWriteRequest request;
  for (wire::Reader reader(message); !reader.done();) {
    std::string_view bytes;
    if (!reader.Next()) return NoMessage(name);
    if (reader.type() != wire::kBytes) {
      if (!reader.Skip()) return NoMessage(name);
      continue;
    }
    if (!reader.Bytes(&bytes)) return NoMessage(name);
    if (reader.field() == 2) request.target = bytes;
    if (reader.field() == 4 && push) request.to = bytes;
    if (reader.field() != 1 && reader.field() != typed_field) continue;
    MapEntry entry;
    if (!ReadEntry(bytes, &entry)) return NoMessage(name);
    auto& columns = reader.field() == 1 ? request.texts : request.values;
    const auto same = [&](const auto& column) { return column.first == entry.key; };
    const auto found = std::find_if(columns.begin(), columns.end(), same);
    if (found != columns.end()) {
      found->second = entry.value;
    } else {
      columns.emplace_back(entry.key, entry.value);
    }
  }
  return request;
}

}  // namespace salver
