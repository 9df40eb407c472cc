#include "registry/file_registry.h"

#include <xxhash.h>

#include <mutex>
#include <optional>
#include <random>

#include "feast/core/Registry.pb.h"
#include "model/proto_time.h"

namespace salver {
namespace {

using RegistryProto = feast::core::Registry;
using Snapshot = std::shared_ptr<const RegistryProto>;

class FileRegistry final : public Registry {
 public:
  FileRegistry(Files* files, Clock* clock, std::string path)
      : files_(files), clock_(clock), path_(std::move(path)) {}

  Result<Snapshot> Load() override {
    std::lock_guard lock(mutex_);
    return LoadLocked();
  }

  Result<Snapshot> Update(const std::function<Status(RegistryProto*)>& change) override {
    SALVER_RETURN_NOT_OK(files_->CreateFolders(FolderOf(path_)));
    // Held while reading, changing and replacing: nobody who asks for the lock can come between.
    SALVER_ASSIGN(const auto file_lock,
                  files_->Lock(path_ + ".lock", Deadline::After(std::chrono::seconds(30))));
    std::lock_guard lock(mutex_);
    SALVER_ASSIGN(const Snapshot before, LoadLocked());
    RegistryProto next = *before;
    SALVER_RETURN_NOT_OK(change(&next));
    const uint64_t number = before->seal().number() + 1;
    next.set_registry_schema_version("1");
    next.set_version_id(NewVersionId());
    SetMicros(clock_->NowMicros(), next.mutable_last_updated());
    // Feast takes no lock: if it has written since, its work must not be undone.
    SALVER_ASSIGN(const Snapshot now, LoadLocked());
    if (now->version_id() != before->version_id()) {
      return Status::Aborted(
          "registry \"" + path_ +
              "\" was changed by another program while this change was made. Run it again.",
          Reason::kRegistryConflict);
    }
    SALVER_RETURN_NOT_OK(ReplaceFile(files_, path_, SealRegistry(std::move(next), number)));
    return LoadLocked();
  }

  Status Teardown() override {
    std::lock_guard lock(mutex_);
    SALVER_RETURN_NOT_OK(files_->Remove(path_));
    SALVER_RETURN_NOT_OK(files_->Remove(path_ + ".lock"));
    snapshot_.reset();
    identity_.reset();
    return Status::OK();
  }

 private:
  Result<Snapshot> LoadLocked() {
    const auto identity = files_->Identify(path_);
    if (identity.status().code() == StatusCode::kNotFound) return std::make_shared<const RegistryProto>();
    if (!identity.ok()) return identity.status();
    if (identity_ == *identity && snapshot_ != nullptr) return snapshot_;
    SALVER_ASSIGN(const std::string bytes, files_->Read(path_));
    SALVER_ASSIGN(snapshot_, OpenSealedRegistry(bytes, path_));
    identity_ = *identity;  // of before the read: a change during it is seen at the next call
    return snapshot_;
  }

  Files* const files_;
  Clock* const clock_;
  const std::string path_;
  std::mutex mutex_;
  std::optional<FileIdentity> identity_;
  Snapshot snapshot_;
};

std::string Serialized(const RegistryProto& registry) {
  return registry.SerializeAsString();
}

}  // namespace

std::unique_ptr<Registry> NewFileRegistry(Files* files, Clock* clock, std::string path) {
  return std::make_unique<FileRegistry>(files, clock, std::move(path));
}

std::string NewVersionId() {
  static thread_local std::mt19937_64 random{std::random_device{}()};
  uint64_t high = random(), low = random();
  high = (high & ~uint64_t{0xf000}) | 0x4000;                // version 4
  low = (low & ~(uint64_t{3} << 62)) | (uint64_t{2} << 62);  // variant 1
  char text[40];
  std::snprintf(text, sizeof text, "%08x-%04x-%04x-%04x-%012llx", static_cast<unsigned>(high >> 32),
                static_cast<unsigned>(high >> 16 & 0xffff), static_cast<unsigned>(high & 0xffff),
                static_cast<unsigned>(low >> 48), static_cast<unsigned long long>(low & 0xffffffffffffULL));
  return text;
}

std::string SealRegistry(RegistryProto registry, uint64_t number) {
  registry.clear_seal();
  std::string bytes = Serialized(registry);
  RegistryProto sealed;  // concatenated messages merge, so the seal can be appended
  sealed.mutable_seal()->set_version_id(registry.version_id());
  sealed.mutable_seal()->set_number(number);
  sealed.mutable_seal()->set_checksum(XXH3_64bits(bytes.data(), bytes.size()));
  return bytes + Serialized(sealed);
}

Result<Snapshot> OpenSealedRegistry(const std::string& bytes, const std::string& path) {
  const auto corrupt = [&](const char* what) {
    return Status::DataLoss("registry \"" + path + "\" " + what +
                            ". Restore the file from a backup, or remove it and apply the repository again.");
  };
  auto registry = std::make_shared<RegistryProto>();
  if (!registry->ParseFromString(bytes)) return corrupt("is not a Feast registry: it can not be parsed");
  if (registry->registry_schema_version().empty())
    return corrupt("is not a Feast registry: it has no schema version");
  if (!registry->has_seal() || registry->seal().version_id() != registry->version_id())
    return Snapshot(registry);
  RegistryProto sealed;
  *sealed.mutable_seal() = registry->seal();
  const size_t seal_size = sealed.ByteSizeLong();
  if (seal_size > bytes.size()) return corrupt("is damaged: it ends early");
  if (XXH3_64bits(bytes.data(), bytes.size() - seal_size) != registry->seal().checksum()) {
    return corrupt("is damaged: its checksum does not fit");
  }
  return Snapshot(registry);
}

}  // namespace salver
