#include <cstdio>

#include "cli/command.h"
#include "feast/core/Registry.pb.h"

namespace salver::cli {

void AddRegistryDump(CLI::App* app, Context* context) {
  CLI::App* verb =
      AddVerb(app, "registry-dump", "Print the registry as JSON", "salver -c feature_repo registry-dump");
  verb->callback([context] {
    context->action = [context]() -> Status {
      SALVER_ASSIGN(auto store, context->OpenStore());
      SALVER_ASSIGN(const auto snapshot, store->Snapshot());
      std::printf("%s\n", ToJson(snapshot->proto(), true).c_str());
      return Status::OK();
    };
  });
}

}  // namespace salver::cli
