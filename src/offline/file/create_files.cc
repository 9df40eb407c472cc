#include "offline/file/create_files.h"

#include <arrow/filesystem/filesystem.h>

#include "base/arrow_status.h"
#include "source/file_list.h"
#include "source/table_file.h"

namespace salver {
namespace {

constexpr char kOnlyFile[] = "/part-0.parquet";

struct Target {
  std::string path, file;  // the source's path, and the file that holds its rows
};

Result<Target> TargetOf(const DataSource& source, const std::string& folder) {
  SALVER_ASSIGN(const FilePlace place, PlaceOf(source, folder));
  if (!place.is_local || place.path.find_first_of("*?[") != std::string::npos) {
    return Status::FailedPrecondition(
        "\"" + source.path + "\" can not be written to: give a file or folder on this machine's disk.",
        Reason::kBadSource);
  }
  const bool is_file = !FormatOfSuffix(place.path).empty();
  return Target{place.path, is_file ? place.path : place.path + kOnlyFile};
}

// What already lies at the target. `others`: a folder with more than the one file.
struct Found {
  bool anything = false, others = false;
};

Result<Found> Look(const Target& target) {
  arrow::fs::FileSelector selector;
  std::string ignored;
  SALVER_ASSIGN(const auto system, FromArrow(arrow::fs::FileSystemFromUriOrPath("/", &ignored), "files"));
  SALVER_ASSIGN(const auto info, FromArrow(system->GetFileInfo(target.path), "\"" + target.path + "\""));
  if (info.type() == arrow::fs::FileType::NotFound) return Found{};
  if (info.type() != arrow::fs::FileType::Directory) return Found{true, target.file != target.path};
  selector.base_dir = target.path;
  SALVER_ASSIGN(const auto inside, FromArrow(system->GetFileInfo(selector), "\"" + target.path + "\""));
  const bool only_ours = inside.size() == 1 && target.path + "/" + inside[0].base_name() == target.file;
  return Found{!inside.empty(), !inside.empty() && !only_ours};
}

}  // namespace

Status CreateFiles(const DataSource& source, const std::string& folder, const arrow::Table& rows,
                   bool overwrite, Files* files) {
  SALVER_ASSIGN(const Target target, TargetOf(source, folder));
  SALVER_ASSIGN(const Found found, Look(target));
  if (found.others || (found.anything && !overwrite)) {
    return Status::AlreadyExists("\"" + source.path + "\" " +
                                 (found.others
                                      ? "holds files that were not written here. Give another path."
                                      : "is there already. Give another path, or allow to overwrite it."));
  }
  SALVER_RETURN_NOT_OK(files->CreateFolders(FolderOf(target.file)));
  return WriteTableFile(rows, target.file, files);
}

Status DropFiles(const DataSource& source, const std::string& folder, Files* files) {
  SALVER_ASSIGN(const Target target, TargetOf(source, folder));
  return files->Remove(target.file);
}

}  // namespace salver
