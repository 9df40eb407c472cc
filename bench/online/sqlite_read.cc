// How fast the sqlite store reads a file in Feast's layout, beside the same SELECTs in C whose rows are
// thrown away (sqlite_select.cc, here in the same process and in turns of milliseconds, so that a busy
// machine slows all): without its row cache; with one so small that it never has what is asked for, since all
// entities are asked for in turn; and with one that has it all after the first round.
//
//   salver_sqlite_read FILE PROJECT [views] [keys] [seconds]
//
// The views are called view_00, view_01, ... with INT64 features f00_0, f00_1, ... as bench/online/grids.py
// makes them. Prints microseconds a request of each: the median and the least of all turns.
#include <sqlite3.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "online/online_stores.h"
#include "peer.h"
#include "salver/entity_key.h"

namespace salver {
namespace {

using salver_bench::Fail;
using Clock = std::chrono::steady_clock;
constexpr int kFeatures = 10, kEntities = 10'000;

std::string Numbered(const char* format, int number, int second = 0) {
  char text[64];
  std::snprintf(text, sizeof text, format, number, second);
  return text;
}

class PlainSelects {
 public:
  PlainSelects(const char* path, const std::string& project, int views) {
    if (sqlite3_open_v2(path, &db_, SQLITE_OPEN_READWRITE, nullptr) != SQLITE_OK) Fail(sqlite3_errmsg(db_));
    for (int view = 0; view < views; ++view) {
      selects_.push_back(Prepare("SELECT feature_name, value, event_ts, created_ts FROM \"" + project +
                                 Numbered("_view_%02d", view) + "\" WHERE entity_key = ?"));
    }
    begin_ = Prepare("BEGIN");
    commit_ = Prepare("COMMIT");
  }
  ~PlainSelects() {
    for (sqlite3_stmt* statement : selects_) sqlite3_finalize(statement);
    sqlite3_finalize(begin_);
    sqlite3_finalize(commit_);
    sqlite3_close(db_);
  }

  // Returns the features that were found.
  int Read(std::span<const std::string_view> keys) {
    int found = 0;
    Step(begin_);
    for (sqlite3_stmt* select : selects_) {
      for (const std::string_view key : keys) {
        sqlite3_bind_blob(select, 1, key.data(), static_cast<int>(key.size()), SQLITE_STATIC);
        for (; sqlite3_step(select) == SQLITE_ROW; ++found) {
          [[maybe_unused]] const void* volatile name = sqlite3_column_text(select, 0);
          [[maybe_unused]] const void* volatile value = sqlite3_column_blob(select, 1);
          [[maybe_unused]] const volatile int64_t event = sqlite3_column_int64(select, 2);
          [[maybe_unused]] const volatile int64_t created = sqlite3_column_int64(select, 3);
        }
        sqlite3_reset(select);
      }
    }
    Step(commit_);
    return found;
  }

 private:
  sqlite3_stmt* Prepare(const std::string& sql) {
    sqlite3_stmt* statement;
    if (sqlite3_prepare_v3(db_, sql.c_str(), -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK)
      Fail(sqlite3_errmsg(db_));
    return statement;
  }
  static void Step(sqlite3_stmt* statement) {
    sqlite3_step(statement);
    sqlite3_reset(statement);
  }

  sqlite3* db_ = nullptr;
  std::vector<sqlite3_stmt*> selects_;
  sqlite3_stmt *begin_ = nullptr, *commit_ = nullptr;
};

// Microseconds a request in each turn of one side.
struct Turns {
  std::vector<double> us;

  template <typename Request>
  void Take(const Request& request) {
    const auto start = Clock::now();
    double passed_us = 0;
    int done = 0;
    for (; passed_us < 10'000;
         ++done, passed_us = std::chrono::duration<double, std::micro>(Clock::now() - start).count())
      request();
    us.push_back(passed_us / done);
  }
  void Print(const char* name) {
    std::sort(us.begin(), us.end());
    std::printf("%-20s median %9.1f us, least %9.1f us\n", name, us[us.size() / 2], us.front());
  }
};

int Main(int count, char** words) {
  if (count < 3) Fail("usage: salver_sqlite_read FILE PROJECT [views] [keys] [seconds]");
  const auto number = [&](int at, int otherwise) { return count > at ? std::atoi(words[at]) : otherwise; };
  const int views = number(3, 5), key_count = number(4, 1), seconds = number(5, 4);
  std::vector<std::pair<const char*, std::unique_ptr<OnlineStore>>> stores;
  for (const auto& [name, row_cache_mb] :
       {std::pair("salver, no cache", 0), std::pair("salver, all misses", 1),
        std::pair("salver, all hits", 1024)}) {
    auto opened =
        OpenSqliteOnlineStore({.path = words[1], .project = words[2], .row_cache_mb = row_cache_mb});
    if (!opened.ok()) Fail(opened.status().ToString());
    stores.emplace_back(name, std::move(*opened));
  }
  PlainSelects plain(words[1], words[2], views);

  const Field join_key{.name = "item_id", .type = ValueType::kInt64};
  const std::string prefix = EntityKeyEncoder::Make(std::span(&join_key, 1))->prefix();
  std::vector<std::string> encoded;
  for (int64_t id = 0; id < kEntities; ++id) EntityKeyEncoder::AppendInt64(id, &encoded.emplace_back(prefix));
  std::vector<std::string_view> shuffled(encoded.begin(), encoded.end());
  std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937_64(1));
  std::vector<FeatureView> view(views);
  std::vector<ColumnId> columns;
  for (int i = 0; i < kFeatures; ++i) columns.push_back(static_cast<ColumnId>(i));
  for (int i = 0; i < views; ++i) {
    view[i].name = Numbered("view_%02d", i);
    for (int j = 0; j < kFeatures; ++j)
      view[i].features.push_back({.name = Numbered("f%02d_%d", i, j), .type = ValueType::kInt64});
  }

  struct Side {
    const char* name;
    OnlineStore* store;  // null: the SELECTs
    size_t next = 0;     // key
    Turns turns = {};
  };
  std::vector<Side> sides = {{"SELECTs thrown away", nullptr}};
  for (const auto& [name, store] : stores) sides.push_back({name, store.get()});
  const auto request = [&](Side* side) {
    if (side->next + key_count > shuffled.size()) side->next = 0;
    const auto keys = std::span(shuffled).subspan(side->next, key_count);
    side->next += key_count;
    if (side->store == nullptr) {
      if (plain.Read(keys) != views * key_count * kFeatures) Fail("rows are missing");
      return;
    }
    std::vector<OnlineRead> reads;
    for (const FeatureView& one : view) reads.push_back({&one, keys, columns});
    const auto rows = side->store->Read(reads, Deadline::After(std::chrono::seconds(10)));
    if (!rows.ok()) Fail(rows.status().ToString());
  };
  for (size_t i = 0; i <= shuffled.size() / key_count + 2; ++i) request(&sides.back());
  for (const auto end = Clock::now() + std::chrono::seconds(seconds); Clock::now() < end;) {
    for (Side& side : sides) side.turns.Take([&] { request(&side); });
  }
  std::printf("%d views, %d keys, %d features\n", views, key_count, kFeatures);
  for (Side& side : sides) side.turns.Print(side.name);
  return 0;
}

}  // namespace
}  // namespace salver

int main(int count, char** words) {
  return salver::Main(count, words);
}
