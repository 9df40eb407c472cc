#include "source/open_file_state.h"

#include <arrow/io/file.h>
#include <sys/stat.h>
#include <time.h>

#include <chrono>
#include <thread>
#include <utility>

namespace salver {

namespace {

constexpr int64_t kSecond = 1'000'000'000;

int64_t NanosOf(const timespec& time) {
  return time.tv_sec * kSecond + time.tv_nsec;
}

// The clock that the kernel dates files with. It goes on in ticks of some milliseconds.
int64_t FileClock() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return NanosOf(now);
}

}  // namespace

OpenFileState::OpenFileState(std::shared_ptr<arrow::io::RandomAccessFile> file) : file_(std::move(file)) {
  if (const auto* local = dynamic_cast<const arrow::io::ReadableFile*>(file_.get()))
    descriptor_ = local->file_descriptor();
  // A second write within one tick leaves a file's time as it is. So the tick of the last write is waited
  // out: whatever is written from here on has a later one.
  constexpr int64_t kLongest = kSecond / 20;
  for (const int64_t began = FileClock(); descriptor_ >= 0;) {
    seen_ = Look();
    const int64_t now = FileClock();
    // A time far ahead is another clock's; a write would replace it by one of ours.
    settled_ = seen_.modified_ns < now || seen_.modified_ns > now + kLongest;
    if (settled_ || now - began > kLongest) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

bool OpenFileState::Unchanged() const {
  return descriptor_ < 0 || (settled_ && Look() == seen_);
}

OpenFileState::Seen OpenFileState::Look() const {
  struct stat about;
  if (descriptor_ < 0 || ::fstat(descriptor_, &about) != 0) return {};
  return {about.st_size, NanosOf(about.st_mtim)};
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
