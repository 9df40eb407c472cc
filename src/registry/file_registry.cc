#include "registry/file_registry.h"

#include <google/protobuf/stubs/logging.h>
#include <xxhash.h>

#include <cstdio>
#include <mutex>
#include <optional>
#include <random>

#include "feast/core/Registry.pb.h"
#include "model/proto_time.h"
#include "model/wire.h"

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
    const auto identity = files_->Identify(path_);
    if (identity.status().code() == StatusCode::kNotFound) return Forget();
    if (!identity.ok()) return identity.status();
    if (identity->settled && identity_ == *identity && snapshot_ != nullptr) return snapshot_;
    SALVER_ASSIGN(const std::string bytes, files_->Read(path_));
    const uint64_t hash = XXH3_64bits(bytes.data(), bytes.size());
    if (snapshot_ == nullptr || hash != bytes_hash_ || !identity_) {
      SALVER_ASSIGN(snapshot_, OpenSealedRegistry(bytes, path_));
      bytes_hash_ = hash;
    }
    identity_ = *identity;  // of before the read: a change during it is seen at the next call
    return snapshot_;
  }

  Result<Snapshot> Update(const std::function<Status(RegistryProto*)>& change) override {
    SALVER_RETURN_NOT_OK(files_->CreateFolders(FolderOf(path_)));
    // Held while reading, changing and replacing: no other Salver comes between.
    SALVER_ASSIGN(const auto file_lock,
                  files_->Lock(path_ + ".lock", Deadline::After(std::chrono::seconds(30))));
    constexpr int kTries = 5;
    for (int i = 0; i < kTries; ++i) {
      SALVER_ASSIGN(const Snapshot before, Load());
      RegistryProto next = *before;
      SALVER_RETURN_NOT_OK(change(&next));
      next.set_registry_schema_version("1");
      next.set_version_id(NewVersionId());
      SetMicros(clock_->NowMicros(), next.mutable_last_updated());
      const std::string bytes = SealRegistry(std::move(next), before->seal().number() + 1);
      SALVER_ASSIGN(const Snapshot now, Load());
      if (now->version_id() != before->version_id()) continue;  // Feast has written: start from its work
      SALVER_RETURN_NOT_OK(ReplaceFile(files_, path_, bytes));
      return Load();
    }
    return Status::Aborted(
        "registry \"" + path_ +
            "\" is being changed by another program all the time. Run it again when that is done.",
        Reason::kRegistryConflict);
  }

  Status Teardown() override {
    const auto there = files_->Identify(path_);
    if (there.status().code() == StatusCode::kNotFound) return Status::OK();
    SALVER_ASSIGN(const auto file_lock,
                  files_->Lock(path_ + ".lock", Deadline::After(std::chrono::seconds(30))));
    SALVER_RETURN_NOT_OK(files_->Remove(path_));
    SALVER_RETURN_NOT_OK(files_->Remove(path_ + ".lock"));  // who waits for it notices, and makes a new one
    std::lock_guard lock(mutex_);
    Forget();
    return files_->SyncFolder(FolderOf(path_));
  }

 private:
  // There is no file: an empty registry, the same pointer again while that lasts.
  Snapshot Forget() {
    if (identity_ || snapshot_ == nullptr) snapshot_ = std::make_shared<const RegistryProto>();
    identity_.reset();
    return snapshot_;
  }

  Files* const files_;
  Clock* const clock_;
  const std::string path_;
  std::mutex mutex_;  // of what follows; never held while a change runs or bytes are synced
  std::optional<FileIdentity> identity_;  // none: snapshot_, if any, is the empty registry
  uint64_t bytes_hash_ = 0;               // of the bytes that snapshot_ was read from
  Snapshot snapshot_;
};

// Where the seals lie among the top-level fields of the file.
struct Seals {
  std::string_view first;  // the seal that the file begins with; empty when it begins with anything else
  std::string_view last;   // the seal that it ends with; empty when it ends with anything else
  int count = 0;
};

Seals FindSeals(std::string_view file) {
  Seals seals;
  wire::Reader reader(file);
  const char* begin = file.data();
  while (!reader.done() && reader.Next()) {
    const bool sealed = reader.field() == RegistryProto::kSealFieldNumber && reader.type() == wire::kBytes;
    if (!reader.Skip()) break;
    const char* end = reader.at();
    const std::string_view field(begin, static_cast<size_t>(end - begin));
    seals.count += sealed;
    if (sealed && begin == file.data()) seals.first = field;
    seals.last = sealed && end == file.data() + file.size() ? field : std::string_view();
    begin = end;
  }
  return seals;
}

}  // namespace

std::unique_ptr<Registry> NewFileRegistry(Files* files, Clock* clock, std::string path) {
  return std::make_unique<FileRegistry>(files, clock, std::move(path));
}

std::string NewVersionId() {
  // The system's, not a generator of ours: a forked child must not repeat its parent.
  std::random_device random;
  const auto draw = [&random] { return uint64_t{random()} << 32 | random(); };
  uint64_t high = draw(), low = draw();
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
  const std::string body = registry.SerializeAsString();
  // The fields of one message may come in any order, so the seal can go before the rest.
  RegistryProto sealed;
  sealed.mutable_seal()->set_version_id(registry.version_id());
  sealed.mutable_seal()->set_number(number);
  sealed.mutable_seal()->set_checksum(XXH3_64bits(body.data(), body.size()));
  const std::string seal = sealed.SerializeAsString();
  return seal + body + seal;
}

Result<Snapshot> OpenSealedRegistry(const std::string& bytes, const std::string& path) {
  const auto corrupt = [&](const char* what) {
    return Status::DataLoss("registry \"" + path + "\" " + what +
                            ". Restore the file from a backup, or remove it and apply the repository again.");
  };
  if (bytes.empty()) return corrupt("is an empty file, which no registry is");
  const google::protobuf::LogSilencer silence;  // what is wrong is said below
  const Seals seals = FindSeals(bytes);
  if (!seals.first.empty()) {
    RegistryProto sealed;
    if (!bytes.ends_with(seals.first) || bytes.size() < 2 * seals.first.size() ||
        !sealed.ParseFromArray(seals.first.data(), static_cast<int>(seals.first.size()))) {
      return corrupt("is damaged: its two seals are not the same");
    }
    const std::string_view body =
        std::string_view(bytes).substr(seals.first.size(), bytes.size() - 2 * seals.first.size());
    if (XXH3_64bits(body.data(), body.size()) != sealed.seal().checksum())
      return corrupt("is damaged: its checksum does not fit");
  } else if (seals.count == 1 && !seals.last.empty()) {
    return corrupt("is damaged: it ends with a seal and does not begin with it");
  }
  auto registry = std::make_shared<RegistryProto>();
  if (!registry->ParseFromString(bytes))
    return corrupt("is not a Feast registry, or was cut short: it can not be parsed");
  if (registry->registry_schema_version().empty())
    return corrupt("is not a Feast registry: it has no schema version");
  return Snapshot(registry);
}

}  // namespace salver
