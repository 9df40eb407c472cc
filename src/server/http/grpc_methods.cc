#include "server/http/grpc_methods.h"

#include <arrow/array.h>
#include <arrow/table.h>
#include <simdjson.h>

#include "model/value_codec.h"
#include "model/wire.h"
#include "server/http/counted_work.h"
#include "server/http/grpc_messages.h"
#include "server/http/json_frame.h"

namespace salver {
namespace {

Status GetFeastServingInfo(std::string_view, const HttpContext&, Deadline, HttpResponse* answer) {
  wire::AppendBytes(1, SALVER_VERSION, &answer->body);
  return Status::OK();
}

Status GetOnlineFeatures(std::string_view message, const HttpContext& context, Deadline deadline,
                         HttpResponse* answer) {
  SALVER_ASSIGN(const auto request, ReadOnlineRequest(message));
  answer->steps.parsed = std::chrono::steady_clock::now();
  SALVER_ASSIGN(const auto response, CountedRead(request.online, deadline, context, answer));
  AppendOnlineResponse(response, request.with_versions, &answer->body);
  return Status::OK();
}

bool HoldsBytes(ValueType type) {
  return type == ValueType::kBytes || type == ValueType::kBytesList || type == ValueType::kBytesSet;
}

// The type that a feast.types.Value says it has: the number of its field. kNull for one without a value.
ValueType TypeOfValue(std::string_view value) {
  wire::Reader reader(value);
  if (value.empty() || !reader.Next()) return ValueType::kNull;
  return static_cast<ValueType>(reader.field());
}

// One row as an Arrow table. It is converted as rows in JSON are, by the same code, so that both doors mean
// the same by a value: "12" fits an integer column, and a text may be a time. JSON has no bytes: columns of
// them are built from their Values.
Result<std::shared_ptr<arrow::Table>> RowTable(const GrpcWriteRequest& request,
                                               std::span<const Field> fields) {
  std::string json = "{";
  const auto begin = [&](std::string_view column) {
    if (json.size() > 1) json += ',';
    AppendJsonString(column, &json);
    json += ":[";
  };
  for (const auto& [column, text] : request.texts) {
    begin(column);
    AppendJsonString(text, &json);
    json += ']';
  }
  std::vector<std::pair<std::string_view, std::shared_ptr<arrow::Array>>> with_bytes;
  for (const auto& [column, value] : request.values) {
    const ValueType type = TypeOfValue(value);
    OnlineCell cell;
    if (type != ValueType::kNull) {
      if (const Status read = DecodeValue(value, type, &cell); !read.ok()) {
        return Status::InvalidArgument("column \"" + std::string(column) + "\": " + read.message(),
                                       Reason::kBadFeatureValue);
      }
    }
    if (HoldsBytes(type)) {
      SALVER_ASSIGN(auto array, CellsToArray({&cell, 1}, Field{.name = std::string(column), .type = type}));
      with_bytes.emplace_back(column, std::move(array));
      continue;
    }
    begin(column);
    AppendJson(cell, type, &json);
    json += ']';
  }
  json += '}';
  simdjson::dom::parser parser;
  simdjson::dom::object frame;
  if (const auto error = parser.parse(json).get(frame)) {
    return Status::InvalidArgument(
        std::string("the row can not be read: ") + simdjson::error_message(error) + ".",
        Reason::kBadFeatureValue);
  }
  SALVER_ASSIGN(auto table, TableFromJson(frame, fields));
  for (const auto& [column, array] : with_bytes) {
    const int columns = table->num_columns();
    auto schema = table->schema()->fields();
    auto data = table->columns();
    schema.push_back(arrow::field(std::string(column), array->type()));
    data.push_back(std::make_shared<arrow::ChunkedArray>(array));
    table = arrow::Table::Make(arrow::schema(std::move(schema)), std::move(data),
                               columns == 0 ? 1 : table->num_rows());
  }
  return table;
}

Status CheckOneForm(const GrpcWriteRequest& request) {
  if (request.texts.empty() || request.values.empty()) return Status::OK();
  return Status::InvalidArgument("the request has both features and typed_features. Send the row once.");
}

void AppendWritten(std::string* answer) {
  wire::AppendTag(1, wire::kVarint, answer);
  answer->push_back(1);
}

Status Push(std::string_view message, const HttpContext& context, Deadline, HttpResponse* answer) {
  SALVER_ASSIGN(const auto request, ReadWriteRequest(message, GrpcWriteKind::kPush));
  SALVER_RETURN_NOT_OK(CheckOneForm(request));
  const auto rows = [&](const std::vector<Field>& columns) { return RowTable(request, columns); };
  SALVER_RETURN_NOT_OK(CountedPush(request.target, request.to, rows, context));
  AppendWritten(&answer->body);
  return Status::OK();
}

Status WriteToOnlineStore(std::string_view message, const HttpContext& context, Deadline,
                          HttpResponse* answer) {
  SALVER_ASSIGN(const auto request, ReadWriteRequest(message, GrpcWriteKind::kWriteToOnlineStore));
  SALVER_RETURN_NOT_OK(CheckOneForm(request));
  const auto rows = [&](const std::vector<Field>& columns) { return RowTable(request, columns); };
  SALVER_RETURN_NOT_OK(CountedWrite(request.target, rows, context));
  AppendWritten(&answer->body);
  return Status::OK();
}

// grpc.health.v1: the server as a whole, whatever service is named.
Status CheckHealth(std::string_view, const HttpContext& context, Deadline, HttpResponse* answer) {
  constexpr char kServing = 1, kNotServing = 2;
  wire::AppendTag(1, wire::kVarint, &answer->body);
  answer->body.push_back(context.store->Snapshot().ok() ? kServing : kNotServing);
  return Status::OK();
}

constexpr GrpcMethod kMethods[] = {
    {"/feast.serving.ServingService/GetOnlineFeatures", HttpTurn::kQueued, "read_online",
     "Newest features of entities", GetOnlineFeatures},
    {"/feast.serving.ServingService/GetFeastServingInfo", HttpTurn::kAtOnce, "", "Which server answers",
     GetFeastServingInfo},
    {"/GrpcFeatureServer/GetOnlineFeatures", HttpTurn::kQueued, "read_online", "Newest features of entities",
     GetOnlineFeatures},
    {"/GrpcFeatureServer/Push", HttpTurn::kWrite, "write_online", "A row for all views of a push source",
     Push},
    {"/GrpcFeatureServer/WriteToOnlineStore", HttpTurn::kWrite, "write_online", "A row for one feature view",
     WriteToOnlineStore},
    {"/grpc.health.v1.Health/Check", HttpTurn::kAtOnce, "", "SERVING when the registry can be read",
     CheckHealth},
};

}  // namespace

std::span<const GrpcMethod> GrpcMethods() {
  return kMethods;
}

const GrpcMethod* FindGrpcMethod(std::string_view path) {
  for (const GrpcMethod& method : kMethods) {
    if (method.path == path) return &method;
  }
  return nullptr;
}

}  // namespace salver
