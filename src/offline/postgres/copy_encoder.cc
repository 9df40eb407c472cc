#include "offline/postgres/copy_encoder.h"

#include <arrow/array/concatenate.h>
#include <arrow/chunked_array.h>
#include <arrow/table.h>

#include "base/arrow_status.h"

namespace salver::postgres {
namespace {

constexpr size_t kPieceBytes = size_t{64} << 10;

Result<std::shared_ptr<arrow::Array>> OneArray(const arrow::ChunkedArray& column, const std::string& what) {
  if (column.num_chunks() == 1) return column.chunk(0);
  if (column.num_chunks() == 0) return FromArrow(arrow::MakeArrayOfNull(column.type(), 0), what);
  return FromArrow(arrow::Concatenate(column.chunks()), what);
}

}  // namespace

Result<CopyEncoder> CopyEncoder::Make(std::string what, std::vector<Column> columns,
                                      const arrow::Table& rows) {
  CopyEncoder encoder(std::move(what), std::move(columns));
  encoder.rows_ = rows.num_rows();
  for (size_t i = 0; i < encoder.columns_.size(); ++i) {
    const Column& column = encoder.columns_[i];
    const std::string subject = encoder.what_ + ": column \"" + column.name + "\"";
    SALVER_ASSIGN(const auto one, OneArray(*rows.column(static_cast<int>(i)), subject));
    SALVER_ASSIGN(auto values, FitValues(one, column, subject));
    encoder.encoders_.push_back(NewColumnEncoder(column, values));
    encoder.values_.push_back(std::move(values));
  }
  return encoder;
}

Status CopyEncoder::AppendRow(std::string* out) {
  StoreBigEndian(static_cast<uint16_t>(columns_.size()), out);
  for (size_t i = 0; i < columns_.size(); ++i) {
    const Fault fault = AppendSized(*encoders_[i], *values_[i], row_, out);
    if (fault != nullptr) {
      return Status::InvalidArgument(
          what_ + ": column \"" + columns_[i].name + "\", row " + std::to_string(row_) + ", " + fault + ".",
          Reason::kBadFeatureValue);
    }
  }
  ++row_;
  return Status::OK();
}

Result<bool> CopyEncoder::Next(std::string* piece) {
  piece->clear();
  if (ended_) return false;
  if (!begun_) piece->append("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
  begun_ = true;
  while (row_ < rows_ && piece->size() < kPieceBytes) SALVER_RETURN_NOT_OK(AppendRow(piece));
  if (row_ == rows_) {
    StoreBigEndian(uint16_t{0xFFFF}, piece);
    ended_ = true;
  }
  return true;
}

}  // namespace salver::postgres
