// Which files a source has, and who reads their format.
#include "source/file_source.h"

#include <glob.h>

#include <algorithm>
#include <filesystem>

#include "base/files.h"
#include "source/parquet_source.h"

namespace salver {
namespace {

std::string Unprefixed(std::string path) {
  constexpr std::string_view kScheme = "file://";
  return path.starts_with(kScheme) ? path.substr(kScheme.size()) : path;
}

Result<std::vector<std::string>> ListFiles(const DataSource& source, const std::string& folder) {
  const std::string path = JoinPath(folder, Unprefixed(source.path));
  if (const size_t scheme = path.find("://"); scheme != std::string::npos) {
    return Status::Unimplemented(
        "data source \"" + source.name + "\": \"" + source.path +
            "\" is not on this machine's disk. Only local paths can be read in this release.",
        Reason::kBadSource);
  }
  std::vector<std::string> files;
  std::error_code error;
  if (path.find_first_of("*?[") != std::string::npos) {
    ::glob_t found;
    if (::glob(path.c_str(), 0, nullptr, &found) == 0)
      files.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
    ::globfree(&found);
  } else if (std::filesystem::is_directory(path, error)) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path, error)) {
      const std::string name = entry.path().filename().string();
      if (entry.is_regular_file() && name.ends_with(".parquet") && !name.starts_with('.') &&
          !name.starts_with('_')) {
        files.push_back(entry.path().string());
      }
    }
  } else {
    if (!std::filesystem::exists(path, error)) {
      return Status::NotFound(
          "data source \"" + source.name + "\": there is no file \"" + path +
              "\". Check the path (relative paths start at the repository), or write the file first.",
          Reason::kBadSource);
    }
    return std::vector<std::string>{path};
  }
  if (files.empty()) {
    return Status::NotFound("data source \"" + source.name + "\": no .parquet file at \"" + path + "\".",
                            Reason::kBadSource);
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

Result<std::unique_ptr<SourceReader>> OpenFileSource(const DataSource& source, const std::string& folder,
                                                     const SourceNeeds&) {
  if (source.file_format == "delta") {
    return Status::Unimplemented(
        "data source \"" + source.name + "\" is a Delta Lake table, which can not be read in this release.",
        Reason::kBadSource);
  }
  SALVER_ASSIGN(const auto paths, ListFiles(source, folder));
  return OpenParquetSource(source, paths);
}

}  // namespace salver
