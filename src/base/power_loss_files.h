// Files in memory that forget what was not synced: for tests of what survives when the power goes.
//
// Bytes survive after WritableFile::Sync, names (new files, renames, removals) after SyncFolder, folders at
// once. Every call that changes something is counted; at call number `power_off_at` the power goes: that call
// and all after it answer Unavailable, until PowerOn says what the disk had kept of the rest.
//
// Thread safety: all methods from any thread.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "base/files.h"

namespace salver {

// What a disk kept of bytes and names that were never synced. A real one may do any of these.
enum class PowerLoss {
  kNothingKept,           // neither bytes nor names
  kNamesKept,             // a renamed file has its new name and not its bytes
  kNamesAndHalfTheBytes,  // as before, with the first half of the bytes
  kBytesKept,             // the bytes of files that still have their old name
  kEverythingKept,
};
inline constexpr PowerLoss kEveryPowerLoss[] = {PowerLoss::kNothingKept, PowerLoss::kNamesKept,
                                                PowerLoss::kNamesAndHalfTheBytes, PowerLoss::kBytesKept,
                                                PowerLoss::kEverythingKept};

class PowerLossFiles final : public Files {
 public:
  Result<std::string> Read(const std::string& path) override;
  Result<FileIdentity> Identify(const std::string& path) override;
  Result<std::unique_ptr<WritableFile>> Create(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status CreateFolders(const std::string& path) override;
  Status SyncFolder(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path, Deadline deadline) override;

  // The power goes at the `calls`-th changing call from now (0: the next one).
  void PowerOffIn(int64_t calls);
  // The machine starts again with what `loss` left. Open files and locks of before are gone.
  void PowerOn(PowerLoss loss);
  // Changing calls so far.
  int64_t calls() const;
  bool power_is_off() const;

 private:
  class File;
  class HeldLock;
  // One file on disk, whatever it is called.
  struct Content {
    uint64_t number = 0;
    std::string bytes;   // as programs see them
    std::string synced;  // as the disk has them
    int64_t changed = 0;
  };
  using Names = std::map<std::string, std::shared_ptr<Content>>;

  Status Step();  // counts a changing call; Unavailable when the power is off

  mutable std::mutex mutex_;
  Names names_, synced_names_;
  std::set<std::string> locks_;
  int64_t calls_ = 0;
  int64_t power_off_at_ = -1;  // -1: never
  bool off_ = false;
  uint64_t starts_ = 0;
  uint64_t next_number_ = 1;
};

}  // namespace salver
