// That a store with a row cache answers as one without, whoever has done what to the file.
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <optional>
#include <random>
#include <stdexcept>
#include <thread>

#include "online/sqlite/sqlite_store_test.h"

namespace salver {
namespace {

std::atomic<int> g_selects{0};

// Runs SQL as another program would, and lets it fail: a table may not be there.
void TrySql(const std::string& path, const std::string& sql) {
  sqlite3* db;
  ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
  sqlite3_exec(db, "PRAGMA synchronous = OFF", nullptr, nullptr, nullptr);
  sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr);
  sqlite3_close(db);
}

// Runs SQL in a process of its own, which begins while this one has no connection open.
class OtherProcess {
 public:
  explicit OtherProcess(const std::string& path) {
    if (::pipe(to_) != 0 || ::pipe(from_) != 0) throw std::runtime_error("no pipe");
    child_ = ::fork();
    ::close(child_ == 0 ? to_[1] : to_[0]);
    ::close(child_ == 0 ? from_[0] : from_[1]);
    if (child_ != 0) return;
    std::string sql;
    for (char byte; ::read(to_[0], &byte, 1) == 1;) {
      sql += byte;
      if (byte != 0) continue;
      TrySql(path, sql.c_str());
      sql.clear();
      if (::write(from_[1], &byte, 1) != 1) break;
    }
    ::_exit(0);
  }
  ~OtherProcess() {
    ::close(to_[1]);  // which ends it
    ::close(from_[0]);
    ::waitpid(child_, nullptr, 0);
  }

  void Run(const std::string& sql) {
    char done;
    ASSERT_EQ(::write(to_[1], sql.c_str(), sql.size() + 1), static_cast<ssize_t>(sql.size() + 1));
    ASSERT_EQ(::read(from_[0], &done, 1), 1);
  }

 private:
  int to_[2], from_[2];
  pid_t child_;
};

class CachedStoreTest : public SqliteStoreTest {
 protected:
  void SetUp() override {
    SqliteStoreTest::SetUp();
    plain_ = OpenAt(path_, /*row_cache_mb=*/0);
  }
  void TearDown() override {
    plain_.reset();
    SqliteStoreTest::TearDown();
  }

  // What a store answers, as text: all cells, times and flags, or the error.
  static std::string Answer(OnlineStore* store, std::span<const OnlineRead> reads) {
    const auto answers = store->Read(reads, Deadline::Never());
    if (!answers.ok())
      return answers.status().ToString() + std::to_string(static_cast<int>(answers.status().reason()));
    std::string text;
    for (const OnlineRows& rows : *answers) {
      for (size_t row = 0; row < rows.row_count; ++row) {
        text += "\n" + std::to_string(rows.present[row]) + " " + std::to_string(rows.event_us[row]) + " " +
                std::to_string(rows.created_us[row]);
        for (size_t column = 0; column < rows.column_count; ++column) {
          const OnlineCell& cell = rows.at(row, column);
          text += " " + std::to_string(static_cast<int>(cell.kind)) + ":" +
                  (cell.kind == OnlineCell::Kind::kBytes ? std::string(cell.bytes())
                                                         : std::to_string(cell.integer));
        }
      }
    }
    return text;
  }

  std::unique_ptr<OnlineStore> plain_;  // the same file without a cache
};

TEST_F(CachedStoreTest, RowsThatNobodyChangedAreSelectedOnce) {
  // Connections that are opened from here on count their SELECTs of rows.
  const auto count = [](sqlite3* db, const char**, const sqlite3_api_routines*) {
    const auto traced = [](unsigned, void*, void* statement, void*) {
      const std::string_view sql = sqlite3_sql(static_cast<sqlite3_stmt*>(statement));
      if (sql.starts_with("SELECT feature_name")) ++g_selects;
      return 0;
    };
    return sqlite3_trace_v2(db, SQLITE_TRACE_STMT, traced, nullptr);
  };
  const auto hook = reinterpret_cast<void (*)()>(+count);
  sqlite3_auto_extension(hook);
  Reopen();
  Apply({view_});
  ASSERT_TRUE(Write(*view_, Rows(3, 7)).ok());
  const auto selects = [&](const std::vector<int64_t>& ids) {
    g_selects = 0;
    EXPECT_TRUE(Read(*view_, ids, {0, 1}).ok());
    return g_selects.load();
  };
  EXPECT_EQ(selects({0, 1, 2, 5}), 4);  // sees the commit
  EXPECT_EQ(selects({0, 1, 2, 5}), 4);  // puts
  EXPECT_EQ(selects({0, 1, 2, 5, -1}), 0);
  EXPECT_EQ(Get(*view_, 1), "7@5");
  RunSql(Insert("v", 1, "a", 8));
  EXPECT_EQ(selects({1, 2}), 2);
  EXPECT_EQ(selects({1, 2, 1}), 2);
  EXPECT_EQ(selects({1, 2}), 0);
  EXPECT_EQ(Get(*view_, 1), "8@5");
  ASSERT_TRUE(Write(*view_, {{1, 6 * kSecond, 1, {9, 9}}}).ok());
  EXPECT_EQ(selects({1}), 1);
  EXPECT_EQ(Get(*view_, 1), "9@6");
  EXPECT_EQ(selects({1}), 0);
  std::swap(store_, plain_);
  EXPECT_EQ(Get(*view_, 1), "9@6");
  std::swap(store_, plain_);
  sqlite3_cancel_auto_extension(hook);
}

TEST_F(CachedStoreTest, AFileThatIsAwayAndBackIsNotTakenForTheOneBetween) {
  Apply({view_});
  ASSERT_TRUE(Write(*view_, Rows(1, 7)).ok());
  const std::string other = folder_ + "/other.db", away = folder_ + "/away.db";
  RunSql("VACUUM INTO '" + other + "'");
  TrySql(other, "PRAGMA journal_mode = WAL;" + Insert("v", 0, "a", 8));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Get(*view_, 0), "7@5");
  const auto move = [](const std::string& from, const std::string& to) {
    for (const char* suffix : {"", "-wal", "-shm"}) {
      if (std::filesystem::exists(from + suffix)) std::filesystem::rename(from + suffix, to + suffix);
    }
  };
  plain_.reset();
  auto load = store_->BeginLoad({}).value();  // has the one connection to the first file meanwhile
  move(path_, away);
  move(other, path_);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Get(*view_, 0), "8@5");
  move(path_, other);
  move(away, path_);
  load.reset();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Get(*view_, 0), "7@5");
}

// Does one thing after the other to a file, by a random plan, and compares what two stores answer.
class CachedStoreRandomTest : public CachedStoreTest {
 protected:
  void SetUp() override {
    folder_ = TempFolder();
    other_process_.emplace(folder_ + "/store.db");
    CachedStoreTest::SetUp();
  }

  static constexpr int kKeys = 6;

  size_t Below(size_t end) { return random_() % end; }
  const ViewPtr& SomeView() { return views_[Below(views_.size())]; }

  // A view of this name with some of the features that rows of it ever had.
  ViewPtr ViewOf(const std::string& name) {
    std::vector<Field> features;
    for (const char* feature : {"a", "b", "c", "d"}) {
      if (Below(4) != 0) features.push_back({.name = feature, .type = ValueType::kInt64});
    }
    std::shuffle(features.begin(), features.end(), random_);
    if (features.empty()) features.push_back({.name = "a", .type = ValueType::kInt64});
    return MakeView(name, features);
  }
  void WriteSome(OnlineStore* store, const FeatureView& view) {
    std::vector<Row> rows;
    for (size_t i = 0; i <= Below(3); ++i) {
      Row row{static_cast<int64_t>(Below(kKeys)), static_cast<int64_t>(Below(20)) * kSecond, 1, {}};
      for (size_t j = 0; j < view.features.size(); ++j)
        row.values.push_back(Below(6) == 0 ? std::nullopt : std::optional<int64_t>(++number_));
      rows.push_back(row);
    }
    if (Below(2) == 0) {
      (void)store->Write(view, ColumnsOf(view, rows).batch(), Deadline::Never());  // the view may be dropped
      return;
    }
    const auto load = store->BeginLoad({});
    ASSERT_TRUE(load.ok()) << load.status().ToString();
    const bool done = Load(load->get(), view, rows).ok() && (*load)->SetMark(view, "m").ok();
    if (done && Below(4) != 0) {
      ASSERT_TRUE((*load)->Commit().ok());
    }
  }
  std::string SomeSql() {
    const ViewPtr& view = SomeView();
    const int64_t id = static_cast<int64_t>(Below(kKeys));
    switch (Below(14)) {
      case 0:
        return "DELETE FROM p_" + view->name + " WHERE entity_key = x'" + Hex(Key(id)) + "'";
      case 1:  // text that no column can be, of a size that the cache does not keep, or keeps
        return "UPDATE p_" + view->name + " SET value = x'12' || zeroblob(" +
               (Below(2) == 0 ? "70000" : "9") + ") WHERE entity_key = x'" + Hex(Key(id)) + "'";
      case 2:
        return "BEGIN IMMEDIATE; " + Insert(view->name, id, "b", static_cast<int>(Below(100))) + "ROLLBACK";
      case 3:
        return "DROP TABLE p_" + view->name;
      default:
        return Insert(view->name, id, std::string(1, static_cast<char>('a' + Below(4))),
                      static_cast<int>(Below(100)));
    }
  }
  // Another file with other rows, in the place of the one that is served.
  void ReplaceFile() {
    const std::string other = folder_ + "/other.db";
    RunSql("VACUUM INTO '" + other + "'");
    TrySql(other, SomeSql());
    if (Below(2) == 0) TrySql(other, "PRAGMA journal_mode = WAL");
    for (const char* log : {"-wal", "-shm"}) std::filesystem::remove(path_ + log);
    std::filesystem::rename(other, path_);
  }

  void Change() {
    OnlineStore* const store = Below(2) == 0 ? store_.get() : plain_.get();
    switch (Below(24)) {
      case 0: {
        ViewPtr& view = views_[Below(views_.size())];
        view = ViewOf(view->name);
        if (Below(2) == 0) {
          ASSERT_TRUE(store->Apply(std::vector{view}, {}).ok());
        }
        return;
      }
      case 1:
        ASSERT_TRUE(store->Apply({}, std::vector{SomeView()}).ok());
        return;
      case 2:
      case 3:
      case 4:
        ASSERT_TRUE(store->Apply(views_, {}).ok());
        return;
      case 5:
        return RunSql("VACUUM");
      case 6: {
        static constexpr const char* kModes[] = {"PASSIVE", "FULL", "RESTART", "TRUNCATE"};
        return RunSql(std::string("PRAGMA wal_checkpoint(") + kModes[Below(4)] + ")");
      }
      case 7:
        return ReplaceFile();
      case 8:
      case 9:
        return other_process_->Run(SomeSql());
      case 10:
        (void)store->ReadMark(*SomeView());  // uses a connection without looking for commits
        return;
      default:
        return Below(2) == 0 ? WriteSome(store, *SomeView()) : TrySql(path_, SomeSql());
    }
  }

  void Compare() {
    std::vector<std::vector<std::string>> keys(1 + Below(3));
    std::vector<std::vector<std::string_view>> key_views(keys.size());
    std::vector<std::vector<ColumnId>> columns(keys.size());
    std::vector<OnlineRead> reads;
    for (size_t i = 0; i < keys.size(); ++i) {
      const ViewPtr& view = SomeView();
      for (size_t j = Below(8); j > 0; --j)
        keys[i].push_back(Below(10) == 0 ? "" : Key(static_cast<int64_t>(Below(kKeys))));
      keys[i].push_back(Key(0));  // without a key, a dropped view may go unnoticed
      for (size_t j = Below(5); j > 0; --j)
        columns[i].push_back(static_cast<ColumnId>(Below(view->features.size())));
      key_views[i].assign(keys[i].begin(), keys[i].end());
      reads.push_back({view.get(), key_views[i], columns[i]});
    }
    ASSERT_EQ(Answer(store_.get(), reads), Answer(plain_.get(), reads));
  }

  std::optional<OtherProcess> other_process_;
  std::mt19937_64 random_;
  std::vector<ViewPtr> views_;
  int64_t number_ = 0;
};

TEST_F(CachedStoreRandomTest, AnswersAsAStoreWithoutACacheWhateverIsDoneToTheFile) {
  const uint64_t seed = NewSeed();
  SCOPED_TRACE("SALVER_SEED=" + std::to_string(seed));
  random_.seed(seed);
  for (const char* name : {"v", "w", "x"}) views_.push_back(ViewOf(name));
  Apply(views_);
  for (int change = 0; change < 400 && !HasFatalFailure(); ++change) {
    SCOPED_TRACE("change " + std::to_string(change));
    Change();
    for (size_t i = 0; i < 4 && !HasFatalFailure(); ++i) Compare();
  }
}

TEST_F(CachedStoreTest, ReadersSeeOneMomentOfAllViewsAndNeverAnOlderOneThanWasCommitted) {
  std::vector<ViewPtr> views;
  for (const char* name : {"v", "w", "x"}) views.push_back(MakeView(name, kTwoFeatures));
  Apply(views);
  constexpr int kKeys = 4, kCommits = 100;
  const auto write = [&](int number) {
    if (number % 3 == 0) {  // another program does, else a load
      std::string sql = "BEGIN IMMEDIATE;";
      for (const ViewPtr& view : views) {
        for (int id = 0; id < kKeys; ++id)
          sql += Insert(view->name, id, "a", number) + Insert(view->name, id, "b", number);
      }
      return RunSql(sql + "COMMIT;");
    }
    const auto load = store_->BeginLoad({}).value();
    for (const ViewPtr& view : views) ASSERT_TRUE(Load(load.get(), *view, Rows(kKeys, number)).ok());
    ASSERT_TRUE(load->Commit().ok());
  };
  write(1);
  std::atomic<int> committed{1}, reads_done{0};
  std::atomic<bool> stop{false};
  const auto read = [&](uint64_t seed) {
    std::mt19937_64 random(seed);
    const std::vector<ColumnId> columns = {0, 1};
    for (int64_t last = 0; !stop; ++reads_done) {
      std::vector<std::string> keys;
      for (size_t i = 0; i <= random() % 3; ++i) keys.push_back(Key(static_cast<int64_t>(random() % kKeys)));
      const std::vector<std::string_view> key_views(keys.begin(), keys.end());
      std::vector<OnlineRead> reads;
      for (const ViewPtr& view : views) reads.push_back({view.get(), key_views, columns});
      const int64_t least = std::max<int64_t>(last, committed);
      const auto answers = store_->Read(reads, Deadline::Never());
      stop = stop || !answers.ok();
      ASSERT_TRUE(answers.ok()) << answers.status().ToString();
      last = answers->front().at(0, 0).integer;
      bool one = last >= least;
      for (const OnlineRows& rows : *answers) {
        for (const OnlineCell& cell : rows.cells) one = one && cell.integer == last;
      }
      stop = stop || !one;
      ASSERT_TRUE(one) << "read " << last << ", at least " << least << " was committed";
    }
  };
  const uint64_t seed = NewSeed();
  SCOPED_TRACE("SALVER_SEED=" + std::to_string(seed));
  std::vector<std::thread> readers;
  for (uint64_t i = 0; i < 3; ++i) readers.emplace_back(read, seed + i);
  for (int number = 2; number < kCommits && !stop; ++number) {
    write(number);
    committed = number;
    for (const int until = reads_done + static_cast<int>((seed + number) % 40); reads_done < until && !stop;)
      std::this_thread::yield();
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
}

}  // namespace
}  // namespace salver
