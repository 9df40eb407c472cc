// A Files for tests: in memory, and it forgets at power loss what real disks may forget. Bytes written after
// the last Sync of a file are dropped; names created, renamed or removed after the last SyncFolder are
// undone.
//
// Every operation that changes something counts. After `crash_after` of them all calls fail, as if the power
// had gone; Survivor() is what the next start of the machine would find. Thread safety: none.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/files.h"

namespace salver {

class PowerLossFiles final : public Files {
 public:
  // What a careless caller would leave out: each makes that step a no-op that says OK, for harnesses to be
  // caught with.
  enum class Fault { kNone, kNoSync, kNoFolderSync, kRenameByCopy };

  explicit PowerLossFiles(int crash_after = 1 << 30, Fault fault = Fault::kNone)
      : crash_after_(crash_after), fault_(fault) {}

  // The files as they are after power loss, in a fresh, healthy instance.
  std::unique_ptr<PowerLossFiles> Survivor() const;
  int operations() const { return operations_; }

  Result<std::string> Read(const std::string& path) override;
  Result<FileIdentity> Identify(const std::string& path) override;
  Result<std::unique_ptr<WritableFile>> Create(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status CreateFolders(const std::string&) override { return Status::OK(); }
  Status SyncFolder(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> Lock(const std::string&, Deadline) override;

  struct Node {
    std::string now, durable;  // contents: as read, and as synced
    uint64_t id = 0;
  };

 private:
  friend class PowerLossFile;
  using Names = std::map<std::string, std::shared_ptr<Node>>;

  // Counts one operation; fails from the crash on.
  Status Step();

  const int crash_after_;
  const Fault fault_;
  int operations_ = 0;
  uint64_t next_id_ = 1;
  int64_t changes_ = 0;
  Names names_, durable_names_;
};

}  // namespace salver
