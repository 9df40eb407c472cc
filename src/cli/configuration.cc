#include <cstdio>

#include "cli/command.h"
#include "store/repo_config.h"

namespace salver::cli {

void AddConfiguration(CLI::App* app, Context* context) {
  CLI::App* verb = AddVerb(app, "configuration", "Print the configuration in force, defaults filled in",
                           "salver -c feature_repo configuration");
  verb->callback([context] {
    context->action = [context]() -> Status {
      SALVER_ASSIGN(const RepoConfig config,
                    LoadRepoConfig(context->repository, context->config_file, LogLevel::kOff));
      std::printf("%s", config.ToYaml().c_str());
      return Status::OK();
    };
  });
}

}  // namespace salver::cli
