// salver: Feast's verbs, and Salver's own, on one repository.
//
// Exit code: 0 done, 1 refused or failed (the error is on stderr), 2 the command line was wrong.
#include <unistd.h>

#include <cstdio>

#include "base/nearest.h"
#include "cli/command.h"

namespace salver::cli {
namespace {

constexpr int kDone = 0, kRefused = 1, kUsage = 2;

int Report(const Context& context, const Status& status) {
  if (status.ok()) return kDone;
  if (context.json()) {
    std::fprintf(stderr, "{\"error\": {\"code\": %s, \"message\": %s}}\n",
                 JsonString(StatusCodeName(status.code())).c_str(), JsonString(status.message()).c_str());
  } else {
    const bool color = ::isatty(STDERR_FILENO) != 0;
    std::fprintf(stderr, "%s%s%s\n", color ? "\033[31m" : "", status.ToString().c_str(),
                 color ? "\033[0m" : "");
  }
  return kRefused;
}

// When a verb was required and a word was there that is none: what to say of it.
std::string UnknownVerb(const CLI::App& app) {
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
  const std::vector<std::string> words = app.remaining(/*recurse=*/true);
  std::vector<std::string> verbs;
  for (const CLI::App* verb : at->get_subcommands([](const CLI::App*) { return true; }))
    verbs.push_back(verb->get_name());
  if (words.empty() || verbs.empty()) return "";
  return "\"" + words[0] + "\" is no verb of " + at->get_name() + "." + NearestNameHint(words[0], verbs) +
         " Run with --help for more information.";
}

int Main(int argc, char** argv) {
  Context context;
  CLI::App app{"Salver, a feature store: features as they were for training, as they are for serving.",
               "salver"};
  app.require_subcommand(1);
  app.fallthrough();
  app.option_defaults()->always_capture_default();
  app.add_option("-c,--chdir", context.repository, "Folder of the feature repository")
      ->envname("FEATURE_REPO_DIR_ENV_VAR");
  app.add_option("-f,--feature-store-yaml", context.config_file,
                 "Configuration file [feature_store.yaml in the repository]")
      ->envname("FEAST_FS_YAML_FILE_PATH")
      ->always_capture_default(false);
  app.add_option("--output", context.output, "text for people, json for programs")
      ->check(CLI::IsMember({"text", "json"}));
  app.footer(
      "Example:\n  salver init taxi && salver -c taxi apply && salver -c taxi materialize-incremental "
      "2026-11-21T00:00:00");
  AddInit(&app, &context);
  AddApply(&app, &context);
  AddMaterialize(&app, &context);
  AddHistorical(&app, &context);
  AddOnline(&app, &context);
  AddListen(&app, &context);
  AddServe(&app, &context);
  AddObjects(&app, &context);
  AddRegistryDump(&app, &context);
  AddConfiguration(&app, &context);
  AddTeardown(&app, &context);
  AddVersion(&app, &context);
  try {
    app.parse(argc, argv);
  } catch (const CLI::RequiredError& error) {
    if (const std::string verb = UnknownVerb(app); !verb.empty()) {
      std::fprintf(stderr, "%s\n", verb.c_str());
      return kUsage;
    }
    return app.exit(error), kUsage;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kDone : kUsage;  // --help is no error
  }
  return Report(context, context.action ? context.action() : Status::OK());
}

}  // namespace
}  // namespace salver::cli

int main(int argc, char** argv) {
  return salver::cli::Main(argc, argv);
}
