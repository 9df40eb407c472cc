#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "base/power_loss_files.h"
#include "feast/core/Registry.pb.h"
#include "registry/apply.h"
#include "registry/definitions_yaml.h"
#include "registry/file_registry.h"

namespace salver {
namespace {

using RegistryProto = feast::core::Registry;
constexpr char kPath[] = "repo/data/registry.db";

Status AddEntity(RegistryProto* registry, const std::string& name) {
  auto* spec = registry->add_entities()->mutable_spec();
  spec->set_name(name);
  spec->set_project("p");
  return Status::OK();
}

std::set<std::string> EntityNames(const RegistryProto& registry) {
  std::set<std::string> names;
  for (const auto& entity : registry.entities()) names.insert(entity.spec().name());
  return names;
}

// A registry with entity "old", then an update that adds "new" and loses power after `k` operations. True
// when what is found afterwards is right: a registry that opens, with the old version or the new one, and the
// new one for certain when the update was acknowledged. `finished` says whether the update got through
// without the crash.
bool SurvivesPowerLoss(int k, PowerLossFiles::Fault fault, bool* finished) {
  PowerLossFiles first;
  EXPECT_TRUE(NewFileRegistry(&first, Clock::System(), kPath)
                  ->Update([](auto* r) { return AddEntity(r, "old"); })
                  .ok());
  const std::string bytes = *first.Read(kPath);

  PowerLossFiles files(k + 4, fault);  // the first four operations put the old version there
  {
    auto file = files.Create(kPath);
    EXPECT_TRUE(file.ok() && (*file)->Append(bytes).ok());
    EXPECT_TRUE((*file)->Sync().ok());
    EXPECT_TRUE(files.SyncFolder("repo/data").ok());
  }
  const auto updated =
      NewFileRegistry(&files, Clock::System(), kPath)->Update([](auto* r) { return AddEntity(r, "new"); });
  *finished = updated.ok();
  auto survivor = files.Survivor();
  const auto found = NewFileRegistry(survivor.get(), Clock::System(), kPath)->Load();
  if (!found.ok()) return false;
  const auto names = EntityNames(**found);
  if (updated.ok()) return names == std::set<std::string>{"new", "old"};
  return names == std::set<std::string>{"old"} || names == std::set<std::string>{"new", "old"};
}

TEST(FileRegistry, PowerLossAtEveryOperationLeavesTheOldVersionOrTheNew) {
  bool finished = false;
  int moments = 0;
  for (int k = 0; !finished; ++k, ++moments) {
    ASSERT_LT(k, 100);
    EXPECT_TRUE(SurvivesPowerLoss(k, PowerLossFiles::Fault::kNone, &finished))
        << "crash after operation " << k;
  }
  EXPECT_GE(moments, 5);  // create, append, sync, rename, folder sync
}

TEST(FileRegistry, TheHarnessCatchesWhatACarelessWriterLeavesOut) {
  for (const auto fault : {PowerLossFiles::Fault::kNoSync, PowerLossFiles::Fault::kNoFolderSync,
                           PowerLossFiles::Fault::kRenameByCopy}) {
    bool finished = false, caught = false;
    for (int k = 0; !finished && k < 100; ++k) caught = !SurvivesPowerLoss(k, fault, &finished) || caught;
    EXPECT_TRUE(caught) << static_cast<int>(fault);
  }
}

class RealFiles : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "/registry-" + std::to_string(::getpid());
    std::filesystem::remove_all(folder_);
    path_ = folder_ + "/registry.db";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::unique_ptr<Registry> Open() { return NewFileRegistry(Files::System(), Clock::System(), path_); }
  void Write(const std::string& bytes) {
    std::filesystem::create_directories(folder_);
    std::ofstream(path_, std::ios::binary) << bytes;
  }
  std::string folder_, path_;
};

TEST_F(RealFiles, TwoThreadsAndAnotherProcessLoseNoUpdate) {
  const auto work = [&](const std::string& who) {
    const auto registry = Open();
    bool good = true;
    for (int i = 0; i < 25; ++i) {
      good = registry->Update([&](auto* r) { return AddEntity(r, who + std::to_string(i)); }).ok() && good;
    }
    return good;
  };
  const pid_t child = ::fork();
  if (child == 0) ::_exit(work("child-") ? 0 : 1);  // one thread: sanitizers can not start more after a fork
  bool one = false, two = false;
  std::thread other([&] { one = work("parent-a-"); });
  two = work("parent-b-");
  other.join();
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(one && two);
  EXPECT_EQ(EntityNames(**Open()->Load()).size(), 75u);
}

TEST_F(RealFiles, EveryTruncationAndFlippedByteIsAnErrorOrTheRightContents) {
  ASSERT_TRUE(
      Open()
          ->Update([](auto* r) { return AddEntity(r, "driver_with_a_long_name_" + std::string(500, 'x')); })
          .ok());
  const std::string bytes = *Files::System()->Read(path_);
  for (size_t size = 1; size < bytes.size(); ++size) {
    const auto opened = OpenSealedRegistry(bytes.substr(0, size), path_);
    // A file cut at its seal is one that Feast could have written.
    EXPECT_TRUE(!opened.ok() || EntityNames(**opened).size() <= 1);
  }
  // Where the version ids or the seal itself are hit, the seal no longer speaks of this version and is
  // ignored, as after a rewrite by Feast: some 130 bytes, however large the registry is.
  int accepted = 0;
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::string damaged = bytes;
    damaged[at] ^= 0x10;
    const auto opened = OpenSealedRegistry(damaged, path_);
    EXPECT_TRUE(opened.ok() || opened.status().reason() == Reason::kCorrupt);
    accepted += opened.ok();
  }
  EXPECT_LE(accepted, 130);
}

TEST_F(RealFiles, GarbageIsRefusedAndNotOverwritten) {
  for (const std::string garbage : {"", "not a registry", "\x08", "PAR1PAR1"}) {
    Write(garbage);
    EXPECT_EQ(Open()->Load().status().reason(), Reason::kCorrupt) << garbage;
    EXPECT_FALSE(Open()->Update([](auto* r) { return AddEntity(r, "x"); }).ok());
    EXPECT_EQ(*Files::System()->Read(path_), garbage);
  }
}

TEST_F(RealFiles, FileThatFeastRewroteIsReadThoughItsSealIsStale) {
  ASSERT_TRUE(Open()->Update([](auto* r) { return AddEntity(r, "driver"); }).ok());
  RegistryProto changed = **Open()->Load();
  changed.set_version_id("by-feast");
  (void)AddEntity(&changed, "added");
  Write(changed.SerializeAsString());
  EXPECT_EQ(EntityNames(**Open()->Load()), (std::set<std::string>{"added", "driver"}));
}

TEST_F(RealFiles, ErrorFromTheChangeCommitsNothing) {
  ASSERT_TRUE(Open()->Update([](auto* r) { return AddEntity(r, "driver"); }).ok());
  const auto refused = Open()->Update([](auto* r) {
    (void)AddEntity(r, "half");
    return Status::InvalidArgument("no");
  });
  EXPECT_EQ(refused.status().message(), "no");
  EXPECT_EQ(EntityNames(**Open()->Load()), (std::set<std::string>{"driver"}));
}

constexpr char kGood[] = R"(
entities:
  - {name: driver, join_keys: [driver_id], value_type: INT64}
sources:
  - {name: stats, path: stats.parquet, timestamp_field: ts}
feature_views:
  - name: stats
    entities: [driver]
    ttl: 1d
    schema: [{name: trips, dtype: Int64}, {name: rate, dtype: Float32}]
    source: stats
feature_services:
  - {name: model, features: [stats, {view: stats, features: [trips], alias: other}]}
)";

Definitions Parse(const std::string& yaml) {
  Definitions definitions;
  ParseYamlDefinitions(yaml, "definitions.yaml", &definitions);
  InferDefinitions(nullptr, "p", &definitions);
  ValidateDefinitions(&definitions);
  return definitions;
}

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(Apply, IsIdempotentAndKeepsWhatDidNotChange) {
  const Definitions definitions = Parse(kGood);
  ASSERT_TRUE(definitions.ToStatus().ok()) << definitions.ToStatus().ToString();
  RegistryProto registry;
  EXPECT_EQ(ApplyDefinitions(definitions, {.project = "p", .now_us = 1'000'000}, &registry).changes.size(),
            5u);
  ASSERT_TRUE(RecordInterval("p", "stats", {5, 9}, 3, 2'000'000, &registry).ok());
  ASSERT_TRUE(RecordInterval("p", "stats", {9, 20}, 4, 2'000'000, &registry).ok());
  const std::string before = registry.SerializeAsString();
  EXPECT_TRUE(
      ApplyDefinitions(definitions, {.project = "p", .now_us = 3'000'000}, &registry).changes.empty());
  EXPECT_EQ(registry.SerializeAsString(), before);

  const auto report = ApplyDefinitions(Parse(Replaced(kGood, "dtype: Float32", "dtype: Float64")),
                                       {.project = "p", .now_us = 4'000'000}, &registry);
  ASSERT_EQ(report.changes.size(), 2u);  // the view, and the service that holds its columns
  EXPECT_EQ(report.changes[0].name, "stats");
  EXPECT_NE(report.changes[0].stored_data.find("rate is null"), std::string::npos);
  const auto& meta = registry.feature_views(0).meta();
  EXPECT_EQ(meta.created_timestamp().seconds(), 1);
  EXPECT_EQ(meta.last_updated_timestamp().seconds(), 4);
  EXPECT_EQ(meta.current_version_number(), 1);
  ASSERT_EQ(meta.materialization_intervals_size(), 1);
  EXPECT_EQ(meta.materialization_intervals(0).rows_written(), 7);
  EXPECT_EQ(registry.feature_view_version_history().records_size(), 2);
}

TEST(Apply, DeletesWhatIsGoneUnlessPartialAndLeavesOtherProjectsAlone) {
  RegistryProto registry;
  (void)AddEntity(&registry, "theirs");
  registry.mutable_entities(0)->mutable_spec()->set_project("other");
  (void)ApplyDefinitions(Parse(kGood), {.project = "p"}, &registry);
  const Definitions nothing;
  EXPECT_TRUE(ApplyDefinitions(nothing, {.project = "p", .partial = true}, &registry).changes.empty());
  EXPECT_EQ(ApplyDefinitions(nothing, {.project = "p"}, &registry).changes.size(), 4u);
  EXPECT_EQ(EntityNames(registry), (std::set<std::string>{"__dummy", "theirs"}));
  EXPECT_EQ(RecordInterval("p", "stats", {1, 2}, 0, 0, &registry).reason(), Reason::kViewNotFound);
}

struct BadCase {
  const char *from, *to;  // one change of kGood
  const char* message;    // part of the problem that it must give
};

TEST(Validate, EveryBadDefinitionIsNamedWithItsPlace) {
  const BadCase cases[] = {
      {"entities: [driver]", "entities: [drivr]", "Did you mean \"driver\"?"},
      {"source: stats", "source: stat", "source \"stat\" is not defined above. Did you mean \"stats\"?"},
      {"dtype: Int64", "dtype: Int6", "Did you mean \"Int64\"?"},
      {"dtype: Int64", "dtype: Array(Foo)", "is no type"},
      {"{name: trips, dtype: Int64}", "{name: trips}", "is no type"},
      {"name: rate", "name: trips", "twice"},
      {"name: rate", "name: ts", "event time column"},
      {"ttl: 1d", "ttl: soon", "is no duration"},
      {"ttl: 1d", "ttl: -1d", "is no duration"},
      {"ttl: 1d", "tttl: 1d", "Did you mean \"ttl\"?"},
      {"value_type: INT64", "value_type: INT65", "Did you mean \"INT"},
      {"value_type: INT64", "value_type: DOUBLE", "a join key is STRING"},
      {"value_type: INT64", "value_typ: INT64", "Did you mean \"value_type\"?"},
      {"join_keys: [driver_id]", "join_keys: [a, b]", "several join keys"},
      {"name: driver,", "name: __dummy,", "can not have that name"},
      {"name: driver,", "name: 'a:b',", "can not have that name"},
      {"{name: driver, ", "{", "has no name"},
      {"path: stats.parquet, ", "", "has no path"},
      {"timestamp_field: ts", "timestamp_fild: ts", "Did you mean \"timestamp_field\"?"},
      {", timestamp_field: ts", "", "no timestamp_field"},
      {"source: stats", "online: true", "has no source"},
      {"features: [stats, ", "features: [statz, ", "Did you mean \"stats\"?"},
      {"features: [trips]", "features: [tripz]", "Did you mean \"trips\"?"},
      {"alias: other", "aliaz: other", "Did you mean \"alias\"?"},
      {"name: model", "name: 'a b'", "can not have that name"},
      {"entities:\n  -", "entitys:\n  -", "Did you mean \"entities\"?"},
      {"schema: [", "schema: {a: [", "not YAML"},
      {"- name: stats\n", "- name: stats\n    name2: x\n", "is not known"},
      {"features: [stats, {", "features: [nope, {", "not defined"},
      {"sources:\n", "sources: text\nsources2:\n", "is not known"},
  };
  for (const BadCase& bad : cases) {
    const Definitions definitions = Parse(Replaced(kGood, bad.from, bad.to));
    const Status status = definitions.ToStatus();
    ASSERT_FALSE(status.ok()) << bad.to;
    EXPECT_EQ(status.reason(), Reason::kBadDefinition);
    EXPECT_NE(status.message().find(bad.message), std::string::npos) << bad.to << "\n" << status.message();
    EXPECT_NE(status.message().find("definitions.yaml:"), std::string::npos) << status.message();
  }
}

TEST(Validate, ReportsAllProblemsAtOnce) {
  std::string yaml = Replaced(kGood, "entities: [driver]", "entities: [drivr]");
  yaml = Replaced(yaml, "dtype: Float32", "dtype: Flat32");
  yaml = Replaced(yaml, "ttl: 1d", "ttl: soon");
  const std::string message = Parse(yaml).ToStatus().message();
  for (const char* part : {"drivr", "Flat32", "soon"})
    EXPECT_NE(message.find(part), std::string::npos) << message;
}

TEST(Yaml, TheDocumentedExampleIsGood) {
  const std::string page = *Files::System()->Read(SALVER_SOURCE_DIR "/docs/definitions-yaml.md");
  const size_t start = page.find("```yaml\n") + 8;
  Definitions definitions = Parse(page.substr(start, page.find("```", start) - start));
  EXPECT_TRUE(definitions.ToStatus().ok()) << definitions.ToStatus().ToString();
  EXPECT_EQ(definitions.registry.feature_services(0).spec().features_size(), 2);
}

TEST(DefinitionsJson, RefusesWhatIsNoAnswerOfThePackage) {
  for (const char* json :
       {"", "{", "[]", "{}", R"({"registry": {"nonsense": 1}})", R"({"registry": {}, "problems": [{}]})"}) {
    EXPECT_EQ(ParseDefinitionsJson(json).status().reason(), Reason::kBadDefinition) << json;
  }
  const auto with_problem =
      ParseDefinitionsJson(R"({"registry": {}, "problems": [{"file": "a.py", "line": 3, "message": "m"}]})");
  EXPECT_EQ(with_problem->ToStatus().message(), "a.py:3: m");
}

}  // namespace
}  // namespace salver
