#include "offline/delta/delta_log.h"

#include <arrow/type.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <random>

#include "base/json_text.h"

namespace salver {
namespace {

std::string JsonText(const std::string& text) {
  std::string json;
  AppendJsonString(text, &json);
  return json;
}

Result<std::string> DeltaType(const arrow::DataType& type, const std::string& column);

Result<std::string> DeltaFields(const arrow::FieldVector& fields) {
  std::string list;
  for (const auto& field : fields) {
    SALVER_ASSIGN(const std::string type, DeltaType(*field->type(), field->name()));
    list += (list.empty() ? "" : ",") + std::string("{\"name\":") + JsonText(field->name()) +
            ",\"type\":" + type + ",\"nullable\":true,\"metadata\":{}}";
  }
  return "{\"type\":\"struct\",\"fields\":[" + list + "]}";
}

// A member of DeltaType's list for types that hold others; "" for all others.
Result<std::string> NestedDeltaType(const arrow::DataType& type, const std::string& column) {
  if (type.id() == arrow::Type::STRUCT) return DeltaFields(type.fields());
  if (type.id() == arrow::Type::LIST || type.id() == arrow::Type::LARGE_LIST) {
    SALVER_ASSIGN(const std::string element, DeltaType(*type.field(0)->type(), column));
    return "{\"type\":\"array\",\"elementType\":" + element + ",\"containsNull\":true}";
  }
  if (type.id() == arrow::Type::MAP) {
    const auto& map = static_cast<const arrow::MapType&>(type);
    SALVER_ASSIGN(const std::string key, DeltaType(*map.key_type(), column));
    SALVER_ASSIGN(const std::string value, DeltaType(*map.item_type(), column));
    return "{\"type\":\"map\",\"keyType\":" + key + ",\"valueType\":" + value +
           ",\"valueContainsNull\":true}";
  }
  return std::string();
}

Result<std::string> DeltaType(const arrow::DataType& type, const std::string& column) {
  switch (type.id()) {
    case arrow::Type::BOOL:
      return std::string("\"boolean\"");
    case arrow::Type::INT8:
      return std::string("\"byte\"");
    case arrow::Type::INT16:
      return std::string("\"short\"");
    case arrow::Type::INT32:
      return std::string("\"integer\"");
    case arrow::Type::INT64:
      return std::string("\"long\"");
    case arrow::Type::FLOAT:
      return std::string("\"float\"");
    case arrow::Type::DOUBLE:
      return std::string("\"double\"");
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
      return std::string("\"string\"");
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_BINARY:
      return std::string("\"binary\"");
    case arrow::Type::DATE32:
      return std::string("\"date\"");
    case arrow::Type::TIMESTAMP:
      return std::string("\"timestamp\"");
    case arrow::Type::DECIMAL128: {
      const auto& decimal = static_cast<const arrow::DecimalType&>(type);
      return "\"decimal(" + std::to_string(decimal.precision()) + "," + std::to_string(decimal.scale()) +
             ")\"";
    }
    default:
      break;
  }
  SALVER_ASSIGN(const std::string nested, NestedDeltaType(type, column));
  if (!nested.empty()) return nested;
  return Status::InvalidArgument("column \"" + column + "\" is " + type.ToString() +
                                     ", which a Delta Lake table can not hold. Cast it first.",
                                 Reason::kBadSource);
}

// A random UUID, version 4.
std::string NewId() {
  std::random_device random;
  std::string id;
  for (int i = 0; i < 32; ++i) {
    if (i == 8 || i == 12 || i == 16 || i == 20) id += '-';
    const unsigned digit = i == 12 ? 4 : i == 16 ? 8 + random() % 4 : random() % 16;
    id += "0123456789abcdef"[digit];
  }
  return id;
}

}  // namespace

Result<std::string> DeltaSchema(const arrow::Schema& schema) {
  return DeltaFields(schema.fields());
}

Status CreateDeltaLog(Files* files, const std::string& path, const arrow::Schema& schema, int64_t now_us) {
  const std::string log = path + "/_delta_log";
  SALVER_RETURN_NOT_OK(files->CreateFolders(log));
  // Two that create one table at once: the second sees the first's commit.
  SALVER_ASSIGN(const auto lock, files->Lock(path + ".lock", Deadline::After(std::chrono::seconds(30))));
  if (!std::filesystem::is_empty(log)) {
    return Status::AlreadyExists("there is a Delta table at \"" + path + "\" already.", Reason::kBadSource);
  }
  SALVER_ASSIGN(const std::string fields, DeltaSchema(schema));
  const std::string millis = std::to_string(now_us / 1000);
  const std::string commit =
      "{\"commitInfo\":{\"timestamp\":" + millis +
      ",\"operation\":\"CREATE TABLE\",\"operationParameters\":{},\"engineInfo\":\"salver\"}}\n"
      "{\"protocol\":{\"minReaderVersion\":1,\"minWriterVersion\":2}}\n"
      "{\"metaData\":{\"id\":\"" +
      NewId() +
      "\",\"format\":{\"provider\":\"parquet\",\"options\":{}},\"schemaString\":" + JsonText(fields) +
      ",\"partitionColumns\":[],\"configuration\":{},\"createdTime\":" + millis + "}}\n";
  return ReplaceFile(files, log + "/00000000000000000000.json", commit);
}

Status CheckDeltaTable(const std::string& path, const std::string& source) {
  std::error_code none;
  if (!std::filesystem::exists(path, none)) {
    return Status::NotFound(
        source + ": there is no folder \"" + path +
            "\". Check the path (relative paths start at the repository), or write the table first.",
        Reason::kBadSource);
  }
  if (std::filesystem::is_directory(path + "/_delta_log", none)) return Status::OK();
  return Status::FailedPrecondition(
      source + ": no Delta table at \"" + path +
          "\": the folder has no _delta_log. Check the path, or write the table first.",
      Reason::kBadSource);
}

Status SyncDeltaTable(const std::string& path) {
  // DuckDB syncs nothing and does not say which files it wrote.
  const int folder = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = folder >= 0 && ::syncfs(folder) == 0;
  const std::string reason = std::strerror(errno);
  if (folder >= 0) ::close(folder);
  if (synced) return Status::OK();
  return Status::Unavailable("Delta table \"" + path +
                             "\": its rows may not survive a power loss: " + reason + ".");
}

}  // namespace salver
