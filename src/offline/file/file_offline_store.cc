// History in files.
#include <filesystem>

#include "base/files.h"
#include "offline/file/append_files.h"
#include "offline/file/create_files.h"
#include "offline/offline_stores.h"
#include "source/file_source.h"
#include "sql/sql_text.h"

namespace salver {
namespace {

class FileOfflineStore final : public OfflineStore {
 public:
  explicit FileOfflineStore(std::string folder) : folder_(std::move(folder)) {}

  Result<std::shared_ptr<arrow::Schema>> ReadSchema(const DataSource& source) override {
    return ReadFileSchema(source, folder_);
  }
  Result<std::unique_ptr<SourceReader>> Open(const DataSource& source, const SourceNeeds& needs) override {
    return OpenFileSource(source, folder_, needs);
  }
  Status Append(const DataSource& source, const arrow::Table& rows) override {
    return AppendToFiles(source, folder_, rows, Files::System());
  }
  Status Create(const DataSource& source, const arrow::Table& rows, bool overwrite) override {
    return CreateFiles(source, folder_, rows, overwrite, Files::System());
  }
  Status Drop(const DataSource& source) override { return DropFiles(source, folder_, Files::System()); }
  Result<std::string> SelectOf(const DataSource& source) override {
    const std::string path = JoinPath(folder_, source.path);
    const bool parquet = source.file_format.empty() || source.file_format == "parquet";
    std::error_code none;
    if (!parquet || !path.ends_with(".parquet") || path.find_first_of("*?[") != std::string::npos ||
        !std::filesystem::is_regular_file(path, none))
      return OfflineStore::SelectOf(source);
    return "SELECT * FROM read_parquet(" + QuoteSqlText(path) + ", hive_partitioning = false)";
  }
  Result<std::shared_ptr<arrow::Table>> Query(const std::string&) override {
    return Status::Unimplemented("SQL on files is not in this build. Give entity rows as a table or a file.");
  }

 private:
  const std::string folder_;
};

}  // namespace

std::unique_ptr<OfflineStore> NewFileOfflineStore(const std::string& folder) {
  return std::make_unique<FileOfflineStore>(folder);
}

}  // namespace salver
