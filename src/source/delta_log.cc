#include "source/delta_log.h"

#include <arrow/type.h>
#include <fcntl.h>
#include <simdjson.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <random>

#include "base/clock.h"
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

std::string CommitPath(const std::string& path, int64_t number) {
  char name[32];
  std::snprintf(name, sizeof name, "%020lld.json", static_cast<long long>(number));
  return path + "/_delta_log/" + name;
}

std::string CommitInfo(int64_t now_us, const std::string& operation) {
  return "{\"commitInfo\":{\"timestamp\":" + std::to_string(now_us / 1000) + ",\"operation\":\"" + operation +
         "\",\"operationParameters\":{},\"engineInfo\":\"salver\"}}\n";
}

std::string MetaData(const std::string& id, const std::string& schema, int64_t now_us) {
  return "{\"metaData\":{\"id\":" + JsonText(id) +
         ",\"format\":{\"provider\":\"parquet\",\"options\":{}},\"schemaString\":" + JsonText(schema) +
         ",\"partitionColumns\":[],\"configuration\":{},\"createdTime\":" + std::to_string(now_us / 1000) +
         "}}\n";
}

// Paths of files in a log are those of a URI: bytes may be written as %20.
std::string Unescaped(std::string_view path) {
  std::string plain;
  for (size_t i = 0; i < path.size(); ++i) {
    unsigned byte = 0;
    if (path[i] == '%' && i + 2 < path.size() &&
        std::sscanf(std::string(path.substr(i + 1, 2)).c_str(), "%2x", &byte) == 1) {
      plain += static_cast<char>(byte);
      i += 2;
    } else {
      plain += path[i];
    }
  }
  return plain;
}

// Salver's own tags of a file.
constexpr char kMinEvent[] = "salver.minEventMicros";
constexpr char kMaxEvent[] = "salver.maxEventMicros";

// Statistics of the log are exact to the millisecond: times that are not fall into the range they are given.
std::string StatsOf(const DeltaFile& file, const std::string& event_time_column) {
  std::string stats = "{\"numRecords\":" + std::to_string(file.rows);
  if (file.min_event_us != INT64_MIN && file.max_event_us != INT64_MAX) {
    const auto bound = [&](const char* name, int64_t micros) {
      std::string time = FormatTime(micros - ((micros % 1000) + 1000) % 1000);
      if (time.find('.') != std::string::npos) time = time.substr(0, 23) + "Z";  // six digits of it are three
      return std::string(",\"") + name + "\":{" + JsonText(event_time_column) + ":\"" + time + "\"}";
    };
    stats += bound("minValues", file.min_event_us) + bound("maxValues", file.max_event_us + 999);
  }
  return stats + "}";
}

std::string AddAction(const DeltaFile& file, const std::string& event_time_column, int64_t now_us) {
  return "{\"add\":{\"path\":" + JsonText(file.name) +
         ",\"partitionValues\":{},\"size\":" + std::to_string(file.bytes) +
         ",\"modificationTime\":" + std::to_string(now_us / 1000) +
         ",\"dataChange\":true,\"stats\":" + JsonText(StatsOf(file, event_time_column)) + ",\"tags\":{\"" +
         kMinEvent + "\":\"" + std::to_string(file.min_event_us) + "\",\"" + kMaxEvent + "\":\"" +
         std::to_string(file.max_event_us) + "\"}}}\n";
}

using Json = simdjson::dom::object;

std::string TextIn(const Json& object, const char* name) {
  std::string_view text;
  if (object[name].get_string().get(text) != simdjson::SUCCESS) return "";
  return std::string(text);
}
int64_t NumberIn(const Json& object, const char* name, int64_t otherwise) {
  int64_t number = otherwise;
  if (object[name].get_int64().get(number) != simdjson::SUCCESS) return otherwise;
  return number;
}
bool HasMembers(const Json& object, const char* name) {
  Json members;
  return object[name].get_object().get(members) == simdjson::SUCCESS && members.size() > 0;
}

// Names and types of the columns, in order, whatever else the text says of them and however it is written.
std::string ColumnsOf(const std::string& schema) {
  simdjson::dom::parser parser;
  simdjson::dom::array fields;
  if (parser.parse(schema)["fields"].get_array().get(fields) != simdjson::SUCCESS) return schema;
  std::string columns;
  for (const simdjson::dom::element field : fields) {
    for (const char* part : {"name", "type"}) {
      simdjson::dom::element value;
      if (field[part].get(value) != simdjson::SUCCESS) return schema;
      columns += simdjson::minify(value) + "\n";
    }
  }
  return columns;
}

// The metaData action with another schema; all else stays.
std::string WithSchema(const std::string& meta_data, const std::string& schema) {
  simdjson::dom::parser parser;
  simdjson::dom::object members;
  std::string changed;
  if (parser.parse(meta_data).get_object().get(members) != simdjson::SUCCESS) return meta_data;
  for (const auto& [name, value] : members) {
    const bool is_schema = name == "schemaString";
    changed += (changed.empty() ? "" : ",") + JsonText(std::string(name)) + ":" +
               (is_schema ? JsonText(schema) : simdjson::minify(value));
  }
  return "{\"metaData\":{" + changed + "}}\n";
}

// One version of a table on its way to the next.
class Replay {
 public:
  Replay(const std::string& path, DeltaVersion* version) : path_(path), version_(version) {}

  // The actions of one commit, a line each.
  Status Apply(const std::string& commit) {
    version_->number += 1;
    std::vector<DeltaFile> added;
    simdjson::dom::parser parser;
    for (size_t begin = 0; begin < commit.size();) {
      const size_t end = std::min(commit.find('\n', begin), commit.size());
      const std::string line = commit.substr(begin, end - begin);
      begin = end + 1;
      if (line.find_first_not_of(" \r\t") == std::string::npos) continue;
      Json action;
      if (parser.parse(line).get_object().get(action) != simdjson::SUCCESS) {
        return Status::DataLoss("commit " + std::to_string(version_->number) + " of the Delta table at \"" +
                                path_ + "\" is damaged: a line of it is no JSON object.");
      }
      SALVER_RETURN_NOT_OK(ApplyAction(action, &added));
    }
    // A file that is removed and added in one commit is there; one that is added again is there once.
    for (const DeltaFile& file : added)
      std::erase_if(version_->files, [&](const DeltaFile& other) { return other.name == file.name; });
    version_->last_commit = std::hash<std::string>()(commit);
    version_->files.insert(version_->files.end(), added.begin(), added.end());
    return Status::OK();
  }

 private:
  Status ApplyAction(const Json& action, std::vector<DeltaFile>* added) {
    Json members;
    if (action["add"].get_object().get(members) == simdjson::SUCCESS) return Add(members, added);
    if (action["remove"].get_object().get(members) == simdjson::SUCCESS) {
      std::erase_if(version_->files, [name = Unescaped(TextIn(members, "path"))](const DeltaFile& file) {
        return file.name == name;
      });
    } else if (action["metaData"].get_object().get(members) == simdjson::SUCCESS) {
      version_->table_id = TextIn(members, "id");
      version_->schema = TextIn(members, "schemaString");
      version_->meta_data = simdjson::minify(members);
      Json settings;
      version_->append_only = members["configuration"].get_object().get(settings) == simdjson::SUCCESS &&
                              TextIn(settings, "delta.appendOnly") == "true";
      simdjson::dom::array partitions;
      if (members["partitionColumns"].get_array().get(partitions) == simdjson::SUCCESS &&
          partitions.size() > 0)
        return CanNot("partitions");
    } else if (action["protocol"].get_object().get(members) == simdjson::SUCCESS) {
      const int64_t reader = NumberIn(members, "minReaderVersion", 1);
      if (reader > 1) return CanNot("reader version " + std::to_string(reader));
      version_->writer_version = NumberIn(members, "minWriterVersion", 2);
    } else if (action["commitInfo"].get_object().get(members) == simdjson::SUCCESS) {
      version_->committed_us = NumberIn(members, "timestamp", 0) * 1000;
    }
    return Status::OK();
  }

  Status Add(const Json& add, std::vector<DeltaFile>* added) {
    const std::string path = TextIn(add, "path");
    DeltaFile file{.name = Unescaped(path), .path = path, .bytes = NumberIn(add, "size", 0)};
    if (HasMembers(add, "partitionValues")) return CanNot("partitions");
    if (HasMembers(add, "deletionVector")) return CanNot("deletion vectors");
    simdjson::dom::parser parser;
    Json stats, tags;
    const std::string text = TextIn(add, "stats");
    if (!text.empty() && parser.parse(text).get_object().get(stats) == simdjson::SUCCESS)
      file.rows = NumberIn(stats, "numRecords", -1);
    if (add["tags"].get_object().get(tags) == simdjson::SUCCESS) {
      const std::string min = TextIn(tags, kMinEvent), max = TextIn(tags, kMaxEvent);
      if (!min.empty()) file.min_event_us = std::strtoll(min.c_str(), nullptr, 10);
      if (!max.empty()) file.max_event_us = std::strtoll(max.c_str(), nullptr, 10);
    }
    added->push_back(std::move(file));
    return Status::OK();
  }

  Status CanNot(const std::string& what) const {
    return Status::Unimplemented(
        "commit " + std::to_string(version_->number) + " of the Delta table at \"" + path_ + "\" needs " +
            what +
            ", which tables of feature groups can not have in this release. Restore the "
            "version before it, or register the table as a data source instead.",
        Reason::kBadSource);
  }

  const std::string& path_;
  DeltaVersion* const version_;
};

// A table without commit 0 must be one without any.
Status CheckNew(const std::string& path) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(path + "/_delta_log", error)) {
    const std::string name = entry.path().filename().string();
    if (!name.ends_with(".json") && name.find(".checkpoint") == std::string::npos &&
        !name.starts_with("_last_checkpoint"))
      continue;
    return Status::Unimplemented("the Delta table at \"" + path +
                                     "\" has lost its first commits to a clean-up, and tables of feature "
                                     "groups are read from their first "
                                     "commit on. Keep its log, or register the table as a data source.",
                                 Reason::kBadSource);
  }
  if (!error || error == std::errc::no_such_file_or_directory) return Status::OK();
  return Status::Unavailable("the log of the Delta table at \"" + path +
                             "\" can not be read: " + error.message() + ".");
}

}  // namespace

Status ReplayDeltaLog(Files* files, const std::string& path, DeltaVersion* version) {
  auto commit = files->Read(CommitPath(path, version->number + 1));
  if (commit.status().code() == StatusCode::kNotFound)
    return version->number < 0 ? CheckNew(path) : Status::OK();
  DeltaVersion next = *version;
  for (Replay replay(path, &next); commit.status().code() != StatusCode::kNotFound;) {
    SALVER_RETURN_NOT_OK(commit.status());
    SALVER_RETURN_NOT_OK(replay.Apply(*commit));
    commit = files->Read(CommitPath(path, next.number + 1));
  }
  *version = std::move(next);
  return Status::OK();
}

bool HasDeltaVersion(Files* files, const std::string& path, const DeltaVersion& version) {
  const auto commit = files->Read(CommitPath(path, version.number));
  return commit.ok() && std::hash<std::string>()(*commit) == version.last_commit;
}

Status CommitToDelta(Files* files, const std::string& path, const DeltaVersion& before,
                     const DeltaCommit& commit, int64_t now_us) {
  if (before.writer_version > 2 || (before.append_only && !commit.removed.empty())) {
    return Status::Unimplemented(
        "the Delta table at \"" + path + "\" " +
            (before.writer_version > 2
                 ? "asks its writers for version " + std::to_string(before.writer_version) +
                       " of the protocol, and this release writes version 2"
                 : "is append-only, and this write would replace rows or rewrite small files") +
            ". Nothing was written. Write it with the program that set that, or register a new version of "
            "the group.",
        Reason::kBadSource);
  }
  std::string actions = CommitInfo(now_us, "WRITE");
  if (!commit.schema.empty() && ColumnsOf(commit.schema) != ColumnsOf(before.schema))
    actions += WithSchema(before.meta_data, commit.schema);
  for (const DeltaFile& file : commit.removed) {
    actions += "{\"remove\":{\"path\":" + JsonText(file.path.empty() ? file.name : file.path) +
               ",\"deletionTimestamp\":" + std::to_string(now_us / 1000) + ",\"dataChange\":true}}\n";
  }
  for (const DeltaFile& file : commit.added) actions += AddAction(file, commit.event_time_column, now_us);
  return CreateNewFile(files, CommitPath(path, before.number + 1), actions);
}

Result<std::string> DeltaSchema(const arrow::Schema& schema) {
  return DeltaFields(schema.fields());
}

Status CreateDeltaLog(Files* files, const std::string& path, const arrow::Schema& schema, int64_t now_us) {
  SALVER_ASSIGN(const std::string fields, DeltaSchema(schema));
  SALVER_RETURN_NOT_OK(files->CreateFolders(path + "/_delta_log"));
  const Status created =
      CreateNewFile(files, CommitPath(path, 0),
                    CommitInfo(now_us, "CREATE TABLE") +
                        "{\"protocol\":{\"minReaderVersion\":1,\"minWriterVersion\":2}}\n" +
                        MetaData(NewId(), fields, now_us));
  if (created.code() != StatusCode::kAlreadyExists) return created;
  return Status::AlreadyExists("there is a Delta table at \"" + path + "\" already.", Reason::kBadSource);
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
