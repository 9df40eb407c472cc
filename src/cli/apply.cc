// apply and plan: one reads the definitions and changes the registry and the online store, the other only
// says what would change.
#include <cstdio>

#include "cli/command.h"

namespace salver::cli {
namespace {

const char* Verb(ObjectChange::Kind kind) {
  switch (kind) {
    case ObjectChange::Kind::kCreated:
      return "Created";
    case ObjectChange::Kind::kUpdated:
      return "Updated";
    case ObjectChange::Kind::kDeleted:
      return "Deleted";
  }
  return "";
}

void PrintText(const ApplyReport& report) {
  for (const ObjectChange& change : report.changes) {
    std::printf("%s %s %s\n", Verb(change.kind), change.type.c_str(), change.name.c_str());
    for (const auto& property : change.properties) {
      std::printf("\t%s: %s -> %s\n", property.name.c_str(), property.before.c_str(), property.after.c_str());
    }
    if (!change.stored_data.empty()) std::printf("\tstored data: %s\n", change.stored_data.c_str());
  }
  for (const std::string& line : report.infra) std::printf("%s\n", line.c_str());
  if (report.changes.empty() && report.infra.empty())
    std::printf("No changes to registry or infrastructure\n");
}

void PrintJson(const ApplyReport& report) {
  std::string json = "{\"changes\": [";
  for (size_t i = 0; i < report.changes.size(); ++i) {
    const ObjectChange& change = report.changes[i];
    json += std::string(i > 0 ? ", " : "") + "{\"change\": " + JsonString(Verb(change.kind)) +
            ", \"type\": " + JsonString(change.type) + ", \"name\": " + JsonString(change.name) +
            ", \"properties\": [";
    for (size_t p = 0; p < change.properties.size(); ++p) {
      const auto& property = change.properties[p];
      json += std::string(p > 0 ? ", " : "") + "{\"name\": " + JsonString(property.name) +
              ", \"before\": " + JsonString(property.before) + ", \"after\": " + JsonString(property.after) +
              "}";
    }
    json += "], \"stored_data\": " + JsonString(change.stored_data) + "}";
  }
  json += "], \"infra\": [";
  for (size_t i = 0; i < report.infra.size(); ++i) json += (i > 0 ? ", " : "") + JsonString(report.infra[i]);
  std::printf("%s]}\n", json.c_str());
}

void AddOne(CLI::App* app, Context* context, const char* name, const char* description, bool change) {
  CLI::App* verb = AddVerb(app, name, description, std::string("salver -c feature_repo ") + name);
  auto options = std::make_shared<ApplyOptions>();
  verb->add_flag("--skip-source-validation", options->skip_source_validation,
                 "Do not open the sources; nothing can be inferred from them then");
  verb->callback([context, options, change] {
    context->action = [context, options, change]() -> Status {
      SALVER_ASSIGN(auto store, context->OpenStore());
      SALVER_ASSIGN(const ApplyReport report, change ? store->Apply(*options) : store->Plan(*options));
      context->json() ? PrintJson(report) : PrintText(report);
      return Status::OK();
    };
  });
}

}  // namespace

void AddApply(CLI::App* app, Context* context) {
  AddOne(app, context, "apply", "Make the registry and the online store fit the repository's definitions",
         true);
  AddOne(app, context, "plan", "Show what apply would change, and what it means for stored rows", false);
}

}  // namespace salver::cli
