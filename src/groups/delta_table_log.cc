#include <algorithm>
#include <mutex>
#include <set>

#include "groups/parquet_part.h"
#include "groups/table_log.h"
#include "registry/file_registry.h"
#include "source/delta_log.h"

namespace salver {
namespace {

// A manifest's number is the version of the Delta table and one: 0 is the table before its first commit.
class DeltaTableLog final : public TableLog {
 public:
  DeltaTableLog(std::string folder, std::string time_column, Files* files, Clock* clock)
      : folder_(std::move(folder)), time_column_(std::move(time_column)), files_(files), clock_(clock) {}

  Result<ManifestPtr> Read(bool again) override {
    std::lock_guard lock(mutex_);
    if (again && version_.number >= 0 && !HasDeltaVersion(files_, folder_, version_)) {
      version_ = {};
      manifest_ = nullptr;
    }
    return ReadOn();
  }

  // Random: files that killed writes left, and those of older versions, keep their names.
  std::string NewFileName(Manifest*) override { return "part-" + NewVersionId() + ".parquet"; }

  Status Commit(const Manifest& before, const arrow::Schema& schema, Manifest* next) override {
    std::lock_guard lock(mutex_);
    if (version_.number < 0) {
      SALVER_RETURN_NOT_OK(CreateDeltaLog(files_, folder_, schema, clock_->NowMicros()));
      SALVER_RETURN_NOT_OK(ReadOn().status());
    }
    // Not on top of what others committed since, whoever read it in between.
    if (version_.number != std::max<int64_t>(static_cast<int64_t>(before.number()) - 1, 0)) {
      return Status::AlreadyExists("another program committed to the Delta table at \"" + folder_ +
                                   "\" at the same time. Nothing was written; try again.");
    }
    SALVER_ASSIGN(const std::string fields, DeltaSchema(schema));
    DeltaCommit commit{.schema = fields, .event_time_column = time_column_};
    const auto names = [](const Manifest& manifest) {
      std::set<std::string> all;
      for (const auto& file : manifest.files()) all.insert(file.name());
      return all;
    };
    const auto old_names = names(before), new_names = names(*next);
    for (const DeltaFile& file : version_.files)
      if (!new_names.contains(file.name)) commit.removed.push_back(file);
    for (const auto& file : next->files()) {
      if (old_names.contains(file.name())) continue;
      commit.added.push_back({.name = file.name(),
                              .bytes = file.bytes(),
                              .rows = file.rows(),
                              .min_event_us = file.min_event_us(),
                              .max_event_us = file.max_event_us()});
    }
    return CommitToDelta(files_, folder_, version_, commit, clock_->NowMicros());
  }

 private:
  // Under the mutex: from version_ on.
  Result<ManifestPtr> ReadOn() {
    const int64_t known = version_.number;
    SALVER_RETURN_NOT_OK(ReplayDeltaLog(files_, folder_, &version_));
    if (manifest_ != nullptr && version_.number == known) return manifest_;
    manifest_ = nullptr;  // until this one is whole
    auto manifest = std::make_shared<Manifest>();
    manifest->set_table_id(version_.table_id);
    manifest->set_number(static_cast<uint64_t>(version_.number + 1));
    manifest->set_committed_us(version_.committed_us);
    for (DeltaFile& file : version_.files) {
      if (file.rows < 0) {  // written by a program that says less
        SALVER_ASSIGN(const auto part, ParquetPart::Open(files_, JoinPath(folder_, file.name)));
        file.rows = part->rows();
      }
      auto* named = manifest->add_files();
      named->set_name(file.name);
      named->set_rows(file.rows);
      named->set_bytes(file.bytes);
      named->set_min_event_us(file.min_event_us);
      named->set_max_event_us(file.max_event_us);
    }
    manifest_ = std::move(manifest);
    return manifest_;
  }

  const std::string folder_, time_column_;
  Files* const files_;
  Clock* const clock_;
  std::mutex mutex_;
  DeltaVersion version_;
  ManifestPtr manifest_;
};

}  // namespace

std::unique_ptr<TableLog> NewDeltaTableLog(std::string folder, std::string time_column, Files* files,
                                           Clock* clock) {
  return std::make_unique<DeltaTableLog>(std::move(folder), std::move(time_column), files, clock);
}

}  // namespace salver
