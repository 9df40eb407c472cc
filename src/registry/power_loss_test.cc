// Power loss at every call to the file layer of an apply and of the recording of an interval, with everything
// that a disk may have kept: the registry opens, and holds the old version or the new one; acknowledged work
// is there.
#include <gtest/gtest.h>

#include "base/power_loss_files.h"
#include "registry/apply.h"
#include "registry/file_registry.h"

namespace salver {
namespace {

using RegistryProto = feast::core::Registry;
constexpr char kPath[] = "data/registry.db";

// Passes every call on; planted bugs override one.
class ForwardingFiles : public Files {
 public:
  explicit ForwardingFiles(Files* to) : to_(to) {}
  Result<std::string> Read(const std::string& path) override { return to_->Read(path); }
  Result<FileIdentity> Identify(const std::string& path) override { return to_->Identify(path); }
  Result<std::unique_ptr<WritableFile>> Create(const std::string& path) override { return to_->Create(path); }
  Status Rename(const std::string& from, const std::string& to) override { return to_->Rename(from, to); }
  Status Remove(const std::string& path) override { return to_->Remove(path); }
  Status CreateFolders(const std::string& path) override { return to_->CreateFolders(path); }
  Status SyncFolder(const std::string& path) override { return to_->SyncFolder(path); }
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path, Deadline deadline) override {
    return to_->Lock(path, deadline);
  }

 protected:
  Files* const to_;
};

// Bug: files are never synced.
class NoSync final : public ForwardingFiles {
  class Unsynced final : public WritableFile {
   public:
    explicit Unsynced(std::unique_ptr<WritableFile> file) : file_(std::move(file)) {}
    Status Append(std::string_view bytes) override { return file_->Append(bytes); }
    Status Sync() override { return Status::OK(); }
    Status Close() override { return file_->Close(); }

   private:
    std::unique_ptr<WritableFile> file_;
  };

 public:
  using ForwardingFiles::ForwardingFiles;
  Result<std::unique_ptr<WritableFile>> Create(const std::string& path) override {
    SALVER_ASSIGN(auto file, to_->Create(path));
    return std::unique_ptr<WritableFile>(new Unsynced(std::move(file)));
  }
};

// Bug: the temporary file is the file itself, written in place.
class NoRename final : public ForwardingFiles {
 public:
  using ForwardingFiles::ForwardingFiles;
  Result<std::unique_ptr<WritableFile>> Create(const std::string&) override { return to_->Create(kPath); }
  Status Rename(const std::string&, const std::string&) override { return Status::OK(); }
};

// Bug: the folder is not synced after the rename.
class NoFolderSync final : public ForwardingFiles {
 public:
  using ForwardingFiles::ForwardingFiles;
  Status SyncFolder(const std::string&) override { return Status::OK(); }
};

Definitions WithFeature(int count) {
  Definitions definitions;
  auto* entity = definitions.registry.add_entities()->mutable_spec();
  entity->set_name("driver");
  entity->set_join_key("driver_id");
  entity->set_value_type(feast::types::ValueType::INT64);
  auto* source = definitions.registry.add_data_sources();
  source->set_name("stats");
  source->set_type(feast::core::DataSource::BATCH_FILE);
  source->set_timestamp_field("ts");
  source->mutable_file_options()->set_uri("stats.parquet");
  auto* view = definitions.registry.add_feature_views()->mutable_spec();
  view->set_name("driver_stats");
  view->add_entities("driver");
  view->set_online(true);
  *view->mutable_batch_source() = *source;
  for (int i = 0; i < count; ++i) {
    auto* feature = view->add_features();
    feature->set_name("f" + std::to_string(i));
    feature->set_value_type(feast::types::ValueType::INT64);
  }
  InferDefinitions(nullptr, "p", &definitions);
  ValidateDefinitions(&definitions);
  EXPECT_TRUE(definitions.ToStatus().ok()) << definitions.ToStatus().ToString();
  return definitions;
}

using Change = std::function<Status(RegistryProto*)>;

Change Apply(int features) {
  return [features](RegistryProto* registry) {
    ApplyDefinitions(WithFeature(features), {"p", false, 1000 + features, ""}, registry);
    return Status::OK();
  };
}

Change Record(int64_t start_us, int64_t end_us) {
  return [=](RegistryProto* registry) {
    return RecordInterval("p", "driver_stats", {start_us, end_us}, 5, end_us, registry);
  };
}

// One crash: `before` steps done in peace, then `step` with the power going at call `k`. Returns what is
// wrong, or
// "". Sets `done` when the step ended before the power went.
std::string Crash(const std::vector<Change>& before, const Change& step, int k, PowerLoss loss,
                  const std::function<std::unique_ptr<Files>(Files*)>& plant, bool* done) {
  PowerLossFiles disk;
  const auto files = plant(&disk);
  std::string old_version, new_version;
  for (const Change& change : before) {
    const auto result = NewFileRegistry(files.get(), Clock::System(), kPath)->Update(change);
    if (!result.ok()) return "could not begin: " + result.status().ToString();
    old_version = (*result)->version_id();
  }
  disk.PowerOffIn(k);
  auto registry = NewFileRegistry(files.get(), Clock::System(), kPath);
  const auto result = registry->Update([&](RegistryProto* next) { return step(next); });
  *done = result.ok() && !disk.power_is_off();
  if (result.ok()) new_version = (*result)->version_id();
  disk.PowerOn(loss);
  const auto after = NewFileRegistry(&disk, Clock::System(), kPath)->Load();
  if (!after.ok()) return "can not be opened: " + after.status().ToString();
  const std::string& version = (*after)->version_id();
  if (result.ok() && version != new_version) return "acknowledged and lost";
  if (version == old_version || version == new_version) return "";
  // Not acknowledged, but there: it must be the whole of the new version.
  RegistryProto expected = **after;
  RegistryProto again = expected;
  if (!step(&again).ok()) return "the new version is not whole";
  again.clear_seal();
  expected.clear_seal();
  return again.SerializeAsString().size() == expected.SerializeAsString().size() ? "" : "neither old nor new";
}

// All crashes of a step; the problems found.
std::set<std::string> CrashEverywhere(const std::vector<Change>& before, const Change& step,
                                      const std::function<std::unique_ptr<Files>(Files*)>& plant,
                                      int* crashes) {
  std::set<std::string> problems;
  for (const PowerLoss loss : kEveryPowerLoss) {
    bool done = false;
    for (int k = 0; !done; ++k) {
      const std::string problem = Crash(before, step, k, loss, plant, &done);
      if (!problem.empty()) problems.insert(problem.substr(0, 40));
      ++*crashes;
      if (k > 100) return {"the step never ends"};
    }
  }
  return problems;
}

struct Step {
  const char* name;
  std::vector<Change> before;
  Change step;
};

std::vector<Step> Steps() {
  return {{"the first apply", {}, Apply(2)},
          {"an apply that adds a feature", {Apply(2)}, Apply(3)},
          {"the first interval", {Apply(2)}, Record(0, 10)},
          {"an interval that joins another", {Apply(2), Record(0, 10)}, Record(5, 20)}};
}

template <typename Bug>
std::unique_ptr<Files> Plant(Files* disk) {
  return std::make_unique<Bug>(disk);
}

TEST(PowerLoss, AtEveryCallLeavesTheOldRegistryOrTheNew) {
  int crashes = 0;
  for (const Step& step : Steps()) {
    const auto problems = CrashEverywhere(step.before, step.step, Plant<ForwardingFiles>, &crashes);
    EXPECT_TRUE(problems.empty()) << step.name << ": " << *problems.begin();
  }
  EXPECT_GE(crashes,
            4 * 5 * 6);  // create, append, sync, close, rename, folder sync, each with five kinds of loss
}

TEST(PowerLoss, TheHarnessFindsPlantedBugs) {
  for (const Step& step : Steps()) {
    int crashes = 0;
    EXPECT_FALSE(CrashEverywhere(step.before, step.step, Plant<NoSync>, &crashes).empty()) << step.name;
    EXPECT_FALSE(CrashEverywhere(step.before, step.step, Plant<NoRename>, &crashes).empty()) << step.name;
    EXPECT_FALSE(CrashEverywhere(step.before, step.step, Plant<NoFolderSync>, &crashes).empty()) << step.name;
  }
}

TEST(PowerLoss, AfterACrashTheSameStepGivesTheSameRegistry) {
  const auto steps = Steps();
  const auto view_of = [](const RegistryProto& registry) {
    RegistryProto only;
    *only.mutable_feature_views() = registry.feature_views();
    return only.SerializeAsString();
  };
  PowerLossFiles peace;
  std::string expected;
  for (const Change& change : {Apply(2), Record(0, 10), Record(20, 30)}) {
    const auto result = NewFileRegistry(&peace, Clock::System(), kPath)->Update(change);
    ASSERT_TRUE(result.ok());
    expected = view_of(**result);
  }
  for (int k = 0; k < 8; ++k) {
    PowerLossFiles disk;
    std::string got;
    for (const Change& change : {Apply(2), Record(0, 10), Record(20, 30)}) {
      disk.PowerOffIn(k);
      auto result = NewFileRegistry(&disk, Clock::System(), kPath)->Update(change);
      disk.PowerOn(PowerLoss::kNothingKept);
      if (!result.ok()) result = NewFileRegistry(&disk, Clock::System(), kPath)->Update(change);
      ASSERT_TRUE(result.ok()) << result.status().ToString();
      got = view_of(**result);
    }
    EXPECT_EQ(got, expected) << "power off at " << k;
  }
}

}  // namespace
}  // namespace salver
