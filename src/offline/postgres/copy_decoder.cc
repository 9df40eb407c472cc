#include "offline/postgres/copy_decoder.h"

#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <arrow/util/utf8.h>

#include <cstring>

#include "base/arrow_status.h"

namespace salver::postgres {
namespace {

constexpr char kSignature[] = "PGCOPY\n\377\r\n";  // and the zero that ends it: 11 bytes
constexpr size_t kSignatureBytes = sizeof(kSignature);
// Where an array ends and the next begins: far below the 2 GB that 32-bit offsets reach, as a value has at
// most 1 GB.
constexpr size_t kBatchBytes = size_t{256} << 20;
constexpr int64_t kBatchRows = int64_t{1} << 20;

}  // namespace

CopyDecoder::CopyDecoder(std::string what, std::vector<Column> columns)
    : what_(std::move(what)), columns_(std::move(columns)) {
  arrow::util::InitializeUTF8();
  arrow::FieldVector fields;
  for (const Column& column : columns_) {
    fields.push_back(arrow::field(column.name, ArrowTypeOf(column.type)));
    decoders_.push_back(NewColumnDecoder(column));
  }
  schema_ = arrow::schema(std::move(fields));
}

CopyDecoder::~CopyDecoder() = default;

Status CopyDecoder::Malformed(const std::string& how) const {
  return Status::DataLoss(what_ + ": the stream of rows " + how + " (after row " + std::to_string(rows_) +
                          "). Read again; if it stays, what stands between here and the server changes it.");
}

Status CopyDecoder::Append(Bytes piece) {
  if (!begun_) SALVER_RETURN_NOT_OK(Header(&piece));
  while (!piece.empty()) SALVER_RETURN_NOT_OK(Row(&piece));
  return Status::OK();
}

Status CopyDecoder::Header(Bytes* piece) {
  if (piece->size() < kSignatureBytes + 8 || std::memcmp(piece->data(), kSignature, kSignatureBytes) != 0)
    return Malformed("does not begin as binary COPY");
  const uint32_t flags = LoadBigEndian<uint32_t>(piece->data() + kSignatureBytes);
  const uint32_t extension = LoadBigEndian<uint32_t>(piece->data() + kSignatureBytes + 4);
  // The upper half are changes that a reader must know; the lower half it may pass over.
  if ((flags >> 16) != 0) return Malformed("has flags that this build does not know");
  if (extension > piece->size() - kSignatureBytes - 8) return Malformed("ends inside its header");
  *piece = piece->subspan(kSignatureBytes + 8 + extension);
  begun_ = true;
  return Status::OK();
}

Status CopyDecoder::Row(Bytes* piece) {
  if (ended_) return Malformed("goes on after its end");
  if (piece->size() < 2) return Malformed("ends inside a row");
  const auto count = static_cast<int16_t>(LoadBigEndian<uint16_t>(piece->data()));
  Bytes rest = piece->subspan(2);
  if (count == -1) {
    ended_ = true;
    *piece = rest;
    return Status::OK();
  }
  if (count < 0 || static_cast<size_t>(count) != columns_.size())
    return Malformed("has a row of " + std::to_string(count) + " columns where " +
                     std::to_string(columns_.size()) + " were asked for");
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (rest.size() < 4) return Malformed("ends inside a row");
    const auto size = static_cast<int32_t>(LoadBigEndian<uint32_t>(rest.data()));
    rest = rest.subspan(4);
    Fault fault = nullptr;
    if (size == -1) {
      fault = decoders_[i]->AppendNull();
    } else {
      if (size < 0 || static_cast<size_t>(size) > rest.size()) return Malformed("ends inside a row");
      fault = decoders_[i]->Append(rest.first(static_cast<size_t>(size)));
      rest = rest.subspan(static_cast<size_t>(size));
    }
    if (fault != nullptr) {
      return Status::InvalidArgument(
          what_ + ": column \"" + columns_[i].name + "\", row " + std::to_string(rows_) + ", " + fault + ".",
          Reason::kBadSource);
    }
  }
  ++rows_;
  ++batch_rows_;
  batch_bytes_ += piece->size() - rest.size();
  *piece = rest;
  return batch_rows_ >= kBatchRows || batch_bytes_ >= kBatchBytes ? Flush() : Status::OK();
}

Status CopyDecoder::Flush() {
  arrow::ArrayVector arrays;
  for (const auto& decoder : decoders_) {
    SALVER_ASSIGN(auto array, FromArrow(decoder->Finish(), what_));
    arrays.push_back(std::move(array));
  }
  batches_.push_back(arrow::RecordBatch::Make(schema_, batch_rows_, std::move(arrays)));
  batch_rows_ = 0;
  batch_bytes_ = 0;
  return Status::OK();
}

Result<std::shared_ptr<arrow::Table>> CopyDecoder::Finish() {
  if (!ended_) return Malformed("stops before its end");
  if (batch_rows_ > 0) SALVER_RETURN_NOT_OK(Flush());
  return FromArrow(arrow::Table::FromRecordBatches(schema_, std::exchange(batches_, {})), what_);
}

}  // namespace salver::postgres
