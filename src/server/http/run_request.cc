#include "server/http/run_request.h"

#include <new>

#include "model/value_codec.h"
#include "salver/log.h"
#include "server/feast_errors.h"

namespace salver {
namespace {

int64_t Micros(AnsweredRequest::Clock::duration time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time).count();
}

void AddRequest(const AnsweredRequest& answered, LogLine* line) {
  line->Add("method", answered.method);
  line->Add("path", answered.path);
  line->Add("status", answered.status);
  if (answered.grpc_status != nullptr) line->Add("grpc_status", answered.grpc_status);
  line->Add("request_bytes", static_cast<int64_t>(answered.request_bytes));
  line->Add("bytes", static_cast<int64_t>(answered.bytes));
}

}  // namespace

HttpResponse RunRoute(const HttpRoute& route, const HttpRequest& request,
                      const HttpContext& context) noexcept {
  try {
    return route.handle(request, context);
  } catch (const std::bad_alloc&) {
    return {.status = 503, .body = "\"out of memory. Ask for less.\"", .retry_after = true};
  } catch (const std::exception& error) {
    HttpResponse response{.status = 500};
    AppendJsonString(error.what(), &response.body);
    return response;
  }
}

HttpResponse Failure(const Status& status) {
  FeastError error = ToFeastError(status);
  return {.status = error.http_status, .body = std::move(error.body), .retry_after = error.retry_after};
}

HttpResponse Refusal(int status, std::string_view reason) {
  HttpResponse response{.status = status, .body = "{\"detail\":", .close = true};
  AppendJsonString(reason, &response.body);
  response.body += '}';
  return response;
}

HttpResponse TryLater(std::string_view reason) {
  HttpResponse response{.status = 503, .retry_after = true};
  AppendJsonString(reason, &response.body);
  return response;
}

size_t EndpointOf(const HttpRoute& route) {
  return static_cast<size_t>(&route - HttpRoutes().data());
}

size_t EndpointOf(const GrpcMethod& method) {
  return HttpRoutes().size() + static_cast<size_t>(&method - GrpcMethods().data());
}

void RecordAnswer(const AnsweredRequest& answered, const HttpServerOptions& options, Metrics* metrics) {
  if (answered.endpoint) {
    metrics->CountRequest(*answered.endpoint, answered.status, answered.shape,
                          answered.answer_start - answered.request_end);
  }
  if (!options.access_log || !LogEnabled(LogRoom::kServer, LogLevel::kInfo)) return;
  LogLine line(LogRoom::kServer, "request");
  AddRequest(answered, &line);
  if (answered.endpoint) {
    line.Add("waited_us", Micros(answered.handling_start - answered.request_end));
    line.Add("handled_us", Micros(answered.answer_start - answered.handling_start));
  }
  line.End();
}

void RecordWritten(const AnsweredRequest& answered, const HttpServerOptions& options,
                   AnsweredRequest::Clock::time_point now) {
  const auto limit = options.slow_request_min;
  if (!answered.endpoint || limit.count() == 0) return;
  if (now - answered.request_end < limit) return;
  LogLine line(LogRoom::kServer, "slow_request", LogLevel::kWarn);
  AddRequest(answered, &line);
  line.Add("receive_us", Micros(answered.request_end - answered.request_start));
  line.Add("wait_us", Micros(answered.handling_start - answered.request_end));
  // A step that the request did not come to took no time.
  const auto micros = [](RequestSteps::Time from, RequestSteps::Time to) {
    return from == RequestSteps::Time() || to == RequestSteps::Time() ? 0 : Micros(to - from);
  };
  const RequestSteps& steps = answered.steps;
  line.Add("parse_us", micros(answered.handling_start, steps.parsed));
  line.Add("plan_us", micros(steps.parsed, steps.online.planned));
  line.Add("read_us", micros(steps.online.planned, steps.online.read));
  line.Add("encode_us", micros(steps.online.read, answered.answer_start));
  line.Add("handle_us", Micros(answered.answer_start - answered.handling_start));
  line.Add("write_us", Micros(now - answered.answer_start));
  line.Add("total_us", Micros(now - answered.request_end));
  line.End();
}

}  // namespace salver
