// One suite for every online store. What it asserts is the contract of salver/online_store.h.
#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <map>
#include <random>
#include <thread>

#include "model/value_codec.h"
#include "online/store_suite.h"
#include "salver/write_rule.h"

namespace salver {
namespace {

template <typename T>
std::vector<T> Listed(std::span<T> values) {
  return {values.begin(), values.end()};
}

TEST_P(OnlineStoreSuite, ReadsBackWhatWasWrittenInTheOrderAsked) {
  const auto view = MakeView("v", kTwoFeatures);
  Apply({view});
  ASSERT_EQ(Write(*view, {{1, 5 * kSecond, 6 * kSecond, {10, 20}},
                          {2, 7 * kSecond, 8 * kSecond, {std::nullopt, 40}}})
                ->written,
            2);
  const auto rows = Read(*view, {2, 99, 1, 2}, {1, 0});
  ASSERT_TRUE(rows.ok()) << rows.status().ToString();
  EXPECT_EQ(Listed(rows->present), (std::vector<uint8_t>{1, 0, 1, 1}));
  EXPECT_EQ(Listed(rows->event_us), (std::vector<int64_t>{7 * kSecond, 0, 5 * kSecond, 7 * kSecond}));
  EXPECT_EQ(rows->created_us[2], can_.created_times ? 6 * kSecond : kNoCreatedTime);
  EXPECT_EQ(rows->at(0, 0).integer, 40);
  EXPECT_TRUE(rows->at(0, 1).null());
  EXPECT_TRUE(rows->at(1, 0).null());
  EXPECT_EQ(rows->at(2, 1).integer, 10);
}

TEST_P(OnlineStoreSuite, OlderRowNeverReplacesANewerOne) {
  const auto view = MakeView("v", {kTwoFeatures[0]});
  Apply({view});
  ASSERT_TRUE(Write(*view, {{1, 10 * kSecond, 10 * kSecond, {1}}}).ok());
  auto counts = Write(*view, {{1, 9 * kSecond, 99 * kSecond, {2}}});
  EXPECT_EQ(counts->written, 0);
  EXPECT_EQ(counts->older, 1);
  EXPECT_EQ(Get(*view, 1), "1@10");
  // Equal event time: the larger created time wins, then the later write.
  if (!can_.created_times) {
    ASSERT_EQ(Write(*view, {{1, 10 * kSecond, 9 * kSecond, {3}}})->written, 1);
    EXPECT_EQ(Get(*view, 1), "3@10");
    return;
  }
  ASSERT_EQ(Write(*view, {{1, 10 * kSecond, 9 * kSecond, {3}}})->older, 1);
  EXPECT_EQ(Get(*view, 1), "1@10");
  ASSERT_EQ(Write(*view, {{1, 10 * kSecond, 11 * kSecond, {4}}})->written, 1);
  ASSERT_EQ(Write(*view, {{1, 10 * kSecond, 11 * kSecond, {5}}})->written, 1);
  EXPECT_EQ(Get(*view, 1), "5@10");
  // No created time is older than any.
  ASSERT_EQ(Write(*view, {{1, 10 * kSecond, kNoCreatedTime, {6}}})->older, 1);
  EXPECT_EQ(Get(*view, 1), "5@10");
}

TEST_P(OnlineStoreSuite, SameKeyTwiceInABatchKeepsTheNewest) {
  const auto view = MakeView("v", {kTwoFeatures[0]});
  Apply({view});
  const auto counts = Write(*view, {{1, 5 * kSecond, 1, {1}},
                                    {1, 9 * kSecond, 1, {2}},
                                    {1, 7 * kSecond, 1, {3}},
                                    {-1, 9 * kSecond, 1, {4}}});
  EXPECT_EQ(counts->written, 1);
  EXPECT_EQ(counts->older, 2);
  EXPECT_EQ(Get(*view, 1), "2@9");
  EXPECT_EQ(Get(*view, -1), "absent");
}

TEST_P(OnlineStoreSuite, ViewThatWasNeverAppliedIsAnErrorThatSaysSo) {
  const auto view = MakeView("v", kTwoFeatures);
  if (!can_.views) {
    EXPECT_EQ(Get(*view, 1), "absent");
    return;
  }
  const Status read = Read(*view, {1}, {0}).status();
  EXPECT_EQ(read.reason(), Reason::kViewNotFound) << read.ToString();
  EXPECT_NE(read.message().find("salver apply"), std::string::npos);
  EXPECT_EQ(Write(*view, {{1, 5, 1, {1, 2}}}).status().reason(), Reason::kViewNotFound);
}

TEST_P(OnlineStoreSuite, SeveralViewsInOneReadAndTheSameKeyInEach) {
  const auto one = MakeView("one", {kTwoFeatures[0]}), two = MakeView("two", {kTwoFeatures[0]});
  Apply({one, two});
  ASSERT_TRUE(Write(*one, {{1, 5 * kSecond, 1, {11}}}).ok());
  ASSERT_TRUE(Write(*two, {{1, 6 * kSecond, 1, {22}}}).ok());
  const std::string key = Key(1);
  const std::string_view keys[] = {key};
  const ColumnId columns[] = {0};
  const OnlineRead reads[] = {{one.get(), keys, columns}, {two.get(), keys, columns}};
  const auto rows = store_->Read(reads, Deadline::Never());
  ASSERT_TRUE(rows.ok());
  EXPECT_EQ((*rows)[0].at(0, 0).integer, 11);
  EXPECT_EQ((*rows)[1].at(0, 0).integer, 22);
}

TEST_P(OnlineStoreSuite, RowsStayReadableWhenFeaturesAreAddedAndRemoved) {
  const auto before = MakeView("v", kTwoFeatures);
  Apply({before});
  ASSERT_TRUE(Write(*before, {{1, 5 * kSecond, 1, {10, 20}}}).ok());
  const auto after = MakeView("v", {{.name = "c", .type = ValueType::kInt64}, kTwoFeatures[1]});
  if (can_.persistent) Reopen();  // what was written by a process that knew other features
  Apply({after});
  EXPECT_EQ(Get(*after, 1, 0), "null@5");
  EXPECT_EQ(Get(*after, 1, 1), "20@5");
  ASSERT_TRUE(Write(*after, {{2, 6 * kSecond, 1, {30, 40}}}).ok());
  EXPECT_EQ(Get(*after, 2, 0), "30@6");
  if (can_.persistent) Reopen();
  EXPECT_EQ(Get(*before, 2, 1), "40@6");
}

TEST_P(OnlineStoreSuite, DroppedViewIsGoneAndComesBackEmpty) {
  const auto view = MakeView("v", kTwoFeatures), other = MakeView("other", kTwoFeatures);
  Apply({view, other});
  ASSERT_TRUE(Write(*view, {{1, 5 * kSecond, 1, {1, 2}}}).ok());
  ASSERT_TRUE(Write(*other, {{1, 5 * kSecond, 1, {3, 4}}}).ok());
  Apply({other}, {view});
  Apply({other}, {view});  // idempotent
  EXPECT_EQ(Read(*view, {1}, {0}).ok(), !can_.views);
  EXPECT_EQ(Get(*other, 1), "3@5");
  Apply({view, other});
  EXPECT_EQ(Get(*view, 1), "absent");
  EXPECT_EQ(Get(*other, 1), "3@5");
}

TEST_P(OnlineStoreSuite, AViewThatOthersDroppedAndMadeAnewIsReadAsItIsNow) {
  if (!can_.persistent) GTEST_SKIP() << "the rows are of this process";
  const auto before = MakeView("v", kTwoFeatures);
  const auto after = MakeView("v", {kTwoFeatures[1], kTwoFeatures[0]});
  Apply({before});
  ASSERT_TRUE(Write(*before, {{1, 5 * kSecond, 1, {10, 20}}}).ok());
  EXPECT_EQ(Get(*before, 1, 0), "10@5");
  auto reader = std::exchange(store_, GetParam().open(folder_, /*empty=*/false));
  Apply({}, {before});
  Apply({after});
  ASSERT_TRUE(Write(*after, {{1, 6 * kSecond, 1, {21, 11}}}).ok());
  store_ = std::move(reader);
  EXPECT_EQ(Get(*after, 1, 0), "21@6");
  EXPECT_EQ(Get(*after, 1, 1), "11@6");
}

TEST_P(OnlineStoreSuite, TeardownRemovesEverythingAndMayBeRepeated) {
  const auto view = MakeView("v", kTwoFeatures);
  Apply({view});
  ASSERT_TRUE(Write(*view, {{1, 5 * kSecond, 1, {1, 2}}}).ok());
  const ViewPtr views[] = {view};
  ASSERT_TRUE(store_->Teardown(views).ok());
  ASSERT_TRUE(store_->Teardown(views).ok());
  if (GetParam().files) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_)) {
      EXPECT_FALSE(entry.is_regular_file()) << entry.path();
    }
  }
  Apply({view});
  EXPECT_EQ(Get(*view, 1), "absent");
}

TEST_P(OnlineStoreSuite, AcknowledgedRowsAreThereAfterReopening) {
  EXPECT_NE(store_->durability().find(GetParam().durability), std::string::npos) << store_->durability();
  if (!can_.persistent) return;
  const auto view = MakeView("v", kTwoFeatures);
  Apply({view});
  ASSERT_TRUE(Write(*view, {{1, 5 * kSecond, 1, {1, 2}}}).ok());
  Reopen();
  EXPECT_EQ(Get(*view, 1), "1@5");
}

TEST_P(OnlineStoreSuite, AnotherProcessReadsWhileThisOneWrites) {
  if (!can_.persistent) GTEST_SKIP() << "the rows are of this process";
  const auto view = MakeView("v", {kTwoFeatures[0]});
  Apply({view});
  ASSERT_TRUE(Write(*view, {{1, 5 * kSecond, 1, {1}}}).ok());
  store_.reset();  // LMDB and SQLite forbid carrying an open handle over fork
  const pid_t child = ::fork();
  if (child == 0) {
    store_ = GetParam().open(folder_, /*empty=*/false);
    int bad = 0;
    for (int i = 0; i < 500; ++i)
      bad += Get(*view, 1).substr(0, 6) == "absent" || !Read(*view, {1}, {0}).ok();
    store_.reset();
    ::_exit(bad == 0 ? 0 : 1);
  }
  store_ = GetParam().open(folder_, /*empty=*/false);
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(Write(*view, {{1, (6 + i) * kSecond, 1, {i}}}).ok());
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST_P(OnlineStoreSuite, ThreadsReadWholeRowsWhileOthersWrite) {
  const auto view = MakeView("v", kTwoFeatures);
  Apply({view});
  ASSERT_TRUE(Write(*view, {{1, 1 * kSecond, 1, {0, 0}}}).ok());
  std::atomic<bool> done{false};
  std::atomic<int> torn{0}, backwards{0};
  std::vector<std::thread> readers;
  for (int t = 0; t < 3; ++t) {
    readers.emplace_back([&] {
      int64_t last = 0;
      while (!done) {
        const auto rows = Read(*view, {1}, {0, 1});
        if (!rows.ok() || rows->at(0, 0).integer != -rows->at(0, 1).integer) {
          ++torn;
        } else {
          if (rows->at(0, 0).integer < last) ++backwards;
          last = rows->at(0, 0).integer;
        }
      }
    });
  }
  for (int64_t i = 1; i <= 100; ++i) EXPECT_TRUE(Write(*view, {{1, (1 + i) * kSecond, 1, {i, -i}}}).ok());
  done = true;
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(torn, 0);
  EXPECT_EQ(backwards, 0);
}

// Many random writes against the rule written out as plainly as it can be.
TEST_P(OnlineStoreSuite, RandomWritesLeaveTheNewestRowOfEachKey) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto view = MakeView("v", {kTwoFeatures[0]});
  Apply({view});
  std::map<int64_t, std::tuple<int64_t, int64_t, int64_t>> expected;  // id -> event, created, value
  int64_t value = 0;
  for (int round = 0; round < 60; ++round) {
    std::vector<Row> rows;
    for (uint64_t i = random() % 20; i > 0; --i) {
      const Row row{int64_t(random() % 10),
                    int64_t(random() % 8) * kSecond,
                    can_.created_times ? int64_t(random() % 3) * kSecond : kSecond,
                    {++value}};
      auto& [event, created, kept] = expected.try_emplace(row.id, INT64_MIN, INT64_MIN, 0).first->second;
      if (row.event_us > event || (row.event_us == event && row.created_us >= created)) {
        std::tie(event, created, kept) = std::tuple(row.event_us, row.created_us, value);
      }
      rows.push_back(row);
    }
    ASSERT_TRUE(Write(*view, rows).ok());
  }
  for (const auto& [id, row] : expected) {
    EXPECT_EQ(Get(*view, id),
              std::to_string(std::get<2>(row)) + "@" + std::to_string(std::get<0>(row) / kSecond))
        << id;
  }
}

// Loads of sorted rows, of rows in any order, and writes between them, against the same rule.
TEST_P(OnlineStoreSuite, RandomLoadsLeaveTheNewestRowOfEachKey) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const ViewPtr views[] = {MakeView("v", kTwoFeatures), MakeView("w", kTwoFeatures)};
  Apply({views[0], views[1]});
  std::map<std::pair<size_t, int64_t>, std::tuple<int64_t, int64_t, int64_t>> expected;
  int64_t value = 0;
  const auto make_rows = [&](size_t v) {
    std::vector<Row> rows;
    const int64_t first = int64_t(random() % 40);
    for (uint64_t i = random() % 30; i > 0; --i) {
      const int64_t id = random() % 2 == 0 ? first + int64_t(i) : int64_t(random() % 60);
      const int64_t created = can_.created_times ? int64_t(random() % 3) * kSecond : kSecond;
      rows.push_back({id, int64_t(random() % 8) * kSecond, created, {++value, -value}});
      if (random() % 5 == 0) rows.back().values[1] = std::nullopt;
    }
    if (random() % 3 != 0)
      std::stable_sort(rows.begin(), rows.end(),
                       [](const Row& a, const Row& b) { return Key(a.id) < Key(b.id); });
    for (const Row& row : rows) {
      auto& [event, created, kept] = expected.try_emplace({v, row.id}, INT64_MIN, INT64_MIN, 0).first->second;
      if (std::pair(row.event_us, row.created_us) >= std::pair(event, created))
        std::tie(event, created, kept) = std::tuple(row.event_us, row.created_us, *row.values[0]);
    }
    return rows;
  };
  for (int round = 0; round < 30; ++round) {
    if (random() % 4 == 0) {
      const size_t v = random() % 2;
      ASSERT_TRUE(Write(*views[v], make_rows(v)).ok());
      continue;
    }
    const auto load = store_->BeginLoad(views);
    ASSERT_TRUE(load.ok()) << load.status().ToString();
    for (uint64_t i = random() % 4; i > 0; --i) {
      const size_t v = random() % 2;
      const auto rows = make_rows(v);
      const auto counts = Load(load->get(), *views[v], rows);
      ASSERT_TRUE(counts.ok()) << counts.status().ToString();
      ASSERT_EQ(counts->written + counts->older, int64_t(rows.size()));
    }
    ASSERT_TRUE((*load)->Commit().ok());
  }
  for (const auto& [key, row] : expected) {
    EXPECT_EQ(Get(*views[key.first], key.second),
              std::to_string(std::get<2>(row)) + "@" + std::to_string(std::get<0>(row) / kSecond))
        << views[key.first]->name << " " << key.second;
  }
}

TEST_P(OnlineStoreSuite, ALoadThatIsGivenUpLeavesNeitherRowsNorMark) {
  if (!can_.transactions) GTEST_SKIP() << "rows of a load are written through";
  const ViewPtr view = MakeView("v", kTwoFeatures);
  Apply({view});
  {
    const auto load = store_->BeginLoad(std::span(&view, 1));
    ASSERT_TRUE(load.ok()) << load.status().ToString();
    ASSERT_EQ(Load(load->get(), *view, {{1, kSecond, 1, {1, 2}}})->written, 1);
    ASSERT_TRUE((*load)->SetMark(*view, "far").ok());
  }
  EXPECT_EQ(Get(*view, 1), "absent");
  EXPECT_EQ(*store_->ReadMark(*view), "");
  const auto load = store_->BeginLoad(std::span(&view, 1));
  ASSERT_TRUE(load.ok()) << load.status().ToString();
  ASSERT_EQ(Load(load->get(), *view, {{1, kSecond, 1, {1, 2}}})->written, 1);
  ASSERT_TRUE((*load)->SetMark(*view, std::string("far\0er", 6)).ok());
  ASSERT_TRUE((*load)->Commit().ok());
  Reopen();
  EXPECT_EQ(Get(*view, 1), "1@1");
  EXPECT_EQ(*store_->ReadMark(*view), std::string("far\0er", 6));
}

TEST_P(OnlineStoreSuite, AMarkGoesWithItsTableOrWhenItIsRemoved) {
  if (!can_.transactions) GTEST_SKIP() << "marks are not kept";
  const ViewPtr view = MakeView("v", kTwoFeatures);
  Apply({view});
  const auto set = [&](const char* mark) {
    const auto load = store_->BeginLoad(std::span(&view, 1));
    ASSERT_TRUE(load.ok() && (*load)->SetMark(*view, mark).ok() && (*load)->Commit().ok());
  };
  set("one");
  set("two");
  EXPECT_EQ(*store_->ReadMark(*view), "two");
  set("");
  EXPECT_EQ(*store_->ReadMark(*view), "");
  set("three");
  Apply({}, {view});
  EXPECT_EQ(store_->ReadMark(*view).status().reason(), Reason::kViewNotFound);
  Apply({view});
  EXPECT_EQ(*store_->ReadMark(*view), "");
}

// Every type: Value bytes -> Arrow -> store -> cell -> the same Value bytes.
TEST_P(OnlineStoreSuite, EveryTypeComesBackAsItWasWritten) {
  const std::map<ValueType, std::string> values = {
      {ValueType::kBytes, std::string("\x0a\x02\x00\xff", 4)},
      {ValueType::kString, std::string("\x12\x01x", 3)},
      {ValueType::kInt32, std::string("\x18\x07", 2)},
      {ValueType::kInt64, std::string("\x20\x07", 2)},
      {ValueType::kDouble, std::string("\x29\x00\x00\x00\x00\x00\x00\xe0\x3f", 9)},
      {ValueType::kFloat, std::string("\x35\x00\x00\x00\x3f", 5)},
      {ValueType::kBool, std::string("\x38\x01", 2)},
      {ValueType::kUnixTimestamp, std::string("\x40\x07", 2)},
      {ValueType::kStringList, std::string("\x62\x06\x0a\x01"
                                           "a\x0a\x01"
                                           "b",
                                           8)},
      {ValueType::kInt64List, std::string("\x72\x04\x0a\x02\x01\x02", 6)},
      {ValueType::kFloatList, std::string("\x82\x01\x06\x0a\x04\x00\x00\x80\x3f", 9)},
      {ValueType::kBoolList, std::string("\x8a\x01\x04\x0a\x02\x01\x00", 7)},
      {ValueType::kUnixTimestampList, std::string("\x92\x01\x03\x0a\x01\x07", 6)},
      {ValueType::kMap, std::string("\xa2\x01\x0a\x0a\x08\x0a\x01k\x12\x03\x12\x01v", 13)},
      {ValueType::kStringSet, std::string("\xba\x01\x03\x0a\x01"
                                          "a",
                                          6)},
      {ValueType::kInt64Set, std::string("\xca\x01\x03\x0a\x01\x05", 6)},
      {ValueType::kJson, std::string("\x82\x02\x02{}", 5)},
      {ValueType::kUuid, std::string("\xa2\x02\x01u", 4)},
      {ValueType::kDecimal, std::string("\xe2\x02\x03"
                                        "1.5",
                                        6)},
      {ValueType::kDecimalList, std::string("\xea\x02\x05\x0a\x03"
                                            "1.5",
                                            8)},
  };
  std::vector<Field> fields;
  std::vector<std::shared_ptr<arrow::Array>> columns;
  arrow::FieldVector arrow_fields;
  for (const auto& [type, bytes] : values) {
    fields.push_back({.name = ValueTypeName(type), .type = type});
    OnlineCell cell;
    ASSERT_TRUE(DecodeValue(bytes, type, &cell).ok()) << ValueTypeName(type);
    const auto column = CellsToArray(std::span(&cell, 1), fields.back());
    ASSERT_TRUE(column.ok()) << ValueTypeName(type) << column.status().ToString();
    columns.push_back(*column);
    arrow_fields.push_back(arrow::field(fields.back().name, (*column)->type()));
  }
  const auto view = MakeView("v", fields);
  Apply({view});
  const auto batch = arrow::RecordBatch::Make(arrow::schema(arrow_fields), 1, columns);
  const std::string key = Key(1);
  const std::string_view keys[] = {key};
  const int64_t event[] = {kSecond};
  const auto counts = store_->Write(*view, {keys, event, {}, batch.get()}, Deadline::Never());
  ASSERT_TRUE(counts.ok()) << counts.status().ToString();
  std::vector<ColumnId> all(fields.size());
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<ColumnId>(i);
  const auto rows = Read(*view, {1}, all);
  ASSERT_TRUE(rows.ok()) << rows.status().ToString();
  EXPECT_EQ(rows->created_us[0], kNoCreatedTime);
  for (size_t i = 0; i < fields.size(); ++i) {
    std::string bytes;
    AppendCellValue(rows->at(0, i), fields[i].type, &bytes);
    EXPECT_EQ(bytes, values.at(fields[i].type)) << fields[i].name;
  }
}

TEST_P(OnlineStoreSuite, DeadlineThatPassedWritesNothing) {
  if (!can_.persistent) GTEST_SKIP() << "memory never waits";
  const auto view = MakeView("v", kTwoFeatures);
  Apply({view});
  const std::string key = Key(1);
  const std::string_view keys[] = {key};
  const ColumnId columns[] = {0};
  const OnlineRead read{view.get(), keys, columns};
  EXPECT_EQ(store_->Read(std::span(&read, 1), Deadline::After(std::chrono::microseconds(-1))).status().code(),
            StatusCode::kDeadlineExceeded);
}

TEST_P(OnlineStoreSuite, DeadlineThatPassesAmongTheKeysOfOneViewEndsTheRead) {
  if (!can_.persistent) GTEST_SKIP() << "memory never waits";
  const auto view = MakeView("v", kTwoFeatures);
  Apply({view});
  ASSERT_TRUE(Write(*view, {{1, 5 * kSecond, 1, {1, 2}}}).ok());
  const std::string key = Key(1);
  const std::vector<std::string_view> keys(200'000, key);  // many times more than a store reads in that time
  const ColumnId columns[] = {0};
  const OnlineRead read{view.get(), keys, columns};
  EXPECT_EQ(store_->Read(std::span(&read, 1), Deadline::After(std::chrono::milliseconds(2))).status().code(),
            StatusCode::kDeadlineExceeded);
  EXPECT_EQ(Get(*view, 1), "1@5");
}

TEST_P(OnlineStoreSuite, DamagedFileIsAnErrorNotACrash) {
  if (!GetParam().files) GTEST_SKIP() << "the rows lie in no file of this store's";
  const auto view = MakeView("v", kTwoFeatures);
  store_.reset();
  std::filesystem::remove_all(folder_);
  std::filesystem::create_directories(folder_ + "/store");
  for (const char* name : {"/store/data.mdb", "/store.db"})
    std::ofstream(folder_ + name) << std::string(8192, 'x');
  store_ = GetParam().open(folder_, /*empty=*/false);
  if (store_ == nullptr) return;  // refused at opening
  EXPECT_FALSE(store_->Apply(std::span(&view, 1), {}).ok());
}

// A pack that is there, or not, or has other views, makes no difference to what is read.
TEST_P(OnlineStoreSuite, APackIsReadAsItsViewsAre) {
  const std::vector<ViewPtr> views = {MakeView("v", kTwoFeatures), MakeView("w", {kTwoFeatures[0]})};
  Apply(views);
  const auto same = [&] {
    const std::string first = Key(1), second = Key(2), third = Key(3);
    const std::string_view keys[] = {first, third, "", second, first};
    const ColumnId both[] = {1, 0}, one[] = {0};
    const OnlineRead reads[] = {{views[1].get(), keys, one}, {views[0].get(), keys, both}};
    for (int again = 0; again < 2; ++again) {  // the first opens what the second finds open
      const auto packed = store_->ReadPack("service", reads, Deadline::Never());
      const auto plain = store_->Read(reads, Deadline::Never());
      ASSERT_TRUE(packed.ok() && plain.ok()) << packed.status().ToString() << plain.status().ToString();
      for (size_t i = 0; i < 2; ++i) {
        EXPECT_TRUE(std::ranges::equal((*packed)[i].present, (*plain)[i].present));
        EXPECT_TRUE(std::ranges::equal((*packed)[i].event_us, (*plain)[i].event_us));
        EXPECT_TRUE(std::ranges::equal((*packed)[i].created_us, (*plain)[i].created_us));
        for (size_t cell = 0; cell < (*plain)[i].cells.size(); ++cell) {
          EXPECT_EQ((*packed)[i].cells[cell].kind, (*plain)[i].cells[cell].kind);
          EXPECT_EQ((*packed)[i].cells[cell].integer, (*plain)[i].cells[cell].integer);
        }
      }
    }
  };
  ASSERT_TRUE(Write(*views[0], {{1, 5 * kSecond, 1, {10, 20}}}).ok());
  same();
  const std::vector<RowPack> all = {{"service", views}}, fewer = {{"service", {views[1]}}}, none;
  for (const auto& packs : {all, fewer, all, none}) {
    ASSERT_TRUE(store_->ApplyPacks(packs).ok());
    same();
    ASSERT_TRUE(Write(*views[0], {{2, 7 * kSecond, 1, {30, std::nullopt}}}).ok());
    ASSERT_TRUE(Write(*views[1], {{1, 6 * kSecond, 1, {40}}, {3, 8 * kSecond, 1, {50}}}).ok());
    ASSERT_TRUE(Write(*views[0], {{1, 4 * kSecond, 1, {60, 70}}}).ok());
    same();
  }
}

// What docs/online-stores.md says of each store is taken from here (tools/certify_online_stores.py).
TEST_P(OnlineStoreSuite, SaysWhatItCan) {
  EXPECT_EQ(store_->type(), std::string_view(GetParam().name).substr(0, store_->type().size()));
  for (const auto& [name, can] : {std::pair{"persistent", can_.persistent},
                                  {"views", can_.views},
                                  {"created_times", can_.created_times},
                                  {"transactions", can_.transactions},
                                  {"atomic_rows", can_.atomic_rows},
                                  {"drop", can_.drop},
                                  {"time_to_live", can_.time_to_live},
                                  {"vectors", can_.vectors},
                                  {"text_search", can_.text_search},
                                  {"scan", can_.scan},
                                  {"packs", can_.packs}})
    RecordProperty(name, can ? "yes" : "no");
  RecordProperty("durability", std::string(store_->durability()));
}

INSTANTIATE_TEST_SUITE_P(Stores, OnlineStoreSuite, testing::ValuesIn(StoreCases()),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace salver
