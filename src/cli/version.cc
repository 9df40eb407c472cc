#include <cstdio>

#include "cli/command.h"

namespace salver::cli {

void AddVersion(CLI::App* app, Context* context) {
  CLI::App* verb = AddVerb(app, "version", "Print the version", "salver version");
  verb->callback([context] {
    context->action = [context] {
      std::printf(context->json() ? "{\"version\": \"%s\"}\n" : "salver %s\n", SALVER_VERSION);
      return Status::OK();
    };
  });
}

}  // namespace salver::cli
