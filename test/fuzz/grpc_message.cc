#include <simdjson.h>

#include "server/http/grpc_methods.h"
#include "test/fuzz/fuzz_repository.h"
#include "test/fuzz/fuzz_targets.h"

#include "feast/serving/ServingService.pb.h"

namespace salver::fuzz {

void GrpcMessage(std::string_view bytes) {
  // Keys come back as they were sent, and a message with a text that is no UTF-8 can not be parsed.
  if (!simdjson::validate_utf8(bytes.data(), bytes.size())) return;
  Input input(bytes);
  const auto methods = GrpcMethods();
  const GrpcMethod& method = methods[input.Byte() % methods.size()];
  HttpResponse answer;
  const Status status =
      method.handle(input.Rest(), FuzzRepository::Shared().context(), Deadline::Never(), &answer);
  if (!status.ok() || method.path.find("GetOnlineFeatures") == std::string_view::npos) return;
  feast::serving::GetOnlineFeaturesResponse response;
  Check(response.ParseFromString(answer.body), "every answer is the message of its method");
  Check(response.results_size() == response.metadata().feature_names().val_size(), "every column has a name");
}

}  // namespace salver::fuzz
