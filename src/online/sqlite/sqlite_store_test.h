// A sqlite store, and what other programs do to its file.
#pragma once

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "online/online_stores.h"
#include "online/store_suite.h"

namespace salver {

// SALVER_SEED replays one.
inline uint64_t NewSeed() {
  const char* text = std::getenv("SALVER_SEED");
  return text == nullptr ? std::random_device{}() : std::strtoull(text, nullptr, 10);
}

class SqliteStoreTest : public StoreTest {
 protected:
  static std::string TempFolder() { return testing::TempDir() + "/sqlite-" + std::to_string(::getpid()); }
  void SetUp() override {
    folder_ = TempFolder();
    std::filesystem::remove_all(folder_);
    path_ = folder_ + "/store.db";
    Reopen();
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  static std::unique_ptr<OnlineStore> OpenAt(const std::string& path,
                                             int64_t row_cache_mb = kSqliteRowCacheMb) {
    auto store = OpenSqliteOnlineStore({.path = path, .project = "p", .row_cache_mb = row_cache_mb});
    EXPECT_TRUE(store.ok()) << store.status().ToString();
    return store.ok() ? std::move(*store) : nullptr;
  }
  // Closing writes all that is in the log into the file.
  void Reopen() {
    store_.reset();
    store_ = OpenAt(path_);
  }

  // Runs SQL as another program would.
  void RunSql(const std::string& sql) {
    sqlite3* db;
    ASSERT_EQ(sqlite3_open(path_.c_str(), &db), SQLITE_OK);
    char* error = nullptr;
    sqlite3_exec(db, sql.c_str(), nullptr, nullptr, &error);
    EXPECT_EQ(error, nullptr) << error << ": " << sql;
    sqlite3_free(error);
    sqlite3_close(db);
  }
  // SQL that stores integer `value` below 128 as Feast does.
  static std::string Insert(const std::string& view, int64_t id, const std::string& feature, int value) {
    char hex[8];
    std::snprintf(hex, sizeof hex, "20%02x", value);
    return "INSERT OR REPLACE INTO p_" + view + " (entity_key, feature_name, value, event_ts) VALUES (x'" +
           Hex(Key(id)) + "', '" + feature + "', x'" + hex + "', 5);";
  }
  static std::string Hex(const std::string& bytes) {
    std::string hex;
    for (const unsigned char byte : bytes) {
      hex += "0123456789abcdef"[byte >> 4];
      hex += "0123456789abcdef"[byte & 15];
    }
    return hex;
  }

  std::vector<Row> Rows(int64_t count, int64_t value) {
    std::vector<Row> rows;
    for (int64_t id = 0; id < count; ++id) rows.push_back({id, 5 * kSecond, 1, {value, value}});
    return rows;
  }

  const ViewPtr view_ = MakeView("v", kTwoFeatures);
  std::string folder_, path_;
};

}  // namespace salver
