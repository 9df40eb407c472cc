#include <algorithm>
#include <cstdio>
#include <mutex>
#include <vector>

#include "groups/table_log.h"
#include "registry/file_registry.h"
#include "source/table_manifest.h"

namespace salver {
namespace {

class ManifestLog final : public TableLog {
 public:
  ManifestLog(std::string folder, Files* files, Clock* clock)
      : folder_(std::move(folder)), files_(files), clock_(clock) {}

  Result<ManifestPtr> Read(bool again) override {
    const auto identity = files_->Identify(PathOf(kTableManifest));
    std::lock_guard lock(mutex_);
    if (!again && identity.ok() && manifest_ != nullptr && identity->settled && *identity == identity_)
      return manifest_;
    SALVER_ASSIGN(manifest_, ReadOrStart());
    identity_ = identity.ok() ? *identity : FileIdentity{};
    return manifest_;
  }

  std::string NewFileName(Manifest* next) override {
    // What a killed write left under this name is overwritten.
    char name[32];
    std::snprintf(name, sizeof name, "%08llu.parquet", static_cast<unsigned long long>(next->next_file()));
    next->set_next_file(next->next_file() + 1);
    return name;
  }

  Status Commit(const Manifest& before, const arrow::Schema&, Manifest* next) override {
    next->set_number(before.number() + 1);
    next->set_committed_us(clock_->NowMicros());
    std::vector<std::string> undropped(before.dropped().begin(), before.dropped().end());
    next->clear_dropped();
    for (const auto& file : before.files()) {
      const bool stays =
          std::any_of(next->files().begin(), next->files().end(),
                      [&](const Manifest::File& other) { return other.name() == file.name(); });
      if (!stays) next->add_dropped(file.name());
    }
    SALVER_RETURN_NOT_OK(WriteTableManifest(files_, folder_, *next));
    // The rows are there: what can not be removed now is removed by the next write.
    for (const std::string& name : undropped) (void)files_->Remove(PathOf(name));
    for (const std::string& name : next->dropped()) (void)files_->Remove(PathOf(name));
    return Status::OK();
  }

 private:
  std::string PathOf(const std::string& name) const { return JoinPath(folder_, name); }

  Result<ManifestPtr> ReadOrStart() {
    auto manifest = ReadTableManifest(files_, folder_);
    if (manifest.status().code() == StatusCode::kNotFound) {
      auto start = std::make_shared<Manifest>();
      start->set_table_id(NewVersionId());
      start->set_next_file(1);
      return ManifestPtr(std::move(start));
    }
    if (!manifest.ok()) return manifest.status();
    return ManifestPtr(std::make_shared<Manifest>(std::move(manifest).value()));
  }

  const std::string folder_;
  Files* const files_;
  Clock* const clock_;
  std::mutex mutex_;
  ManifestPtr manifest_;
  FileIdentity identity_;
};

}  // namespace

std::unique_ptr<TableLog> NewManifestLog(std::string folder, Files* files, Clock* clock) {
  return std::make_unique<ManifestLog>(std::move(folder), files, clock);
}

std::unique_ptr<TableLog> NewTableLog(const std::string& format, std::string folder, std::string time_column,
                                      Files* files, Clock* clock) {
  if (format == "delta") return NewDeltaTableLog(std::move(folder), std::move(time_column), files, clock);
  return NewManifestLog(std::move(folder), files, clock);
}

}  // namespace salver
