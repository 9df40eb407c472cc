#include "base/power_loss_files.h"

#include <thread>

namespace salver {
namespace {

Status PowerIsOff() {
  return Status::Unavailable("the power is off.");
}

}  // namespace

class PowerLossFiles::File final : public WritableFile {
 public:
  File(PowerLossFiles* files, std::shared_ptr<Content> content)
      : files_(files), content_(std::move(content)), start_(files->starts_) {}

  Status Append(std::string_view bytes) override {
    return Change([&] { content_->bytes += bytes; });
  }
  Status Sync() override {
    return Change([&] { content_->synced = content_->bytes; });
  }
  Status Close() override {
    return Change([] {});
  }

 private:
  template <typename Act>
  Status Change(Act act) {
    std::lock_guard lock(files_->mutex_);
    if (start_ != files_->starts_) return PowerIsOff();
    SALVER_RETURN_NOT_OK(files_->Step());
    act();
    content_->changed = files_->calls_;
    return Status::OK();
  }

  PowerLossFiles* const files_;
  const std::shared_ptr<Content> content_;
  const uint64_t start_;
};

class PowerLossFiles::HeldLock final : public FileLock {
 public:
  HeldLock(PowerLossFiles* files, std::string path)
      : files_(files), path_(std::move(path)), start_(files->starts_) {}
  ~HeldLock() override {
    std::lock_guard lock(files_->mutex_);
    if (start_ == files_->starts_) files_->locks_.erase(path_);
  }

 private:
  PowerLossFiles* const files_;
  const std::string path_;
  const uint64_t start_;
};

Status PowerLossFiles::Step() {
  if (off_ || calls_ == power_off_at_) {
    off_ = true;
    return PowerIsOff();
  }
  ++calls_;
  return Status::OK();
}

Result<std::string> PowerLossFiles::Read(const std::string& path) {
  std::lock_guard lock(mutex_);
  if (off_) return PowerIsOff();
  const auto found = names_.find(path);
  if (found == names_.end()) return Status::NotFound("can not open \"" + path + "\": no such file.");
  return found->second->bytes;
}

Result<FileIdentity> PowerLossFiles::Identify(const std::string& path) {
  std::lock_guard lock(mutex_);
  if (off_) return PowerIsOff();
  const auto found = names_.find(path);
  if (found == names_.end()) return Status::NotFound("can not stat \"" + path + "\": no such file.");
  const Content& content = *found->second;
  return FileIdentity{content.number, static_cast<int64_t>(content.bytes.size()), content.changed, true};
}

Result<std::unique_ptr<WritableFile>> PowerLossFiles::Create(const std::string& path) {
  std::lock_guard lock(mutex_);
  SALVER_RETURN_NOT_OK(Step());
  std::shared_ptr<Content>& content = names_[path];
  if (content == nullptr) {
    content = std::make_shared<Content>();
    content->number = next_number_++;
  }
  content->bytes.clear();  // the same file, cut: what the disk has of it stays until the next sync
  content->changed = calls_;
  return std::unique_ptr<WritableFile>(new File(this, content));
}

Status PowerLossFiles::Rename(const std::string& from, const std::string& to) {
  std::lock_guard lock(mutex_);
  SALVER_RETURN_NOT_OK(Step());
  const auto found = names_.find(from);
  if (found == names_.end()) return Status::NotFound("can not rename \"" + from + "\": no such file.");
  names_[to] = found->second;
  names_.erase(from);
  return Status::OK();
}

Status PowerLossFiles::Remove(const std::string& path) {
  std::lock_guard lock(mutex_);
  SALVER_RETURN_NOT_OK(Step());
  names_.erase(path);
  return Status::OK();
}

Status PowerLossFiles::CreateFolders(const std::string&) {
  std::lock_guard lock(mutex_);
  return Step();
}

Status PowerLossFiles::SyncFolder(const std::string& path) {
  std::lock_guard lock(mutex_);
  SALVER_RETURN_NOT_OK(Step());
  std::erase_if(synced_names_, [&](const auto& entry) { return FolderOf(entry.first) == path; });
  for (const auto& [name, content] : names_) {
    if (FolderOf(name) == path) synced_names_[name] = content;
  }
  return Status::OK();
}

Result<std::unique_ptr<FileLock>> PowerLossFiles::Lock(const std::string& path, Deadline deadline) {
  for (;;) {
    {
      std::lock_guard lock(mutex_);
      if (off_) return PowerIsOff();
      if (locks_.insert(path).second) return std::unique_ptr<FileLock>(new HeldLock(this, path));
    }
    if (deadline.Passed()) return Status::Unavailable("lock \"" + path + "\" is held.");
    std::this_thread::yield();
  }
}

void PowerLossFiles::PowerOffIn(int64_t calls) {
  std::lock_guard lock(mutex_);
  power_off_at_ = calls_ + calls;
}

void PowerLossFiles::PowerOn(PowerLoss loss) {
  std::lock_guard lock(mutex_);
  const bool names_kept = loss != PowerLoss::kNothingKept && loss != PowerLoss::kBytesKept;
  if (!names_kept) names_ = synced_names_;
  for (const auto& [name, content] : names_) {
    if (loss == PowerLoss::kNothingKept || loss == PowerLoss::kNamesKept) {
      content->bytes = content->synced;
    } else if (loss == PowerLoss::kNamesAndHalfTheBytes && content->bytes != content->synced) {
      content->bytes.resize(content->bytes.size() / 2);
    }
    content->synced = content->bytes;
    content->changed = calls_ + 1;  // identities of before must not fit
  }
  ++calls_;
  synced_names_ = names_;
  locks_.clear();
  power_off_at_ = -1;
  off_ = false;
  ++starts_;
}

int64_t PowerLossFiles::calls() const {
  std::lock_guard lock(mutex_);
  return calls_;
}

bool PowerLossFiles::power_is_off() const {
  std::lock_guard lock(mutex_);
  return off_;
}

}  // namespace salver
