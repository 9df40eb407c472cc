#include <cstdio>

#include "cli/command.h"

namespace salver::cli {

void AddTeardown(CLI::App* app, Context* context) {
  CLI::App* verb = AddVerb(app, "teardown", "Drop the online tables and the registry of this repository",
                           "salver -c feature_repo teardown");
  verb->callback([context] {
    context->action = [context]() -> Status {
      SALVER_ASSIGN(auto store, context->OpenStore());
      SALVER_RETURN_NOT_OK(store->Teardown());
      std::printf("Dropped the online tables and the registry of project %s\n", store->project().c_str());
      return Status::OK();
    };
  });
}

}  // namespace salver::cli
