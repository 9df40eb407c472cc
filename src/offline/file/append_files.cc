#include "offline/file/append_files.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/chunked_array.h>
#include <arrow/compute/api_vector.h>
#include <arrow/compute/cast.h>
#include <arrow/table.h>

#include <algorithm>

#include "base/arrow_status.h"
#include "base/clock.h"
#include "offline/fit_rows.h"
#include "source/file_list.h"
#include "source/file_source.h"
#include "source/table_file.h"

namespace salver {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;

// A file that is written and synced, waiting for its name.
struct NewFile {
  std::string temporary, path;
};

Status NotAppendable(const DataSource& source, const std::string& why) {
  return Status::FailedPrecondition(
      "data source \"" + source.name + "\" " + why +
          ", so rows can not be added to it. A local file or folder of Parquet, "
          "CSV or Arrow can be added to.",
      Reason::kBadSource);
}

// key=value as a folder's name has it.
std::string FolderName(const std::string& key, const std::string& value) {
  std::string name = key + "=";
  for (const char c : value) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0 ||
        std::string_view("-_.~ :+").find(c) != std::string::npos) {
      name += c;
      continue;
    }
    char escaped[4];
    std::snprintf(escaped, sizeof escaped, "%%%02X", static_cast<unsigned char>(c));
    name += escaped;
  }
  return name;
}

class FolderAppend {
 public:
  FolderAppend(const DataSource& source, const FileList& list, Files* files)
      : source_(source), list_(list), files_(files) {}

  Status Append(const TablePtr& rows) {
    const Status status = WriteAndName(rows);
    if (status.ok()) return status;
    for (const NewFile& file : written_) {  // the error that counts is the first
      (void)files_->Remove(file.temporary);
      (void)files_->Remove(file.path);
    }
    return status;
  }

 private:
  Status WriteAndName(const TablePtr& rows) {
    SALVER_ASSIGN(const auto parts, ByFolder(rows));
    for (const auto& [folder, part] : parts) SALVER_RETURN_NOT_OK(Write(folder, part));
    for (const NewFile& file : written_) SALVER_RETURN_NOT_OK(files_->Rename(file.temporary, file.path));
    for (const auto& [folder, part] : parts) SALVER_RETURN_NOT_OK(files_->SyncFolder(folder));
    return Status::OK();
  }

  Status Write(const std::string& folder, const TablePtr& rows) {
    SALVER_RETURN_NOT_OK(files_->CreateFolders(folder));
    const std::string name = NewName(folder);
    written_.push_back({folder + "/." + name + ".new", folder + "/" + name});
    return WriteSyncedTable(*rows, written_.back().temporary, name, files_);
  }

  // Sorts after every file of the folder: the order of files is the order of the source.
  std::string NewName(const std::string& folder) const {
    char moment[32];
    std::snprintf(moment, sizeof moment, "%020lld", static_cast<long long>(Clock::System()->NowMicros()));
    std::string name = "append-" + std::string(moment) + "." + list_.format;
    std::string last;
    for (const SourceFile& file : list_.files) {
      if (file.path.starts_with(folder + "/")) last = std::max(last, file.path.substr(folder.size() + 1));
    }
    if (name <= last) name = "~" + name;
    while (name <= last) name = "~" + name;
    return name;
  }

  // The rows of each folder they belong to, without the columns that the folder's name gives.
  Result<std::map<std::string, TablePtr>> ByFolder(const TablePtr& rows) const {
    std::map<std::string, TablePtr> parts;
    const auto& partitions = list_.files[0].partitions;
    if (partitions.empty()) return std::map<std::string, TablePtr>{{list_.path, rows}};
    std::map<std::string, arrow::Int64Builder> indices;
    SALVER_ASSIGN(const auto folders, FoldersOf(*rows));
    for (size_t row = 0; row < folders.size(); ++row)
      SALVER_RETURN_NOT_OK(FromArrow(indices[folders[row]].Append(static_cast<int64_t>(row)), What()));
    TablePtr own = rows;
    for (const auto& [key, value] : partitions) {
      SALVER_ASSIGN(own, FromArrow(own->RemoveColumn(own->schema()->GetFieldIndex(key)), What()));
    }
    for (auto& [folder, builder] : indices) {
      SALVER_ASSIGN(const auto taken, FromArrow(builder.Finish(), What()));
      SALVER_ASSIGN(const auto part, FromArrow(arrow::compute::Take(own, taken), What()));
      parts[folder] = part.table();
    }
    return parts;
  }

  Result<std::vector<std::string>> FoldersOf(const arrow::Table& rows) const {
    std::vector<std::string> folders(static_cast<size_t>(rows.num_rows()), list_.path);
    for (const std::string& key : FolderKeys()) {
      SALVER_ASSIGN(
          const auto text,
          FromArrow(arrow::compute::Cast(arrow::Datum(rows.GetColumnByName(key)), arrow::utf8()), What()));
      size_t row = 0;
      for (const auto& chunk : text.chunked_array()->chunks()) {
        const auto& values = static_cast<const arrow::StringArray&>(*chunk);
        for (int64_t i = 0; i < values.length(); ++i, ++row) {
          folders[row] += "/" + FolderName(key, values.IsNull(i) ? "__HIVE_DEFAULT_PARTITION__"
                                                                 : std::string(values.GetView(i)));
        }
      }
    }
    return folders;
  }

  // In the order in which the folders lie within each other.
  std::vector<std::string> FolderKeys() const {
    std::vector<std::string> keys;
    const std::string path = list_.files[0].path.substr(list_.path.size());
    for (const auto& [key, value] : list_.files[0].partitions) keys.push_back(key);
    std::sort(keys.begin(), keys.end(), [&](const std::string& a, const std::string& b) {
      return path.find("/" + a + "=") < path.find("/" + b + "=");
    });
    return keys;
  }

  std::string What() const { return "data source \"" + source_.name + "\""; }

  const DataSource& source_;
  const FileList& list_;
  Files* const files_;
  std::vector<NewFile> written_;
};

Result<TablePtr> ReadWhole(const DataSource& source, const std::string& folder) {
  SALVER_ASSIGN(const auto reader, OpenFileSource(source, folder, {}));
  std::vector<int> groups(reader->row_groups().size());
  for (size_t i = 0; i < groups.size(); ++i) groups[i] = static_cast<int>(i);
  return reader->Read(groups, reader->schema()->field_names());
}

}  // namespace

Status AppendToFiles(const DataSource& source, const std::string& folder, const arrow::Table& rows,
                     Files* files) {
  if (source.file_format == "delta") return NotAppendable(source, "is a Delta Lake table");
  SALVER_ASSIGN(const FilePlace place, PlaceOf(source, folder));
  if (!place.is_local) return NotAppendable(source, "is not on this machine's disk");
  if (place.path.find_first_of("*?[") != std::string::npos) return NotAppendable(source, "is a glob");
  SALVER_ASSIGN(const auto lock,
                files->Lock(place.path + ".lock", Deadline::After(std::chrono::seconds(30))));
  SALVER_ASSIGN(const FileList list, ListSourceFiles(source, folder));
  if (list.format == "json") return NotAppendable(source, "is JSON");
  SALVER_ASSIGN(const auto schema, ReadFileSchema(source, folder));
  SALVER_ASSIGN(const TablePtr added, FitRows(rows, schema, source));
  if (list.has_manifest) {
    return Status::FailedPrecondition("data source \"" + source.name +
                                          "\" is the table of a feature group. Write to "
                                          "the feature group, which checks its rows against its schema.",
                                      Reason::kBadSource);
  }
  if (list.is_folder) return FolderAppend(source, list, files).Append(added);
  SALVER_ASSIGN(const TablePtr have, ReadWhole(source, folder));
  SALVER_ASSIGN(const auto all,
                FromArrow(arrow::ConcatenateTables({have, added}), "data source \"" + source.name + "\""));
  return WriteTableFile(*all, place.path, files);
}

}  // namespace salver
