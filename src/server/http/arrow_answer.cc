#include "server/http/arrow_answer.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>
#include <arrow/util/key_value_metadata.h>

#include <strings.h>

#include <charconv>

#include "base/arrow_status.h"
#include "model/value_codec.h"
#include "server/http/view_versions.h"

namespace salver {
namespace {

constexpr const char* kSubject = "Arrow answer";

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string_view TakeUntil(char end, std::string_view* rest) {
  const std::string_view taken = rest->substr(0, rest->find(end));
  rest->remove_prefix(std::min(rest->size(), taken.size() + 1));
  return Trimmed(taken);
}

bool SameText(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

// What a client says of one type: how much it wants it, by the range that names it most exactly.
struct Wish {
  int exactness = 0;  // 1: */*  2: application/*  3: the type itself
  double weight = 0;

  bool operator<(const Wish& other) const {
    return weight < other.weight || (weight == other.weight && exactness < other.exactness);
  }
};

void Consider(std::string_view range, double weight, std::string_view type, Wish* wish) {
  const int exactness = SameText(range, type)              ? 3
                        : SameText(range, "application/*") ? 2
                        : range == "*/*"                   ? 1
                                                           : 0;
  if (exactness > wish->exactness) *wish = {exactness, weight};
}

// False for a malformed header.
bool ReadAccept(std::string_view accept, Wish* json, Wish* arrow) {
  while (!accept.empty()) {
    std::string_view entry = TakeUntil(',', &accept);
    if (entry.empty()) continue;
    const std::string_view range = TakeUntil(';', &entry);
    if (range.find('/') == std::string_view::npos) return false;
    double weight = 1;
    while (!entry.empty()) {
      std::string_view parameter = TakeUntil(';', &entry);
      if (!SameText(TakeUntil('=', &parameter), "q")) continue;
      const auto [end, error] =
          std::from_chars(parameter.data(), parameter.data() + parameter.size(), weight);
      if (error != std::errc() || end != parameter.data() + parameter.size() || !(weight >= 0 && weight <= 1))
        return false;
    }
    Consider(range, weight, "application/json", json);
    Consider(range, weight, kArrowStreamType, arrow);
  }
  return true;
}

Result<std::shared_ptr<arrow::Array>> Statuses(const OnlineColumn& column) {
  static const std::shared_ptr<arrow::Array> names = [] {
    arrow::StringBuilder builder;
    for (int status = 0; status <= static_cast<int>(FieldStatus::kOutsideMaxAge); ++status)
      (void)builder.Append(FieldStatusName(static_cast<FieldStatus>(status)));
    return builder.Finish().ValueOrDie();
  }();
  arrow::Int8Builder builder;
  SALVER_RETURN_NOT_OK(FromArrow(builder.Reserve(static_cast<int64_t>(column.statuses.size())), kSubject));
  for (const FieldStatus status : column.statuses) builder.UnsafeAppend(static_cast<int8_t>(status));
  SALVER_ASSIGN(auto indices, FromArrow(builder.Finish(), kSubject));
  return std::static_pointer_cast<arrow::Array>(std::make_shared<arrow::DictionaryArray>(
      arrow::dictionary(arrow::int8(), arrow::utf8()), std::move(indices), names));
}

Result<std::shared_ptr<arrow::Array>> EventTimes(const OnlineColumn& column) {
  arrow::TimestampBuilder builder(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                                  arrow::default_memory_pool());
  SALVER_RETURN_NOT_OK(FromArrow(builder.Reserve(static_cast<int64_t>(column.statuses.size())), kSubject));
  for (size_t row = 0; row < column.statuses.size(); ++row) {
    column.statuses[row] == FieldStatus::kNotFound ? builder.UnsafeAppendNull()
                                                   : builder.UnsafeAppend(column.event_us[row]);
  }
  return FromArrow(builder.Finish(), kSubject);
}

// The columns of the batch as they are made.
struct Columns {
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;

  void Add(std::string name, std::shared_ptr<arrow::Array> array) {
    fields.push_back(arrow::field(std::move(name), array->type()));
    arrays.push_back(std::move(array));
  }
};

Status AddStates(const OnlineResponse& response, Columns* columns) {
  const OnlineColumn* before = nullptr;  // columns of a view share their state
  std::shared_ptr<arrow::Array> statuses, times;
  for (const OnlineColumn& column : response.columns) {
    if (column.event_us == nullptr) continue;  // join keys are always there, and of no time
    if (before == nullptr || before->event_us != column.event_us ||
        before->statuses.data() != column.statuses.data()) {
      SALVER_ASSIGN(statuses, Statuses(column));
      SALVER_ASSIGN(times, EventTimes(column));
    }
    before = &column;
    columns->Add(std::string(column.name) + "__status", statuses);
    columns->Add(std::string(column.name) + "__ts", times);
  }
  return Status::OK();
}

}  // namespace

AnswerFormat ChooseFormat(std::string_view accept) {
  Wish json, arrow;
  if (Trimmed(accept).empty() || !ReadAccept(accept, &json, &arrow)) return AnswerFormat::kJson;
  if (json.weight <= 0 && arrow.weight <= 0) return AnswerFormat::kNone;
  return json < arrow ? AnswerFormat::kArrowStream : AnswerFormat::kJson;
}

Result<std::string> EncodeArrow(const OnlineResponse& response, bool with_versions) {
  Columns columns;
  for (const OnlineColumn& column : response.columns) {
    Field field{.name = std::string(column.name), .type = column.type};
    if (!column.struct_schema.empty()) field.tags["feast:struct_schema"] = column.struct_schema;
    SALVER_ASSIGN(auto array, CellsToArray({column.cells, response.row_count}, field));
    columns.Add(field.name, std::move(array));
  }
  SALVER_RETURN_NOT_OK(AddStates(response, &columns));
  std::shared_ptr<const arrow::KeyValueMetadata> metadata;
  if (with_versions) {
    std::string json;
    AppendViewVersions(response, &json);
    metadata = arrow::key_value_metadata({{"feature_view_metadata", json}});
  }
  const auto schema = arrow::schema(std::move(columns.fields), metadata);
  SALVER_ASSIGN(const auto out, FromArrow(arrow::io::BufferOutputStream::Create(64 << 10), kSubject));
  SALVER_ASSIGN(const auto writer, FromArrow(arrow::ipc::MakeStreamWriter(out, schema), kSubject));
  const auto batch =
      arrow::RecordBatch::Make(schema, static_cast<int64_t>(response.row_count), std::move(columns.arrays));
  SALVER_RETURN_NOT_OK(FromArrow(writer->WriteRecordBatch(*batch), kSubject));
  SALVER_RETURN_NOT_OK(FromArrow(writer->Close(), kSubject));
  SALVER_ASSIGN(const auto bytes, FromArrow(out->Finish(), kSubject));
  return bytes->ToString();
}

}  // namespace salver
