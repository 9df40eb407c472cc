// The registry file: what survives damage, other writers and other programs.
#include "registry/file_registry.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "base/power_loss_files.h"
#include "feast/core/Registry.pb.h"
#include "model/wire.h"
#include "test/test_folder.h"

namespace salver {
namespace {

using RegistryProto = feast::core::Registry;

class FileRegistryTest : public testing::Test {
 protected:
  std::unique_ptr<Registry> Open() { return NewFileRegistry(Files::System(), Clock::System(), path_); }
  std::string Bytes() { return *Files::System()->Read(path_); }
  void Overwrite(const std::string& bytes) {
    auto file = Files::System()->Create(path_);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->Append(bytes).ok());
  }

  const TestFolder new_folder_;
  const std::string& folder_ = new_folder_.path();
  const std::string path_ = folder_ + "/data/registry.db";
};

auto AddEntity(const std::string& name) {
  return [name](RegistryProto* registry) {
    registry->add_entities()->mutable_spec()->set_name(name);
    return Status::OK();
  };
}

TEST_F(FileRegistryTest, CommitsVersionsAndNumbersThem) {
  auto registry = Open();
  auto empty = registry->Load();
  ASSERT_TRUE(empty.ok());
  EXPECT_EQ((*empty)->version_id(), "");
  EXPECT_EQ(registry->Load()->get(), empty->get());
  const auto first = registry->Update(AddEntity("a"));
  ASSERT_TRUE(first.ok()) << first.status().ToString();
  EXPECT_EQ((*first)->registry_schema_version(), "1");
  EXPECT_EQ((*first)->version_id().size(), 36u);
  EXPECT_EQ((*first)->seal().number(), 1u);
  EXPECT_TRUE((*first)->has_last_updated());
  const auto second = registry->Update(AddEntity("b"));
  ASSERT_TRUE(second.ok());
  EXPECT_NE((*second)->version_id(), (*first)->version_id());
  EXPECT_EQ((*second)->seal().number(), 2u);
  EXPECT_EQ((*first)->entities_size(), 1);  // a snapshot in hand does not change
  EXPECT_EQ((*Open()->Load())->entities_size(), 2);
  EXPECT_FALSE(std::filesystem::exists(path_ + ".new"));
}

TEST_F(FileRegistryTest, LoadGivesTheSameSnapshotWhileNothingChanges) {
  auto registry = Open(), other = Open();
  ASSERT_TRUE(registry->Update(AddEntity("a")).ok());
  const auto one = registry->Load(), again = registry->Load();
  EXPECT_EQ(one->get(), again->get());
  // Many commits within one tick of the file system's clock, sizes and perhaps file numbers the same: each is
  // seen.
  for (int i = 0; i < 50; ++i) {
    const auto written = other->Update([](RegistryProto*) { return Status::OK(); });
    ASSERT_TRUE(written.ok());
    EXPECT_EQ((*registry->Load())->version_id(), (*written)->version_id());
  }
}

TEST_F(FileRegistryTest, AnErrorOfTheChangeCommitsNothing) {
  auto registry = Open();
  ASSERT_TRUE(registry->Update(AddEntity("a")).ok());
  const std::string before = Bytes();
  const auto refused = registry->Update([](RegistryProto* next) {
    next->clear_entities();
    return Status::InvalidArgument("no", Reason::kBadDefinition);
  });
  EXPECT_EQ(refused.status().reason(), Reason::kBadDefinition);
  EXPECT_EQ(Bytes(), before);
}

TEST_F(FileRegistryTest, AFileWithOneBitTurnedIsRefused) {
  auto registry = Open();
  ASSERT_TRUE(registry->Update(AddEntity("driver")).ok());
  ASSERT_TRUE(registry->Update(AddEntity("customer")).ok());
  const std::string good = Bytes();
  ASSERT_TRUE(OpenSealedRegistry(good, "r").ok());
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
    const auto opened = OpenSealedRegistry(bad, "r");
    ASSERT_FALSE(opened.ok()) << "bit " << bit;
    EXPECT_EQ(opened.status().code(), StatusCode::kDataLoss);
    EXPECT_EQ(opened.status().reason(), Reason::kCorrupt);
  }
  for (size_t size = 0; size < good.size(); ++size) {
    const auto opened = OpenSealedRegistry(good.substr(0, size), "r");
    ASSERT_FALSE(opened.ok()) << "cut to " << size;
    EXPECT_EQ(opened.status().code(), StatusCode::kDataLoss);
    EXPECT_NE(opened.status().message().find("registry \"r\""), std::string::npos);
  }
  Overwrite(good.substr(0, good.size() - 1));
  EXPECT_EQ(registry->Load().status().code(), StatusCode::kDataLoss);
  EXPECT_EQ(registry->Update(AddEntity("c")).status().code(), StatusCode::kDataLoss);
  EXPECT_EQ(Bytes().size(), good.size() - 1);  // nothing was written over it
  Overwrite(good);
  EXPECT_TRUE(registry->Load().ok());
}

TEST_F(FileRegistryTest, WhatFeastRewroteIsReadAndNumberedOn) {
  auto registry = Open();
  ASSERT_TRUE(registry->Update(AddEntity("a")).ok());
  // Feast knows no seal: it keeps both among the unknown fields, which go last, and writes the file in place.
  RegistryProto theirs = **registry->Load();
  RegistryProto seal;
  *seal.mutable_seal() = theirs.seal();
  theirs.clear_seal();
  theirs.set_version_id("0b7c1c2e-5a0d-4a43-9a76-08e9c8b5a001");
  theirs.add_entities()->mutable_spec()->set_name("b");
  Overwrite(theirs.SerializeAsString() + seal.SerializeAsString() + seal.SerializeAsString());
  const auto read = registry->Load();
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ((*read)->entities_size(), 2);
  const auto next = registry->Update(AddEntity("c"));
  ASSERT_TRUE(next.ok());
  EXPECT_EQ((*next)->entities_size(), 3);
  EXPECT_EQ((*next)->seal().number(), 2u);
}

TEST_F(FileRegistryTest, FieldsThatSalverDoesNotKnowSurvive) {
  RegistryProto theirs;
  theirs.set_registry_schema_version("1");
  theirs.set_version_id("x");
  std::string bytes = theirs.SerializeAsString();
  wire::AppendBytes(77, "of a later Feast", &bytes);
  std::filesystem::create_directories(folder_ + "/data");
  Overwrite(bytes);
  ASSERT_TRUE(Open()->Update(AddEntity("a")).ok());
  EXPECT_NE(Bytes().find("of a later Feast"), std::string::npos);
  ASSERT_TRUE(Open()->Load().ok());
}

TEST_F(FileRegistryTest, AWriterWithoutLockIsNotUndone) {
  auto registry = Open();
  ASSERT_TRUE(registry->Update(AddEntity("a")).ok());
  int tries = 0;
  const auto result = registry->Update([&](RegistryProto* next) {
    if (++tries == 1) {  // Feast commits in the middle of the change
      RegistryProto theirs = *next;
      theirs.clear_seal();
      theirs.set_version_id("theirs");
      theirs.add_entities()->mutable_spec()->set_name("of feast");
      Overwrite(theirs.SerializeAsString());
    }
    return AddEntity("mine")(next);
  });
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  EXPECT_EQ(tries, 2);
  EXPECT_EQ((*result)->entities_size(), 3);
  int rounds = 0;
  const auto never = registry->Update([&](RegistryProto* next) {
    RegistryProto theirs = *next;
    theirs.clear_seal();
    theirs.set_version_id("again " + std::to_string(++rounds));
    Overwrite(theirs.SerializeAsString());
    return Status::OK();
  });
  EXPECT_EQ(never.status().reason(), Reason::kRegistryConflict);
}

constexpr int kUpdates = 200;

void CountUp(Registry* registry, const std::string& name) {
  for (int i = 0; i < kUpdates; ++i) {
    const auto done = registry->Update(AddEntity(name + std::to_string(i)));
    ASSERT_TRUE(done.ok()) << done.status().ToString();
  }
}

TEST_F(FileRegistryTest, TwoThreadsLoseNoUpdateAndReadersSeeWholeVersions) {
  auto one = Open(), two = Open(), reader = Open();
  std::atomic<bool> stop = false;
  std::thread reading([&] {
    int entities = 0;
    while (!stop) {
      const auto seen = reader->Load();
      ASSERT_TRUE(seen.ok()) << seen.status().ToString();
      ASSERT_GE((*seen)->entities_size(), entities);
      entities = (*seen)->entities_size();
    }
  });
  std::thread first([&] { CountUp(one.get(), "a"); });
  std::thread second([&] { CountUp(two.get(), "b"); });
  first.join();
  second.join();
  stop = true;
  reading.join();
  EXPECT_EQ((*reader->Load())->entities_size(), 2 * kUpdates);
  EXPECT_EQ((*reader->Load())->seal().number(), 2u * kUpdates);
}

TEST_F(FileRegistryTest, TwoProcessesLoseNoUpdate) {
  ASSERT_NE(NewVersionId(), NewVersionId());
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto registry = Open();
    CountUp(registry.get(), "child");
    ::_exit(testing::Test::HasFailure() ? 1 : 0);
  }
  auto registry = Open();
  CountUp(registry.get(), "parent");
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ((*registry->Load())->entities_size(), 2 * kUpdates);
}

TEST_F(FileRegistryTest, TeardownRemovesTheFileAndCanBeRepeated) {
  auto registry = Open();
  EXPECT_TRUE(registry->Teardown().ok());
  ASSERT_TRUE(registry->Update(AddEntity("a")).ok());
  ASSERT_TRUE(registry->Teardown().ok());
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_FALSE(std::filesystem::exists(path_ + ".lock"));
  EXPECT_TRUE(registry->Teardown().ok());
  EXPECT_EQ((*registry->Load())->version_id(), "");
  ASSERT_TRUE(registry->Update(AddEntity("b")).ok());
  EXPECT_EQ((*registry->Load())->seal().number(), 1u);
}

TEST_F(FileRegistryTest, AFolderOrAFileInTheWayIsNamed) {
  std::filesystem::create_directories(path_);
  for (const auto& status : {Open()->Load().status(), Open()->Update(AddEntity("a")).status()}) {
    EXPECT_EQ(status.code(), StatusCode::kUnavailable);
    EXPECT_NE(status.message().find(path_), std::string::npos) << status.message();
  }
  std::filesystem::remove_all(folder_ + "/data");
  ASSERT_TRUE(Files::System()->Create(folder_ + "/data").ok());
  const auto update = Open()->Update(AddEntity("a"));
  EXPECT_NE(update.status().message().find(folder_ + "/data"), std::string::npos)
      << update.status().message();
}

}  // namespace
}  // namespace salver
