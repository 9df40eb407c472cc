// Whether somebody wrote into a file since it was opened. What is read of it later may then be of another
// content than what was read before: half old rows, half new ones, and nothing would tell.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "salver/status.h"

namespace arrow::io {
class RandomAccessFile;
}

namespace salver {

// Thread safety: Unchanged from any thread.
class OpenFileState {
 public:
  OpenFileState() = default;
  // To be made before anything is read. Of files that are not on this machine's disk nothing is known. Waits
  // for the next tick of the file system's clock (4 ms, mostly) if the file was written in this one, and at
  // most 50 ms for one that is written all the time, which then counts as changed. On file systems that keep
  // whole seconds (FAT, ext3), a change within the second of the last write is seen by its size alone.
  explicit OpenFileState(std::shared_ptr<arrow::io::RandomAccessFile> file);
  // False once the file's size or time is another. A file that is removed, or replaced by another of its
  // name, is unchanged: the one that is open is still there. One call to the system.
  bool Unchanged() const;

 private:
  struct Seen {
    int64_t size = 0, modified_ns = 0;
    friend bool operator==(const Seen&, const Seen&) = default;
  };
  Seen Look() const;

  std::shared_ptr<arrow::io::RandomAccessFile> file_;
  int descriptor_ = -1;
  Seen seen_;
  bool settled_ = false;  // no write from now on can leave the file as it was seen
};

// `what` is the subject: data source and file.
Status WrittenWhileRead(const std::string& what);

}  // namespace salver
