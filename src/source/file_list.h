// Which files a source has, where they lie and in which format: one file, a folder, a glob; on this machine's
// disk, s3:// or gs://.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "salver/data_source.h"
#include "salver/status.h"

namespace arrow {
class ChunkedArray;
class Field;
class Schema;
class Table;
namespace fs {
class FileSystem;
}
}  // namespace arrow

namespace salver {

struct SourceFile {
  std::string path;  // in the file system
  // Of folders named key=value: by key; a null value is __HIVE_DEFAULT_PARTITION__.
  std::map<std::string, std::optional<std::string>> partitions;
};

struct FileList {
  std::shared_ptr<arrow::fs::FileSystem> system;
  std::string format;             // "parquet", "csv", "json", "arrow", "delta"
  bool is_folder = false;         // source.path names a folder: files may be added to it
  bool has_manifest = false;      // of the files, only those that it names are data (table_manifest.h)
  std::string path;               // of the source in the file system
  std::vector<SourceFile> files;  // by name; never empty
};

// Relative paths start at `folder`. A glob knows *, ?, [ab] within a name and ** for any folders; names that
// begin with a dot (and, in folders, with _) are not data. Errors: NotFound, InvalidArgument (kBadSource):
// files of several formats, folders of which only some are key=value; Unavailable.
Result<FileList> ListSourceFiles(const DataSource& source, const std::string& folder);

// ".parquet" and ".pq" to "parquet", ".csv" to "csv", ".json", ".jsonl", ".ndjson" to "json", ".arrow",
// ".arrows", ".feather", ".ipc" to "arrow"; "" for others.
std::string FormatOfSuffix(const std::string& path);

// A file system and the path in it, for writing too. Errors: InvalidArgument for a scheme that is not known.
struct FilePlace {
  std::shared_ptr<arrow::fs::FileSystem> system;
  std::string path;
  bool is_local = true;
};
Result<FilePlace> PlaceOf(const DataSource& source, const std::string& folder);

}  // namespace salver
