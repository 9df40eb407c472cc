#include <simdjson.h>

#include "test/fuzz/fuzz_repository.h"
#include "test/fuzz/fuzz_targets.h"

namespace salver::fuzz {

void RequestJson(std::string_view bytes) {
  static simdjson::dom::parser parser;
  const HttpContext& context = FuzzRepository::Shared().context();
  Input input(bytes);
  const auto routes = HttpRoutes();
  const HttpRoute& route = routes[input.Byte() % routes.size()];
  if (route.method != "POST") return;
  const HttpRequest request{.method = std::string(route.method),
                            .target = std::string(route.path),
                            .body = std::string(input.Rest())};
  const HttpResponse response = route.handle(request, context);
  Check(response.status >= 200 && response.status < 600, "every answer has a status");
  if (!response.content_type.empty() && parser.parse(response.body).error() != simdjson::SUCCESS)
    Check(false, ("every answer is JSON: " + response.body).c_str());
}

}  // namespace salver::fuzz
