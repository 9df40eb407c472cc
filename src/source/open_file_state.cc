#include "source/open_file_state.h"

#include <arrow/io/file.h>
#include <sys/stat.h>

#include <utility>

namespace salver {

OpenFileState::OpenFileState(std::shared_ptr<arrow::io::RandomAccessFile> file) : file_(std::move(file)) {
  if (const auto* local = dynamic_cast<const arrow::io::ReadableFile*>(file_.get()))
    descriptor_ = local->file_descriptor();
  seen_ = Look();
}

bool OpenFileState::Unchanged() const {
  return descriptor_ < 0 || Look() == seen_;
}

OpenFileState::Seen OpenFileState::Look() const {
  struct stat about;
  if (descriptor_ < 0 || ::fstat(descriptor_, &about) != 0) return {};
  return {about.st_size, about.st_mtim.tv_sec * int64_t{1'000'000'000} + about.st_mtim.tv_nsec};
}

Status WrittenWhileRead(const std::string& what) {
  return Status::Aborted(
      what +
          " was written to while it was read, so what was read may be half of one content and half of "
          "another. Run it again when the writer is done. A writer that renames a finished file into its "
          "place is in nobody's way.",
      Reason::kBadSource);
}

}  // namespace salver
