#include "base/power_loss_files.h"

namespace salver {

class PowerLossFile final : public WritableFile {
 public:
  PowerLossFile(PowerLossFiles* files, std::shared_ptr<PowerLossFiles::Node> node)
      : files_(files), node_(std::move(node)) {}
  Status Append(std::string_view bytes) override {
    // Half of the bytes reach the file before the power goes: a torn write.
    const Status step = files_->Step();
    node_->now += step.ok() ? bytes : bytes.substr(0, bytes.size() / 2);
    ++files_->changes_;
    return step;
  }
  Status Sync() override {
    SALVER_RETURN_NOT_OK(files_->Step());
    if (files_->fault_ != PowerLossFiles::Fault::kNoSync) node_->durable = node_->now;
    return Status::OK();
  }
  Status Close() override { return Status::OK(); }

 private:
  PowerLossFiles* const files_;
  const std::shared_ptr<PowerLossFiles::Node> node_;
};

Status PowerLossFiles::Step() {
  if (operations_ >= crash_after_) return Status::Unavailable("the power has gone (simulated).");
  ++operations_;
  return Status::OK();
}

std::unique_ptr<PowerLossFiles> PowerLossFiles::Survivor() const {
  auto survivor = std::make_unique<PowerLossFiles>();
  for (const auto& [name, node] : durable_names_) {
    auto kept = std::make_shared<Node>(Node{node->durable, node->durable, survivor->next_id_++});
    survivor->names_[name] = kept;
    survivor->durable_names_[name] = kept;
  }
  return survivor;
}

Result<std::string> PowerLossFiles::Read(const std::string& path) {
  const auto found = names_.find(path);
  if (found == names_.end()) return Status::NotFound("no file \"" + path + "\".");
  return found->second->now;
}

Result<FileIdentity> PowerLossFiles::Identify(const std::string& path) {
  const auto found = names_.find(path);
  if (found == names_.end()) return Status::NotFound("no file \"" + path + "\".");
  return FileIdentity{found->second->id, static_cast<int64_t>(found->second->now.size()), changes_};
}

Result<std::unique_ptr<WritableFile>> PowerLossFiles::Create(const std::string& path) {
  SALVER_RETURN_NOT_OK(Step());
  auto node = std::make_shared<Node>();
  node->id = next_id_++;
  names_[path] = node;
  return std::unique_ptr<WritableFile>(new PowerLossFile(this, std::move(node)));
}

Status PowerLossFiles::Rename(const std::string& from, const std::string& to) {
  SALVER_RETURN_NOT_OK(Step());
  const auto found = names_.find(from);
  if (found == names_.end()) return Status::NotFound("no file \"" + from + "\".");
  ++changes_;
  const auto there = names_.find(to);
  if (fault_ == Fault::kRenameByCopy && there != names_.end()) {
    // In place: the old contents are gone before the new ones are safe.
    there->second->now = found->second->now;
    there->second->durable.clear();
    names_.erase(found);
    return Status::OK();
  }
  names_[to] = found->second;
  names_.erase(from);
  return Status::OK();
}

Status PowerLossFiles::Remove(const std::string& path) {
  SALVER_RETURN_NOT_OK(Step());
  names_.erase(path);
  return Status::OK();
}

Status PowerLossFiles::SyncFolder(const std::string&) {
  SALVER_RETURN_NOT_OK(Step());
  if (fault_ != Fault::kNoFolderSync) durable_names_ = names_;
  return Status::OK();
}

Result<std::unique_ptr<FileLock>> PowerLossFiles::Lock(const std::string&, Deadline) {
  return std::make_unique<FileLock>();
}

}  // namespace salver
