// What the tests of every online store share: views and rows to write, and the stores that the suite runs on.
#pragma once

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "online/batch_rows.h"
#include "online/row_packer.h"
#include "salver/entity_key.h"
#include "salver/online_store.h"

namespace salver {

using ViewPtr = std::shared_ptr<const FeatureView>;

inline ViewPtr MakeView(const std::string& name, std::vector<Field> features) {
  auto view = std::make_shared<FeatureView>();
  view->name = name;
  view->project = "p";
  view->join_keys = {{.name = "id", .type = ValueType::kInt64}};
  view->features = std::move(features);
  view->tags["store"] = name < "u" ? "a" : "b";  // for the hybrid store
  return view;
}

inline std::string Key(int64_t id) {
  const Field join_key{.name = "id", .type = ValueType::kInt64};
  std::string key = EntityKeyEncoder::Make(std::span(&join_key, 1))->prefix();
  EntityKeyEncoder::AppendInt64(id, &key);
  return key;
}

// Rows of a view whose features are all INT64; nullopt is a null.
struct Row {
  int64_t id, event_us, created_us;
  std::vector<std::optional<int64_t>> values;
};

inline constexpr int64_t kSecond = 1'000'000;  // sqlite keeps whole seconds, so the suite uses them

// One store that the suite runs on.
struct StoreCase {
  const char* name;
  // Opens what is kept in `folder`, or for it. `empty`: nothing is to be there yet. Null: the store can not
  // be opened.
  std::function<std::unique_ptr<OnlineStore>(const std::string& folder, bool empty)> open;
  bool files;                                             // rows lie in files of the folder
  const char* durability;                                 // what durability() must say
  std::function<bool()> installed = [] { return true; };  // whether this machine has what the store needs
};

inline void PrintTo(const StoreCase& store, std::ostream* out) {
  *out << store.name;
}

std::vector<StoreCase> StoreCases();

// A store, and short words for what is done with it.
class StoreTest : public testing::Test {
 protected:
  void Apply(std::vector<ViewPtr> keep, std::vector<ViewPtr> drop = {}) {
    const Status status = store_->Apply(keep, drop);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }

  // Rows of a view as the columns of a batch.
  struct Columns {
    std::vector<std::string> keys;
    std::vector<std::string_view> key_views;
    std::vector<int64_t> event, created;
    std::shared_ptr<arrow::RecordBatch> features;
    OnlineBatch batch() const { return {key_views, event, created, features.get()}; }
  };

  static Columns ColumnsOf(const FeatureView& view, const std::vector<Row>& rows) {
    Columns columns;
    for (const Row& row : rows) {
      columns.keys.push_back(row.id < 0 ? "" : Key(row.id));  // a negative id stands for a null join key
      columns.event.push_back(row.event_us);
      columns.created.push_back(row.created_us);
    }
    columns.key_views.assign(columns.keys.begin(), columns.keys.end());
    std::vector<std::shared_ptr<arrow::Array>> arrays;
    arrow::FieldVector fields;
    for (size_t i = 0; i < view.features.size(); ++i) {
      arrow::Int64Builder builder;
      for (const Row& row : rows) {
        EXPECT_TRUE((row.values[i] ? builder.Append(*row.values[i]) : builder.AppendNull()).ok());
      }
      arrays.push_back(*builder.Finish());
      fields.push_back(arrow::field(view.features[i].name, arrow::int64()));
    }
    columns.features =
        arrow::RecordBatch::Make(arrow::schema(fields), static_cast<int64_t>(rows.size()), arrays);
    return columns;
  }

  Result<WriteCounts> Write(const FeatureView& view, const std::vector<Row>& rows) {
    return store_->Write(view, ColumnsOf(view, rows).batch(), Deadline::Never());
  }

  // Into a load, in the order given.
  static Result<WriteCounts> Load(OnlineLoad* load, const FeatureView& view, const std::vector<Row>& rows) {
    const Columns columns = ColumnsOf(view, rows);
    std::vector<uint32_t> order(rows.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<uint32_t>(i);
    SALVER_ASSIGN(const PackedBatch packed, PackRows(view, columns.batch(), order));
    return load->Write(view, packed.view());
  }

  Result<OnlineRows> Read(const FeatureView& view, const std::vector<int64_t>& ids,
                          std::vector<ColumnId> columns) {
    std::vector<std::string> keys;
    for (const int64_t id : ids) keys.push_back(id < 0 ? "" : Key(id));
    const std::vector<std::string_view> views(keys.begin(), keys.end());
    const OnlineRead read{&view, views, columns, SchemaHashOf(view)};
    SALVER_ASSIGN(auto rows, store_->Read(std::span(&read, 1), Deadline::Never()));
    return std::move(rows[0]);
  }

  // "7@5" is value 7 with event second 5; "absent", "null@5".
  std::string Get(const FeatureView& view, int64_t id, ColumnId column = 0) {
    const auto rows = Read(view, {id}, {column});
    if (!rows.ok()) return rows.status().ToString();
    if (!rows->present[0]) return "absent";
    const OnlineCell& cell = rows->at(0, 0);
    return (cell.null() ? "null" : std::to_string(cell.integer)) + "@" +
           std::to_string(rows->event_us[0] / kSecond);
  }

  std::unique_ptr<OnlineStore> store_;
};

inline const std::vector<Field> kTwoFeatures = {{.name = "a", .type = ValueType::kInt64},
                                                {.name = "b", .type = ValueType::kInt64}};

class OnlineStoreSuite : public StoreTest, public testing::WithParamInterface<StoreCase> {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "/online-" + GetParam().name + "-" + std::to_string(::getpid());
    std::filesystem::remove_all(folder_);
    if (!GetParam().installed()) GTEST_SKIP() << "this machine has no server for " << GetParam().name;
    store_ = GetParam().open(folder_, /*empty=*/true);
    ASSERT_NE(store_, nullptr);
    can_ = store_->capabilities();
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }
  void Reopen() {
    store_.reset();
    store_ = GetParam().open(folder_, /*empty=*/false);
    ASSERT_NE(store_, nullptr);
  }

  std::string folder_;
  OnlineCapabilities can_;
};

}  // namespace salver
