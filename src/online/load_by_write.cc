// Loads into stores that have no way of their own for them: rows are unpacked and written batch by batch.
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "model/value_codec.h"
#include "online/batch_rows.h"
#include "salver/packed_row.h"

namespace salver {
namespace {

class LoadByWrite final : public OnlineLoad {
 public:
  explicit LoadByWrite(OnlineStore* store) : store_(store) {}

  Result<WriteCounts> Write(const FeatureView& view, const PackedRows& rows) override {
    const RowSchema schema = RowSchemaOf(view);
    std::vector<int64_t> event_us, created_us;
    std::vector<std::vector<OnlineCell>> cells(schema.columns.size());
    for (const std::string_view row : rows.rows) {
      SALVER_ASSIGN(const RowHeader header, DecodeRowHeader(row));
      event_us.push_back(header.event_us);
      created_us.push_back(header.created_us);
      for (size_t i = 0; i < cells.size(); ++i)
        SALVER_RETURN_NOT_OK(DecodeRowCell(row, schema, i, &cells[i].emplace_back()));
    }
    arrow::FieldVector fields;
    std::vector<std::shared_ptr<arrow::Array>> columns;
    for (size_t i = 0; i < cells.size(); ++i) {
      SALVER_ASSIGN(auto column, CellsToArray(cells[i], view.features[i]));
      fields.push_back(arrow::field(view.features[i].name, column->type()));
      columns.push_back(std::move(column));
    }
    const auto batch = arrow::RecordBatch::Make(arrow::schema(std::move(fields)),
                                                static_cast<int64_t>(rows.rows.size()), std::move(columns));
    return store_->Write(view, {rows.keys, event_us, created_us, batch.get()}, Deadline::Never());
  }

  Status SetMark(const FeatureView&, std::string_view) override { return Status::OK(); }
  int64_t bytes_held() const override { return 0; }
  Status Commit() override { return Status::OK(); }

 private:
  OnlineStore* const store_;
};

}  // namespace

Result<std::unique_ptr<OnlineLoad>> OnlineStore::BeginLoad(
    std::span<const std::shared_ptr<const FeatureView>>) {
  return std::unique_ptr<OnlineLoad>(new LoadByWrite(this));
}

Result<std::string> OnlineStore::ReadMark(const FeatureView&) {
  return std::string();
}

Result<std::vector<OnlineRows>> OnlineStore::ReadPack(std::string_view, std::span<const OnlineRead> reads,
                                                      Deadline deadline) {
  return Read(reads, deadline);
}

Status OnlineStore::ApplyPacks(std::span<const RowPack>) {
  return Status::OK();
}

}  // namespace salver
