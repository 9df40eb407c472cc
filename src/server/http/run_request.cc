#include "server/http/run_request.h"

#include <new>

#include "model/value_codec.h"
#include "salver/log.h"

namespace salver {

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

HttpResponse Refusal(int status, std::string_view reason) {
  HttpResponse response{.status = status, .body = "{\"detail\":", .close = true};
  AppendJsonString(reason, &response.body);
  response.body += '}';
  return response;
}

HttpResponse TooManyWaiting() {
  return {.status = 503,
          .body = "\"too many requests of this kind are waiting. Try again later.\"",
          .retry_after = true};
}

void RecordAnswer(const AnsweredRequest& answered, Metrics* metrics) {
  const auto taken = std::chrono::steady_clock::now() - answered.handling_start;
  if (answered.endpoint) metrics->CountRequest(*answered.endpoint, answered.status, taken);
  if (!LogEnabled(LogRoom::kServer, LogLevel::kInfo)) return;
  LogLine line(LogRoom::kServer, "request");
  line.Add("method", answered.method);
  line.Add("path", answered.path);
  line.Add("status", answered.status);
  if (answered.grpc_status != nullptr) line.Add("grpc_status", answered.grpc_status);
  line.Add("bytes", static_cast<int64_t>(answered.bytes));
  if (answered.endpoint) {
    line.Add("handled_us", std::chrono::duration_cast<std::chrono::microseconds>(taken).count());
  }
  line.End();
}

}  // namespace salver
