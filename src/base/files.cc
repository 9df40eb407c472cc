#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <random>
#include <thread>
#include <utility>

namespace salver {
namespace {

Status SystemError(std::string_view action, const std::string& path, int error) {
  const std::string text = std::string(action) + " \"" + path + "\": " + std::strerror(error) + ".";
  if (error == ENOENT) return Status::NotFound(text);
  if (error == ENOSPC || error == EDQUOT)
    return Status::ResourceExhausted(text + " Free some space and run it again.");
  return Status::Unavailable(text);
}

Status NameIsTaken(const std::string& path) {
  return Status::AlreadyExists("there is a file \"" + path + "\" already.");
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { Close(); }
  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }
  int Close() {
    const int result = fd_ >= 0 ? ::close(fd_) : 0;
    fd_ = -1;
    return result;
  }

 private:
  int fd_;
};

class SystemFile final : public WritableFile {
 public:
  SystemFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  Status Append(std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t written = ::write(fd_.get(), bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return SystemError("can not write", path_, errno);
      bytes.remove_prefix(static_cast<size_t>(written));
    }
    return Status::OK();
  }
  Status Sync() override {
    if (::fsync(fd_.get()) != 0) return SystemError("can not sync", path_, errno);
    return Status::OK();
  }
  Status Close() override {
    if (fd_.Close() != 0) return SystemError("can not close", path_, errno);
    return Status::OK();
  }

 private:
  Descriptor fd_;
  std::string path_;
};

Status ReadFully(int fd, const std::string& what, int64_t offset, std::span<char> to) {
  while (!to.empty()) {
    const ssize_t got = ::pread(fd, to.data(), to.size(), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError("can not read", what, errno);
    if (got == 0) return Status::DataLoss("can not read \"" + what + "\": it ends early.");
    to = to.subspan(static_cast<size_t>(got));
    offset += got;
  }
  return Status::OK();
}

// Where the file system has no files without a name, one is made with a name and unlinked at once.
constexpr char kTemporaryPrefix[] = ".salver-temporary-";

// Removes what a process left that was killed between the two.
void RemoveStaleTemporaries(const std::string& folder) {
  constexpr auto kStale = std::chrono::minutes(1);
  std::error_code error;
  const auto now = std::filesystem::file_time_type::clock::now();
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (!entry.path().filename().string().starts_with(kTemporaryPrefix)) continue;
    const auto written = entry.last_write_time(error);
    if (!error && now - written > kStale) std::filesystem::remove(entry.path(), error);
  }
}

int OpenTemporary(const std::string& folder) {
  const int fd = ::open(folder.c_str(), O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
  if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) return fd;
  RemoveStaleTemporaries(folder);
  std::string name = folder + "/" + kTemporaryPrefix + "XXXXXX";
  const int named = ::mkostemp(name.data(), O_CLOEXEC);
  if (named >= 0) ::unlink(name.c_str());
  return named;
}

class SystemTemporaryFile final : public TemporaryFile {
 public:
  SystemTemporaryFile(int fd, const std::string& folder) : fd_(fd), what_("temporary file in " + folder) {}
  Status Append(std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t written = ::write(fd_.get(), bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return SystemError("can not write", what_, errno);
      bytes.remove_prefix(static_cast<size_t>(written));
      size_ += written;
    }
    return Status::OK();
  }
  Status ReadAt(int64_t offset, std::span<char> to) const override {
    return ReadFully(fd_.get(), what_, offset, to);
  }
  int64_t size() const override { return size_; }

 private:
  Descriptor fd_;
  const std::string what_;
  int64_t size_ = 0;
};

class FileInMemory final : public ReadableFile {
 public:
  explicit FileInMemory(std::string bytes) : bytes_(std::move(bytes)) {}
  int64_t size() const override { return static_cast<int64_t>(bytes_.size()); }
  Status ReadAt(int64_t offset, std::span<char> to) const override {
    if (offset < 0 || offset + static_cast<int64_t>(to.size()) > size())
      return Status::DataLoss("the file ends early.");
    std::memcpy(to.data(), bytes_.data() + offset, to.size());
    return Status::OK();
  }

 private:
  const std::string bytes_;
};

class SystemReadableFile final : public ReadableFile {
 public:
  SystemReadableFile(int fd, int64_t size, std::string path) : fd_(fd), size_(size), path_(std::move(path)) {}
  int64_t size() const override { return size_; }
  Status ReadAt(int64_t offset, std::span<char> to) const override {
    return ReadFully(fd_.get(), path_, offset, to);
  }

 private:
  Descriptor fd_;
  const int64_t size_;
  const std::string path_;
};

class SystemLock final : public FileLock {
 public:
  explicit SystemLock(int fd) : fd_(fd) {}
  int fd() const { return fd_.get(); }

 private:
  Descriptor fd_;  // closing it releases the lock
};

class SystemFiles final : public Files {
 public:
  Result<std::string> Read(const std::string& path) override {
    Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (fd.get() < 0) return SystemError("can not open", path, errno);
    struct stat about;
    if (::fstat(fd.get(), &about) != 0) return SystemError("can not stat", path, errno);
    if (S_ISDIR(about.st_mode)) return SystemError("can not read", path, EISDIR);
    std::string bytes(static_cast<size_t>(about.st_size), '\0');
    size_t at = 0;
    while (at < bytes.size()) {
      const ssize_t got = ::read(fd.get(), bytes.data() + at, bytes.size() - at);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return SystemError("can not read", path, errno);
      if (got == 0) break;
      at += static_cast<size_t>(got);
    }
    bytes.resize(at);
    return bytes;
  }

  Result<std::unique_ptr<ReadableFile>> Open(const std::string& path) override {
    Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (fd.get() < 0) return SystemError("can not open", path, errno);
    struct stat about;
    if (::fstat(fd.get(), &about) != 0) return SystemError("can not stat", path, errno);
    if (S_ISDIR(about.st_mode)) return SystemError("can not read", path, EISDIR);
    return std::unique_ptr<ReadableFile>(new SystemReadableFile(fd.Release(), about.st_size, path));
  }

  Result<FileIdentity> Identify(const std::string& path) override {
    struct stat about;
    if (::stat(path.c_str(), &about) != 0) return SystemError("can not stat", path, errno);
    const int64_t modified_ns = about.st_mtim.tv_sec * 1'000'000'000 + about.st_mtim.tv_nsec;
    timespec now;
    ::clock_gettime(CLOCK_REALTIME, &now);
    constexpr int64_t kTickNs = 20'000'000;  // longer than a tick of any kernel: 1 to 10 ms
    const int64_t age_ns = now.tv_sec * 1'000'000'000 + now.tv_nsec - modified_ns;
    return FileIdentity{about.st_ino, about.st_size, modified_ns, age_ns > kTickNs};
  }

  Result<std::unique_ptr<WritableFile>> Create(const std::string& path) override {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return SystemError("can not create", path, errno);
    return std::unique_ptr<WritableFile>(new SystemFile(fd, path));
  }

  Status Rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return SystemError("can not rename to", to, errno);
    return Status::OK();
  }

  Status RenameNew(const std::string& from, const std::string& to) override {
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return Status::OK();
    if (errno == EEXIST) return NameIsTaken(to);
    if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP)
      return SystemError("can not rename to", to, errno);
    // NFS and others do not know the flag; a second name for the file is as atomic.
    if (::link(from.c_str(), to.c_str()) == 0) return Remove(from);
    if (errno == EEXIST) return NameIsTaken(to);
    return SystemError("can not rename to", to, errno);
  }

  Status Remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return SystemError("can not remove", path, errno);
    return Status::OK();
  }

  Status CreateFolders(const std::string& path) override {
    if (::mkdir(path.c_str(), 0777) == 0) return SyncFolder(FolderOf(path));
    struct stat about;
    if (errno == EEXIST && ::stat(path.c_str(), &about) == 0 && S_ISDIR(about.st_mode)) return Status::OK();
    if (errno != ENOENT || FolderOf(path) == path)
      return SystemError("can not create folder", path, errno == EEXIST ? ENOTDIR : errno);
    SALVER_RETURN_NOT_OK(CreateFolders(FolderOf(path)));
    if (::mkdir(path.c_str(), 0777) != 0 && errno != EEXIST)
      return SystemError("can not create folder", path, errno);
    return SyncFolder(FolderOf(path));
  }

  Status SyncFolder(const std::string& path) override {
    Descriptor fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd.get() < 0) return SystemError("can not open folder", path, errno);
    if (::fsync(fd.get()) != 0) return SystemError("can not sync folder", path, errno);
    return Status::OK();
  }

  Result<std::unique_ptr<TemporaryFile>> CreateTemporary(const std::string& folder) override {
    SALVER_RETURN_NOT_OK(CreateFolders(folder));
    const int fd = OpenTemporary(folder);
    if (fd < 0) return SystemError("can not create a temporary file in", folder, errno);
    return std::unique_ptr<TemporaryFile>(new SystemTemporaryFile(fd, folder));
  }

  Result<std::unique_ptr<FileLock>> Lock(const std::string& path, Deadline deadline) override {
    for (;;) {
      auto lock = std::make_unique<SystemLock>(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
      const int fd = lock->fd();
      if (fd < 0) return SystemError("can not open lock", path, errno);
      while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) return SystemError("can not lock", path, errno);
        if (deadline.Passed()) {
          return Status::Unavailable("lock \"" + path +
                                     "\" is held by another process. Try again when it is done.");
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      // Whoever held it may have removed the file: then this lock is on a file that nobody else will find.
      struct stat held, named;
      if (::fstat(fd, &held) != 0) return SystemError("can not stat lock", path, errno);
      if (::stat(path.c_str(), &named) == 0 && named.st_ino == held.st_ino && named.st_dev == held.st_dev)
        return std::unique_ptr<FileLock>(std::move(lock));
    }
  }
};

}  // namespace

Files* Files::System() {
  static SystemFiles files;
  return &files;
}

Status Files::RenameNew(const std::string& from, const std::string& to) {
  const auto there = Identify(to);
  if (there.ok()) return NameIsTaken(to);
  if (there.status().code() != StatusCode::kNotFound) return there.status();
  return Rename(from, to);
}

Result<std::unique_ptr<TemporaryFile>> Files::CreateTemporary(const std::string& folder) {
  return System()->CreateTemporary(folder);
}

Result<std::unique_ptr<ReadableFile>> Files::Open(const std::string& path) {
  SALVER_ASSIGN(std::string bytes, Read(path));
  return std::unique_ptr<ReadableFile>(new FileInMemory(std::move(bytes)));
}

namespace {

// Writes and syncs a temporary file, and gives it its name with `rename`.
Status WriteAndName(Files* files, const std::string& path, const std::string& temporary,
                    std::string_view bytes, Status (Files::*rename)(const std::string&, const std::string&)) {
  const auto write = [&]() -> Status {
    SALVER_ASSIGN(auto file, files->Create(temporary));
    SALVER_RETURN_NOT_OK(file->Append(bytes));
    SALVER_RETURN_NOT_OK(file->Sync());
    SALVER_RETURN_NOT_OK(file->Close());
    return (files->*rename)(temporary, path);
  };
  if (const Status status = write(); !status.ok()) {
    (void)files->Remove(temporary);  // the error that counts is the first
    return status;
  }
  const Status synced = files->SyncFolder(FolderOf(path));
  if (synced.ok()) return synced;
  return Status(synced.code(),
                "\"" + path + "\" is written, but may not survive a power loss: " + synced.message());
}

}  // namespace

Status ReplaceFile(Files* files, const std::string& path, std::string_view bytes) {
  return WriteAndName(files, path, path + ".new", bytes, &Files::Rename);
}

Status CreateNewFile(Files* files, const std::string& path, std::string_view bytes) {
  // Others may be at it, in this process, in others, on other machines: each has a temporary file of its own,
  // and none takes up one that a crash left, which may be the file under its second name.
  std::random_device random;
  const std::string own = "." + std::to_string((uint64_t{random()} << 32) + random()) + ".new";
  return WriteAndName(files, path, path + own, bytes, &Files::RenameNew);
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string JoinPath(const std::string& folder, const std::string& path) {
  if (path.empty() || path.front() == '/' || folder.empty()) return path;
  return folder.back() == '/' ? folder + path : folder + "/" + path;
}

}  // namespace salver
