// Disks that are full: a small file system that only the test's own process sees, with less and less room on
// it. Whatever writes there says so and names the place, leaves nothing of what it began, loses nothing that
// was there, and registers nothing. Everything above and including the store has its turn here.
#include <arrow/builder.h>
#include <arrow/compute/cast.h>
#include <arrow/table.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>

#include "groups/group_fixture.h"
#include "offline/offline_stores.h"
#include "salver/feature_store.h"
#include "source/table_file.h"
#include "test/test_folder.h"

namespace salver {
namespace {

namespace fs = std::filesystem;
using TablePtr = std::shared_ptr<arrow::Table>;

constexpr size_t kDiskBytes = 24 << 20;

// A disk at `folder` for the calling process, which must have one thread. Without the right to it, in a user
// namespace where it has; false where that is not allowed either.
bool MountDisk(const std::string& folder) {
  if (::unshare(CLONE_NEWNS) != 0) {
    const std::string user = "0 " + std::to_string(::getuid()) + " 1",
                      group = "0 " + std::to_string(::getgid()) + " 1";
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
    std::ofstream("/proc/self/setgroups") << "deny";
    std::ofstream("/proc/self/uid_map") << user;
    std::ofstream("/proc/self/gid_map") << group;
  }
  const std::string size = "size=" + std::to_string(kDiskBytes);
  return ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount("none", folder.c_str(), "tmpfs", 0, size.c_str()) == 0;
}

bool CanMountDisk() {
  const TestFolder folder;
  const pid_t child = ::fork();
  if (child == 0) ::_exit(MountDisk(folder.path()) ? 0 : 1);
  int status = 0;
  return ::waitpid(child, &status, 0) == child && status == 0;
}

// Names and bytes of all files; locks stay, they hold nothing.
std::map<std::string, std::string> FilesUnder(const std::string& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file() || entry.path().extension() == ".lock" ||
        entry.path().filename() == "ballast")
      continue;
    std::stringstream bytes;
    bytes << std::ifstream(entry.path(), std::ios::binary).rdbuf();
    files[entry.path().lexically_relative(folder)] = bytes.str();
  }
  return files;
}

std::string Names(const std::map<std::string, std::string>& files) {
  std::string names;
  for (const auto& [name, bytes] : files) names += name + " (" + std::to_string(bytes.size()) + " bytes)\n";
  return names;
}

// driver_id, event_timestamp, trips, note: numbers that do not compress.
TablePtr Trips(int64_t rows) {
  arrow::Int64Builder drivers, times, trips;
  arrow::StringBuilder notes;
  for (int64_t row = 0; row < rows; ++row) {
    const uint64_t mixed = static_cast<uint64_t>(row + 1) * 0x9E3779B97F4A7C15u;
    (void)drivers.Append(static_cast<int64_t>(mixed % 5000));
    (void)times.Append(kMidnight + static_cast<int64_t>(mixed >> 24) % kHour);
    (void)trips.Append(static_cast<int64_t>(mixed >> 8));
    (void)notes.Append(std::to_string(mixed * mixed));
  }
  const auto type = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  const auto moments = arrow::compute::Cast(*times.Finish().ValueOrDie(), type).ValueOrDie();
  return arrow::Table::Make(
      arrow::schema({arrow::field("driver_id", arrow::int64()), arrow::field("event_timestamp", type),
                     arrow::field("trips", arrow::int64()), arrow::field("note", arrow::utf8())}),
      {drivers.Finish().ValueOrDie(), moments, trips.Finish().ValueOrDie(), notes.Finish().ValueOrDie()});
}

constexpr char kDefinitions[] = R"(
entities:
  - {name: driver, join_keys: [driver_id], value_type: INT64}
sources:
  - {name: trips, path: trips.parquet, timestamp_field: event_timestamp}
  - {name: file, path: disk/file.parquet, timestamp_field: event_timestamp}
  - {name: csv, path: disk/rows.csv, timestamp_field: event_timestamp}
  - {name: folder, path: disk/folder, timestamp_field: event_timestamp}
  - {name: table, path: disk/table, format: delta, timestamp_field: event_timestamp}
feature_views:
  - {name: trips, entities: [driver], schema: [{name: trips, dtype: Int64}, {name: note, dtype: String}], source: trips}
  - {name: file, entities: [driver], schema: [{name: trips, dtype: Int64}, {name: note, dtype: String}], source: file, online: false}
  - {name: csv, entities: [driver], schema: [{name: trips, dtype: Int64}, {name: note, dtype: String}], source: csv, online: false}
  - {name: folder, entities: [driver], schema: [{name: trips, dtype: Int64}, {name: note, dtype: String}], source: folder, online: false}
  - {name: table, entities: [driver], schema: [{name: trips, dtype: Int64}, {name: note, dtype: String}], source: table, online: false}
)";

// A repository with `disk` in it. Lives in the process that sees the disk.
class SmallDisk {
 public:
  explicit SmallDisk(const std::string& config = "registry: registry.db\n") {
    fs::create_directory(disk());
    if (!MountDisk(disk())) throw std::runtime_error("the disk can not be mounted");
    std::ofstream(folder() + "/feature_store.yaml")
        << "project: test\nonline_store: {type: lmdb, path: online.lmdb}\n"
        << config;
    std::ofstream(folder() + "/definitions.yaml") << kDefinitions;
    const TablePtr few = Trips(100);
    for (const char* path :
         {"/trips.parquet", "/disk/file.parquet", "/disk/rows.csv", "/disk/folder/a.parquet"}) {
      fs::create_directories(fs::path(folder() + path).parent_path());
      Check(WriteTableFile(path == std::string("/trips.parquet") ? *Trips(140'000) : *few, folder() + path));
    }
    Check(CreateDeltaTable(disk() + "/table", *few->schema()));
    store_ = FeatureStore::Open(folder()).value();
  }
  ~SmallDisk() { ::umount2(disk().c_str(), MNT_DETACH); }

  const std::string& folder() const { return folder_.path(); }
  std::string disk() const { return folder() + "/disk"; }
  FeatureStore* store() const { return store_.get(); }

  static void Check(const Status& status) {
    if (!status.ok()) throw std::runtime_error(status.ToString());
  }

  // Runs `write` with more and more room, until it succeeds: before that, errors that leave all as it was.
  void UntilThereIsRoom(
      const std::string& what, const std::function<Status()>& write,
      const std::function<void()>& look = [] {}) {
    SCOPED_TRACE(what);
    const auto before = FilesUnder(disk());
    int refused = 0;
    for (int64_t room = 0; room < static_cast<int64_t>(kDiskBytes);
         room += std::max<int64_t>(4096, room / 3 / 4096 * 4096)) {
      SCOPED_TRACE(std::to_string(room) + " bytes are free");
      LeaveRoom(room);
      const Status status = write();
      fs::remove(disk() + "/ballast");
      if (status.ok()) {
        EXPECT_GT(refused, 0) << "it needs no room, the test shows nothing";
        return;
      }
      ++refused;
      if (refused == 1) std::cerr << what << ": " << status.ToString() << "\n";
      EXPECT_EQ(status.code(), StatusCode::kResourceExhausted) << status.ToString();
      EXPECT_NE(status.message().find("/disk"), std::string::npos) << status.ToString();
      EXPECT_NE(status.message().find("ree some space"), std::string::npos) << status.ToString();
      const auto after = FilesUnder(disk());
      EXPECT_TRUE(after == before) << "there were\n"
                                   << Names(before) << "and now there are\n"
                                   << Names(after);
      look();
    }
    ADD_FAILURE() << "it does not succeed on an empty disk either";
  }

 private:
  void LeaveRoom(int64_t bytes) const {
    struct statvfs about;
    ASSERT_EQ(::statvfs(disk().c_str(), &about), 0);
    const int64_t free = static_cast<int64_t>(about.f_bavail * about.f_bsize);
    const int file = ::open((disk() + "/ballast").c_str(), O_CREAT | O_WRONLY, 0600);
    if (free > bytes) {
      ASSERT_EQ(::posix_fallocate(file, 0, free - bytes), 0);
    }
    ::close(file);
  }

  const TestFolder folder_;
  std::unique_ptr<FeatureStore> store_;
};

// Runs `body`, and says what failed in it: within a death test nobody else does.
int RunAndTell(void (*body)()) {
  try {
    body();
  } catch (const std::exception& error) {
    ADD_FAILURE() << error.what();
  }
  const auto& result = *testing::UnitTest::GetInstance()->current_test_info()->result();
  for (int i = 0; i < result.total_part_count(); ++i) {
    const auto& part = result.GetTestPartResult(i);
    if (part.failed()) std::cerr << "line " << part.line_number() << ": " << part.message() << "\n";
  }
  std::cerr << "ended\n";
  return result.Failed() ? 1 : 0;
}

// Runs `body` in a process that may have a disk of its own.
void WithOwnDisks(void (*body)()) {
  if (!CanMountDisk()) GTEST_SKIP() << "file systems can not be mounted here";
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(::_exit(RunAndTell(body)), testing::ExitedWithCode(0), "ended");
}

std::unique_ptr<RetrievalJob> JobOf(const SmallDisk& disk) {
  return disk.store()
      ->GetHistoricalFeatures({.entities = Trips(4'000)->SelectColumns({0, 1}).ValueOrDie(),
                               .features = {"trips:trips", "trips:note"}})
      .value();
}

TEST(FullDisk, AnswerFiles) {
  WithOwnDisks([] {
    SmallDisk disk;
    SmallDisk::Check(disk.store()->Apply({}).status());
    const TablePtr answer = JobOf(disk)->Run().value();
    for (const char* name : {"/answer.parquet", "/answer.csv", "/answer.arrow"})
      disk.UntilThereIsRoom(name, [&] { return WriteTableFile(*answer, disk.disk() + name); });
  });
}

TEST(FullDisk, SavedDatasetsAreNotRegistered) {
  WithOwnDisks([] {
    SmallDisk disk;
    SmallDisk::Check(disk.store()->Apply({}).status());
    const auto job = JobOf(disk);
    for (const char* path : {"disk/saved.parquet", "disk/saved.arrow", "disk/saved"}) {
      SavedDataset dataset{.name = path};
      dataset.storage.path = path;
      disk.UntilThereIsRoom(
          path, [&] { return disk.store()->CreateSavedDataset(job.get(), dataset, false).status(); },
          [&] { EXPECT_FALSE(disk.store()->GetSavedDataset(path).ok()); });
      EXPECT_TRUE(disk.store()->GetSavedDataset(path).ok());
      fs::remove_all(disk.folder() + "/" + path);
    }
  });
}

TEST(FullDisk, RegistriesStayAsTheyWere) {
  WithOwnDisks([] {
    SmallDisk disk("registry: disk/registry.db\n");
    disk.UntilThereIsRoom("apply", [&] { return disk.store()->Apply({}).status(); });
    const auto job = JobOf(disk);
    SavedDataset dataset{.name = "kept"};
    dataset.storage.path = "kept.parquet";
    const auto save = [&] { return disk.store()->CreateSavedDataset(job.get(), dataset, false).status(); };
    disk.UntilThereIsRoom("saved dataset", save, [&] {
      EXPECT_FALSE(fs::exists(disk.folder() + "/kept.parquet")) << "rows of a dataset that nobody can find";
      EXPECT_EQ(disk.store()->ListSavedDatasets().value().size(), 0u);
    });
    disk.UntilThereIsRoom("delete", [&] { return disk.store()->DeleteSavedDataset("kept"); });
    const auto groups = MaterializedFeatureStore::Open(disk.folder(), {}).value();
    disk.UntilThereIsRoom(
        "feature group", [&] { return groups->RegisterFeatureGroup(DriverStats()).status(); },
        [&] { EXPECT_FALSE(groups->WriteFeatures("driver_stats", *DriverRows({{1, 0, 1, 1}}), {}).ok()); });
  });
}

TEST(FullDisk, HistoryIsAddedOrNot) {
  WithOwnDisks([] {
    SmallDisk disk;
    SmallDisk::Check(disk.store()->Apply({}).status());
    for (const char* view : {"file", "csv", "folder", "table"})
      disk.UntilThereIsRoom(view, [&] { return disk.store()->WriteToOfflineStore(view, *Trips(500)); });
  });
}

TEST(FullDisk, FeatureGroupsAreWrittenOrNot) {
  WithOwnDisks([] {
    SmallDisk disk;
    for (const char* format : {"parquet", "delta"}) {
      const auto store = MaterializedFeatureStore::Open(
                             disk.folder(), {.storage_path = "disk/groups", .storage_format = format})
                             .value();
      FeatureGroupSchema schema = DriverStats();
      schema.name = format;
      SmallDisk::Check(store->RegisterFeatureGroup(schema).status());
      std::vector<std::vector<double>> rows;
      for (int i = 0; i < 20'000; ++i) rows.push_back({i * 7919.0, i % 24 * 1.0, i * 104729.0, 3});
      const auto table = DriverRows(rows);
      SmallDisk::Check(store->WriteFeatures(format, *DriverRows({{1, 0, 1, 1}}), {}).status());
      disk.UntilThereIsRoom("health", [&] {
        for (const HealthCheck& check : store->CheckHealth().checks) {
          if (!check.ok) return Status::ResourceExhausted(check.message);
        }
        return Status::OK();
      });
      for (const WriteMode mode : {WriteMode::kAppend, WriteMode::kOverwrite}) {
        disk.UntilThereIsRoom(format,
                              [&] { return store->WriteFeatures(format, *table, {.mode = mode}).status(); });
      }
    }
  });
}

TEST(FullDisk, WhatSpillsEndsWithNothingLeft) {
  WithOwnDisks([] {
    SmallDisk disk("registry: registry.db\nmemory_limit: 100KB\nspill_folder: disk/spill\n");
    SmallDisk::Check(disk.store()->Apply({}).status());
    const auto materialize = [&] {
      return disk.store()
          ->Materialize({.start_us = kMidnight - kHour, .end_us = kMidnight + 2 * kHour, .views = {"trips"}})
          .status();
    };
    disk.UntilThereIsRoom("materialize", materialize, [&] {
      EXPECT_TRUE(disk.store()->Reload().value()->GetView("trips").value()->materialized.empty());
    });
    EXPECT_EQ(Names(FilesUnder(disk.disk() + "/spill")), "");
  });
}

TEST(FullDisk, SqlThatSpillsEndsWithNothingLeft) {
  WithOwnDisks([] {
    SmallDisk disk("registry: registry.db\nmemory_limit: 48MB\nspill_folder: disk/spill\n");
    SmallDisk::Check(disk.store()->Apply({}).status());
    const Status status =
        disk.store()
            ->GetHistoricalFeatures(
                {.entity_source =
                     "SELECT x AS driver_id, make_timestamptz(x) AS event_timestamp, md5(x::VARCHAR) AS "
                     "text FROM range(1500000) a(x) ORDER BY hash(x)",
                 .features = {"trips:trips"}})
            .status();
    std::cerr << status.ToString() << "\n";
    EXPECT_EQ(status.code(), StatusCode::kResourceExhausted) << status.ToString();
    EXPECT_NE(status.message().find("/disk"), std::string::npos) << status.ToString();
    EXPECT_EQ(Names(FilesUnder(disk.disk() + "/spill")), "");
  });
}

}  // namespace
}  // namespace salver
