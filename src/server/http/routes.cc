// The one table of routes, and what each does. A handler parses, calls the store, and encodes; errors take
// their form in feast_errors.cc.
#include <arrow/table.h>
#include <simdjson.h>

#include <algorithm>
#include <chrono>

#include "base/clock.h"
#include "base/json_text.h"
#include "server/feast_errors.h"
#include "server/http/arrow_answer.h"
#include "server/http/counted_work.h"
#include "server/http/grpc_methods.h"
#include "server/http/json_frame.h"
#include "server/http/online_json.h"
#include "server/http/route.h"
#include "server/http/run_request.h"
#include "server/http/vector_stores.h"
#include "serving/filter_json.h"

namespace salver {
namespace {

using simdjson::dom::element;
using simdjson::dom::object;

HttpResponse Invalid(std::string_view type, std::string_view location, std::string_view message) {
  return {.status = 422, .body = InvalidBody(type, location, message)};
}

// The body of a request as a JSON object. Its parser is its own, since other requests run on its thread while
// it waits for its store; the buffers of parsers are kept, by each thread, for the next.
class JsonBody {
 public:
  JsonBody() {
    if (idle_.empty()) {
      parser_ = std::make_unique<simdjson::dom::parser>();
    } else {
      parser_ = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  ~JsonBody() {
    if (parser_->capacity() <= kKeptBytes) idle_.push_back(std::move(parser_));
  }
  JsonBody(const JsonBody&) = delete;

  bool Parse(const HttpRequest& request, const HttpContext& context, object* root, HttpResponse* failure);

 private:
  static constexpr size_t kKeptBytes = 1 << 20;

  static thread_local std::vector<std::unique_ptr<simdjson::dom::parser>> idle_;
  std::unique_ptr<simdjson::dom::parser> parser_;
};

thread_local std::vector<std::unique_ptr<simdjson::dom::parser>> JsonBody::idle_;

bool JsonBody::Parse(const HttpRequest& request, const HttpContext& context, object* root,
                     HttpResponse* failure) {
  const size_t depth = context.options->json_depth_max;
  if (parser_->max_depth() != depth || parser_->capacity() < request.body.size()) {
    if (parser_->allocate(std::max<size_t>(request.body.size(), 4096), depth)) {
      *failure = {.status = 503, .body = "\"out of memory\"", .retry_after = true};
      return false;
    }
  }
  const auto parsed = parser_->parse(request.body);
  if (parsed.error() == simdjson::BIGINT_ERROR || parsed.error() == simdjson::NUMBER_ERROR) {
    *failure = Failure(Status::InvalidArgument(
        "a number of the request is out of range, or no number. Integers have 64 bits.",
        Reason::kBadKeyValue));
    return false;
  }
  if (parsed.error()) {
    *failure = Invalid("json_invalid", "[\"body\",0]",
                       std::string("JSON decode error: ") + simdjson::error_message(parsed.error()));
    return false;
  }
  if (parsed.get(*root)) {
    *failure = Invalid("model_attributes_type", "[\"body\"]", "Input should be a valid dictionary");
    return false;
  }
  return true;
}

// A member of the body. `found` false: it is not there (or null); a wrong type fills `failure` and returns
// false.
template <typename T>
bool Member(const object& root, std::string_view name, T* value, bool* found, HttpResponse* failure) {
  *found = false;
  element member;
  if (root[name].get(member) || member.is_null()) return true;
  if (member.get(*value)) {
    const char* type = std::is_same_v<T, bool>               ? "bool"
                       : std::is_same_v<T, std::string_view> ? "string"
                       : std::is_same_v<T, object>           ? "dict"
                       : std::is_same_v<T, int64_t>          ? "int"
                                                             : "list";
    *failure = Invalid(std::string(type) + "_type", "[\"body\",\"" + std::string(name) + "\"]",
                       std::string("Input should be a valid ") + type);
    return false;
  }
  *found = true;
  return true;
}

HttpResponse Missing(std::string_view name) {
  return Invalid("missing", "[\"body\",\"" + std::string(name) + "\"]", "Field required");
}

bool StringList(const object& root, std::string_view name, std::vector<std::string_view>* list,
                HttpResponse* failure) {
  simdjson::dom::array array;
  bool found;
  if (!Member(root, name, &array, &found, failure)) return false;
  if (!found) return true;
  for (const element item : array) {
    std::string_view text;
    if (item.get(text)) {
      *failure = Invalid("string_type",
                         "[\"body\",\"" + std::string(name) + "\"," + std::to_string(list->size()) + "]",
                         "Input should be a valid string");
      return false;
    }
    list->push_back(text);
  }
  return true;
}

// One entity value. False for arrays and objects.
bool ToEntityValue(const element& value, EntityValue* to) {
  switch (value.type()) {
    case simdjson::dom::element_type::NULL_VALUE:
      *to = std::monostate();
      return true;
    case simdjson::dom::element_type::BOOL:
      *to = bool(value);
      return true;
    case simdjson::dom::element_type::INT64:
      *to = int64_t(value);
      return true;
    case simdjson::dom::element_type::UINT64:
      *to = static_cast<double>(uint64_t(value));
      return true;
    case simdjson::dom::element_type::DOUBLE:
      *to = double(value);
      return true;
    case simdjson::dom::element_type::STRING:
      *to = std::string_view(value);
      return true;
    default:
      return false;
  }
}

bool ReadEntities(const object& entities, OnlineRequest* request, HttpResponse* failure) {
  const auto location = [](std::string_view key) {
    std::string text = "[\"body\",\"entities\",";
    AppendJsonString(key, &text);
    return text;
  };
  for (const auto entry : entities) {
    simdjson::dom::array values;
    if (entry.value.get(values)) {
      *failure = Invalid("list_type", location(entry.key) + "]", "Input should be a valid list");
      return false;
    }
    EntityColumn& column = request->entities.emplace_back();
    column.name = entry.key;
    column.values.reserve(values.size());
    for (const element value : values) {
      if (ToEntityValue(value, &column.values.emplace_back())) continue;
      *failure =
          Invalid("scalar_type", location(entry.key) + "," + std::to_string(column.values.size() - 1) + "]",
                  "Input should be a number, a string or a boolean");
      return false;
    }
  }
  return true;
}

HttpResponse NotAcceptable(std::string_view accept) {
  HttpResponse response{.status = 406, .body = "{\"detail\":"};
  AppendJsonString("there is no answer of a type in \"Accept: " + std::string(accept.substr(0, 200)) +
                       "\"; there is: application/json, " + std::string(kArrowStreamType) + ".",
                   &response.body);
  response.body += '}';
  return response;
}

HttpResponse GetOnlineFeatures(const HttpRequest& http, const HttpContext& context) {
  JsonBody body;
  object root, entities;
  HttpResponse failure;
  OnlineRequest request;
  bool found, has_entities, with_versions = false;
  if (!body.Parse(http, context, &root, &failure) ||
      !StringList(root, "features", &request.features, &failure) ||
      !Member(root, "feature_service", &request.feature_service, &found, &failure) ||
      !Member(root, "full_feature_names", &request.full_feature_names, &found, &failure) ||
      !Member(root, "include_feature_view_version_metadata", &with_versions, &found, &failure) ||
      !Member(root, "entities", &entities, &has_entities, &failure)) {
    return failure;
  }
  if (!has_entities) return Missing("entities");
  const AnswerFormat format = ChooseFormat(http.accept);
  if (format == AnswerFormat::kNone) return NotAcceptable(http.accept);
  if (!ReadEntities(entities, &request, &failure)) return failure;
  HttpResponse answer{.steps = {.parsed = std::chrono::steady_clock::now()}};
  const auto response = CountedRead(
      request, Deadline::At(answer.steps.parsed + context.options->request_time_max), context, &answer);
  if (!response.ok()) return Failure(response.status());
  if (format == AnswerFormat::kJson) {
    answer.body = EncodeOnlineJson(*response, with_versions);
  } else {
    auto stream = EncodeArrow(*response, with_versions);
    if (!stream.ok()) return Failure(stream.status());
    answer.content_type = kArrowStreamType;
    answer.body = std::move(*stream);
  }
  return answer;
}

// The numbers of "query". False, with `failure` filled, for anything else.
bool ReadQuery(const object& root, std::vector<float>* query, HttpResponse* failure) {
  simdjson::dom::array numbers;
  bool found;
  if (!Member(root, "query", &numbers, &found, failure)) return false;
  if (!found) return true;
  for (const element number : numbers) {
    double value;
    if (number.get(value)) {
      *failure = Invalid("float_type", "[\"body\",\"query\"," + std::to_string(query->size()) + "]",
                         "Input should be a valid number");
      return false;
    }
    query->push_back(static_cast<float>(value));
  }
  return true;
}

bool ReadFilters(const object& root, std::optional<RowFilter>* filters, HttpResponse* failure) {
  object json;
  bool found;
  if (!Member(root, "filters", &json, &found, failure)) return false;
  if (!found) return true;
  auto filter = FilterFromJson(simdjson::minify(json));
  if (!filter.ok()) {
    *failure = Failure(filter.status());
    return false;
  }
  *filters = std::move(filter).value();
  return true;
}

HttpResponse SearchDocuments(const HttpRequest& http, const HttpContext& context) {
  JsonBody body;
  object root;
  HttpResponse failure;
  DocumentRequest request;
  bool found, has_top_k, with_versions = false;
  int64_t top_k = 0, version = 1;
  if (!body.Parse(http, context, &root, &failure) ||
      !StringList(root, "features", &request.features, &failure) ||
      !Member(root, "feature_service", &request.feature_service, &found, &failure) ||
      !Member(root, "query_string", &request.query_string, &found, &failure) ||
      !Member(root, "distance_metric", &request.distance_metric, &found, &failure) ||
      !Member(root, "top_k", &top_k, &has_top_k, &failure) ||
      !Member(root, "api_version", &version, &found, &failure) ||
      !Member(root, "include_feature_view_version_metadata", &with_versions, &found, &failure) ||
      !ReadQuery(root, &request.query, &failure) || !ReadFilters(root, &request.filters, &failure)) {
    return failure;
  }
  // Where Feast runs into an error of its store, these say what is missing.
  if (!has_top_k)
    return Failure(Status::InvalidArgument("the search has no top_k. Say how many documents it may find."));
  if (version != 1 && version != 2)
    return Failure(
        Status::InvalidArgument("api_version is " + std::to_string(version) + "; there is 1 and 2."));
  request.top_k = top_k > 0 ? static_cast<size_t>(top_k) : 0;
  request.first_version = version == 1;
  const auto response = context.store->RetrieveOnlineDocuments(
      request, Deadline::After(
                   std::chrono::duration_cast<std::chrono::microseconds>(context.options->request_time_max)));
  if (!response.ok()) return Failure(response.status());
  context.metrics->CountOnline(*response);
  return {.body = EncodeOnlineJson(*response, with_versions)};
}

HttpResponse Push(const HttpRequest& http, const HttpContext& context) {
  JsonBody body;
  object root, frame;
  HttpResponse failure;
  std::string_view source, to = "online";
  bool has_source, has_frame, found;
  if (!body.Parse(http, context, &root, &failure) ||
      !Member(root, "push_source_name", &source, &has_source, &failure) ||
      !Member(root, "df", &frame, &has_frame, &failure) || !Member(root, "to", &to, &found, &failure)) {
    return failure;
  }
  if (!has_source) return Missing("push_source_name");
  if (!has_frame) return Missing("df");
  const Status status = CountedPush(
      source, to, [&](const std::vector<Field>& columns) { return TableFromJson(frame, columns); }, context);
  if (!status.ok()) return Failure(status);
  return {.content_type = ""};
}

HttpResponse WriteToOnlineStore(const HttpRequest& http, const HttpContext& context) {
  JsonBody body;
  object root, frame;
  HttpResponse failure;
  std::string_view name;
  bool has_name, has_frame;
  if (!body.Parse(http, context, &root, &failure) ||
      !Member(root, "feature_view_name", &name, &has_name, &failure) ||
      !Member(root, "df", &frame, &has_frame, &failure)) {
    return failure;
  }
  if (!has_name) return Missing("feature_view_name");
  if (!has_frame) return Missing("df");
  const Status status = CountedWrite(
      name, [&](const std::vector<Field>& columns) { return TableFromJson(frame, columns); }, context);
  if (!status.ok()) return Failure(status);
  return {.body = "null"};
}

std::string NamesJson(const std::vector<std::string>& names) {
  std::string json = "[";
  for (size_t i = 0; i < names.size(); ++i) {
    if (i > 0) json += ',';
    AppendJsonString(names[i], &json);
  }
  return json + "]";
}

HttpResponse MaterializeLater(MaterializeOptions options, bool force, const HttpContext& context) {
  const auto snapshot = context.store->Snapshot();
  if (!snapshot.ok()) return Failure(snapshot.status());
  for (const std::string& name : options.views) {
    if (const auto view = (*snapshot)->GetView(name); !view.ok()) return Failure(view.status());
  }
  std::vector<std::string> names = options.views;
  if (names.empty()) {
    for (const auto& view : (*snapshot)->views()) names.push_back(view->name);
  }
  if (const auto busy = context.materializing->Take(names, force); !busy.empty()) {
    std::string body = "{\"error\":";
    AppendJsonString(
        "feature views are being materialized already: " + NamesJson(busy) + ". Wait, or use ?force=true.",
        &body);
    return {.status = 409, .body = body + ",\"feature_views\":" + NamesJson(busy) + "}"};
  }
  const bool queued = context.run_later(HttpTurn::kJob, [&context, options = std::move(options), names] {
    (void)CountedMaterialize(options, context);  // its error is in the log and in the counts
    context.materializing->Release(names);
  });
  if (!queued) {
    context.materializing->Release(names);
    return Failure(Status::Unavailable("too many materializations are waiting. Try again later."));
  }
  return {.status = 202, .body = "{\"status\":\"accepted\",\"feature_views\":" + NamesJson(names) + "}"};
}

HttpResponse RunMaterialize(const HttpRequest& http, const HttpContext& context, bool incremental) {
  JsonBody body;
  object root;
  HttpResponse failure;
  std::string_view start, end;
  std::vector<std::string_view> views;
  bool has_start, has_end, found;
  MaterializeOptions options;
  if (!body.Parse(http, context, &root, &failure) ||
      !Member(root, "start_ts", &start, &has_start, &failure) ||
      !Member(root, "end_ts", &end, &has_end, &failure) ||
      !StringList(root, "feature_views", &views, &failure) ||
      !Member(root, "disable_event_timestamp", &options.disable_event_timestamp, &found, &failure)) {
    return failure;
  }
  options.views.assign(views.begin(), views.end());
  if (incremental && !has_end) return Missing("end_ts");
  if (incremental || !options.disable_event_timestamp) {
    if (!has_end || (!incremental && !has_start)) {
      return Failure(Status::InvalidArgument(
          "start_ts and end_ts are needed, unless disable_event_timestamp is true.", Reason::kBadTimeRange));
    }
    const auto end_time = ParseTime(end);
    if (!end_time.ok()) return Failure(end_time.status());
    options.end_us = end_time->micros;
    if (!incremental) {
      const auto start_time = ParseTime(start);
      if (!start_time.ok()) return Failure(start_time.status());
      options.start_us = start_time->micros;
      if (start_time->micros >= end_time->micros) {
        return Failure(Status::InvalidArgument("start_ts " + FormatTime(start_time->micros) +
                                                   " must be before end_ts " + FormatTime(end_time->micros) +
                                                   ".",
                                               Reason::kBadTimeRange));
      }
    }
  }
  if (http.Flag("async")) return MaterializeLater(std::move(options), http.Flag("force"), context);
  const auto report = CountedMaterialize(std::move(options), context);
  if (!report.ok()) return Failure(report.status());
  return {.body = "null"};
}

HttpResponse MaterializeRange(const HttpRequest& http, const HttpContext& context) {
  return RunMaterialize(http, context, false);
}
HttpResponse MaterializeIncremental(const HttpRequest& http, const HttpContext& context) {
  return RunMaterialize(http, context, true);
}

HttpResponse Health(const HttpRequest&, const HttpContext& context) {
  const auto snapshot = context.store->Snapshot();
  if (!snapshot.ok()) return {.status = 503, .content_type = "", .retry_after = true};
  return {.content_type = ""};
}

HttpResponse ShowMetrics(const HttpRequest&, const HttpContext& context);

// A part of a route's path in braces stands for any that is not empty.
bool IsPath(std::string_view route, std::string_view path) {
  const size_t brace = route.find('{');
  if (brace == std::string_view::npos) return route == path;
  if (path.substr(0, brace) != route.substr(0, brace)) return false;
  const size_t end = std::min(path.find('/', brace), path.size());
  return end > brace && IsPath(route.substr(route.find('}') + 1), path.substr(end));
}

constexpr HttpRoute kRoutes[] = {
    {"POST", "/get-online-features", HttpTurn::kQueued, "read_online", "Newest features of entities",
     GetOnlineFeatures},
    {"POST", "/search", HttpTurn::kSearch, "read_online",
     "Documents nearest to a vector, or with words in them", SearchDocuments},
    {"POST", "/retrieve-online-documents", HttpTurn::kSearch, "read_online", "The old name of /search",
     SearchDocuments},
    {"GET", "/v1/vector_stores", HttpTurn::kQueued, "describe", "Views that can be searched by a vector",
     ListVectorStores},
    {"GET", "/v1/vector_stores/{vector_store_id}", HttpTurn::kQueued, "describe", "One of them",
     GetVectorStore},
    {"POST", "/v1/vector_stores/{vector_store_id}/search", HttpTurn::kQueued, "read_online",
     "Refused: the server embeds no text", SearchVectorStore},
    {"POST", "/push", HttpTurn::kWrite, "write_online", "Rows for all views of a push source", Push},
    {"POST", "/write-to-online-store", HttpTurn::kWrite, "write_online", "Rows for one feature view",
     WriteToOnlineStore},
    {"POST", "/materialize", HttpTurn::kJob, "write_online", "History of a time range into the online store",
     MaterializeRange},
    {"POST", "/materialize-incremental", HttpTurn::kJob, "write_online", "What is new into the online store",
     MaterializeIncremental},
    {"GET", "/health", HttpTurn::kAtOnce, "", "200 when the registry can be read", Health},
    {"GET", "/metrics", HttpTurn::kAtOnce, "", "Counters in Prometheus' text form", ShowMetrics},
};

HttpResponse ShowMetrics(const HttpRequest&, const HttpContext& context) {
  std::vector<std::string_view> paths;
  for (const HttpRoute& route : kRoutes) paths.push_back(route.path);
  for (const GrpcMethod& method : GrpcMethods()) paths.push_back(method.path);
  return {.content_type = "text/plain; version=0.0.4; charset=utf-8",
          .body = MetricsText(*context.metrics, paths, context.load(), context.store)};
}

}  // namespace

bool HttpRequest::Flag(std::string_view name) const {
  const size_t question = target.find('?');
  if (question == std::string::npos) return false;
  std::string_view query = std::string_view(target).substr(question + 1);
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    if (!pair.starts_with(name) || pair.size() <= name.size() || pair[name.size()] != '=') continue;
    std::string value(pair.substr(name.size() + 1));
    std::transform(value.begin(), value.end(), value.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    return value == "true" || value == "1";
  }
  return false;
}

std::span<const HttpRoute> HttpRoutes() {
  return kRoutes;
}

const HttpRoute* FindRoute(const HttpRequest& request, bool metrics_only, HttpResponse* response) {
  bool path_known = false;
  for (const HttpRoute& route : kRoutes) {
    if (!IsPath(route.path, request.path()) || (metrics_only && route.handle != ShowMetrics)) continue;
    if (route.method == request.method) return &route;
    path_known = true;
  }
  *response = path_known ? HttpResponse{.status = 405, .body = "{\"detail\":\"Method Not Allowed\"}"}
                         : HttpResponse{.status = 404, .body = "{\"detail\":\"Not Found\"}"};
  return nullptr;
}

}  // namespace salver
