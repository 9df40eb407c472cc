// The one layer through which Salver changes files that must survive: registry versions, manifests, offline
// writes. Production is Files::System(); tests use a version that fails at a chosen call, or that forgets
// what was not synced (power loss).
//
// Paths are absolute or relative to the working folder. Errors: NotFound, Unavailable (I/O error), each
// naming the path and what the system said.  Thread safety: all methods from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "salver/deadline.h"
#include "salver/status.h"

namespace salver {

class WritableFile {
 public:
  virtual ~WritableFile() = default;  // closes without syncing
  virtual Status Append(std::string_view bytes) = 0;
  // After OK the file's bytes survive power loss (its name does after SyncFolder).
  virtual Status Sync() = 0;
  virtual Status Close() = 0;
};

// Bytes that are needed for a while, in a file without a name: its space is free again when it is closed or
// the process ends, whichever way. Thread safety: ReadAt from any thread, not during Append.
class TemporaryFile {
 public:
  virtual ~TemporaryFile() = default;
  virtual Status Append(std::string_view bytes) = 0;
  // Fills `to` with the bytes from `offset` on; those must have been appended.
  virtual Status ReadAt(int64_t offset, std::span<char> to) const = 0;
  virtual int64_t size() const = 0;
};

// An open file: what it held when it was opened is there even if its name goes. Thread safety: from any
// thread.
class ReadableFile {
 public:
  virtual ~ReadableFile() = default;
  virtual int64_t size() const = 0;
  // Fills `to` with the bytes from `offset` on. Errors: DataLoss when the file ends before, Unavailable.
  virtual Status ReadAt(int64_t offset, std::span<char> to) const = 0;
};

// Held while alive; taken by one process and thread at a time.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

// What changes when a file changes. Two equal identities that are settled mean nothing was written between.
struct FileIdentity {
  uint64_t inode = 0;
  int64_t size = 0;
  int64_t modified_ns = 0;
  // False while the file is so young that one more write could leave all of the above as it is: the file
  // system's clock ticks slowly, and numbers of replaced files are used again. Do not trust it then.
  bool settled = true;
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

class Files {
 public:
  virtual ~Files() = default;
  static Files* System();

  virtual Result<std::string> Read(const std::string& path) = 0;
  // For parts of it. As it is here, all of it is read at once.
  virtual Result<std::unique_ptr<ReadableFile>> Open(const std::string& path);
  virtual Result<FileIdentity> Identify(const std::string& path) = 0;
  // A new, empty file; replaces one of that name.
  virtual Result<std::unique_ptr<WritableFile>> Create(const std::string& path) = 0;
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  // As Rename, but never in the place of another file: AlreadyExists when there is one called `to`. As it is
  // here, it looks first, and two at once may both find none.
  virtual Status RenameNew(const std::string& from, const std::string& to);
  virtual Status Remove(const std::string& path) = 0;  // OK when there is none
  // The folder and those above it; what had to be made survives power loss.
  virtual Status CreateFolders(const std::string& path) = 0;
  // After OK the names in the folder (renames, removals, new files) survive power loss.
  virtual Status SyncFolder(const std::string& path) = 0;
  virtual Result<std::unique_ptr<FileLock>> Lock(const std::string& path, Deadline deadline) = 0;
  // A file in `folder`, which is made when it is missing. It survives nothing, so one that loses power need
  // not know it.
  virtual Result<std::unique_ptr<TemporaryFile>> CreateTemporary(const std::string& folder);
};

// Replaces `path` with `bytes` so that a reader sees the old file or the new, never a part, and the new one
// survives power loss once this returned OK: temporary file beside it, sync, rename, sync of the folder.
// After an error `path` holds the old bytes, or the new ones if only the last sync failed.
Status ReplaceFile(Files* files, const std::string& path, std::string_view bytes);

// As ReplaceFile for a name that nobody has yet. AlreadyExists when somebody has, and nothing is changed: of
// several that create one file at once, one gets OK.
Status CreateNewFile(Files* files, const std::string& path, std::string_view bytes);

// Folder part of a path: "a/b" for "a/b/c", "." for "c".
std::string FolderOf(const std::string& path);
// `path` if absolute, else `folder`/`path`.
std::string JoinPath(const std::string& folder, const std::string& path);

}  // namespace salver
