#include "retrieval/entity_rows.h"

#include <arrow/table.h>
#include <arrow/type.h>

#include <algorithm>
#include <filesystem>

namespace salver {
namespace {

// The first word says it: no file begins with one of these and a space.
bool IsSql(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return false;
  if (text[begin] == '(') return true;
  const size_t end = text.find_first_of(" \t\r\n(*", begin);
  if (end == std::string::npos) return false;
  std::string word = text.substr(begin, end - begin);
  std::transform(word.begin(), word.end(), word.begin(),
                 [](char c) { return static_cast<char>(std::toupper(static_cast<unsigned char>(c))); });
  return word == "SELECT" || word == "WITH" || word == "FROM" || word == "VALUES";
}

}  // namespace

Result<std::shared_ptr<arrow::Table>> ReadEntityRows(const std::string& file_or_sql,
                                                     const RegistrySnapshot& snapshot,
                                                     OfflineStore* offline) {
  if (IsSql(file_or_sql)) return offline->Query(file_or_sql);
  DataSource file{.name = "entity rows", .kind = DataSourceKind::kFile, .store = "file", .path = file_or_sql};
  if (file.path.find("://") == std::string::npos)
    file.path = std::filesystem::absolute(file.path).lexically_normal().string();
  file.timestamp_field = "event_timestamp";
  for (const auto& view : snapshot.views()) {
    for (const Field& key : view->join_keys) file.column_types.emplace(key.name, key.type);
  }
  SALVER_ASSIGN(const auto reader, offline->Open(file, {}));
  std::vector<int> groups(reader->row_groups().size());
  for (size_t i = 0; i < groups.size(); ++i) groups[i] = static_cast<int>(i);
  return reader->Read(groups, reader->schema()->field_names());
}

}  // namespace salver
