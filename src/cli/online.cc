// get-online-features: the newest features of a few entities, as a table or as the server's JSON.
#include <charconv>
#include <cstdio>
#include <set>

#include "base/clock.h"
#include "cli/command.h"
#include "model/value_codec.h"

namespace salver::cli {
namespace {

// "driver_id=1001": integers, floats, else text, as Feast reads the flag.
struct EntityArgument {
  std::string name, text;
};

Result<EntityArgument> ParseEntity(const std::string& argument) {
  const size_t equals = argument.find('=');
  if (equals == std::string::npos || equals == 0) {
    return Status::InvalidArgument("--entities \"" + argument +
                                   "\" is not key=value. Write --entities driver_id=1001.");
  }
  return EntityArgument{argument.substr(0, equals), argument.substr(equals + 1)};
}

std::string CellText(const OnlineColumn& column, size_t row) {
  std::string text;
  AppendJson(column.cells[row], column.type, &text);
  return text;
}

void PrintJson(const OnlineResponse& response) {
  std::string json = "{";
  for (size_t c = 0; c < response.columns.size(); ++c) {
    json += (c > 0 ? ", " : "") + JsonString(response.columns[c].name) + ": [";
    for (size_t row = 0; row < response.row_count; ++row) {
      json += (row > 0 ? ", " : "") + CellText(response.columns[c], row);
    }
    json += "]";
  }
  std::printf("%s}\n", json.c_str());
}

void PrintText(const OnlineResponse& response) {
  std::vector<std::string> headings;
  std::vector<std::vector<std::string>> rows(response.row_count);
  for (const OnlineColumn& column : response.columns) {
    headings.emplace_back(column.name);
    for (size_t row = 0; row < response.row_count; ++row) {
      const FieldStatus status = column.statuses[row];
      rows[row].push_back(CellText(column, row) + (status == FieldStatus::kPresent
                                                       ? ""
                                                       : std::string(" (") + FieldStatusName(status) + ")"));
    }
  }
  PrintTable(headings, rows);
}

Status Run(const Context& context, const std::vector<std::string>& entities,
           const std::vector<std::string>& features, const std::string& service, bool full_names) {
  std::vector<EntityArgument> arguments;
  for (const std::string& entity : entities) {
    SALVER_ASSIGN(EntityArgument argument, ParseEntity(entity));
    arguments.push_back(std::move(argument));
  }
  OnlineRequest request;
  for (const EntityArgument& argument : arguments) {
    // The same key again is one more row: -e driver_id=1001 -e driver_id=1002.
    EntityColumn* column = nullptr;
    for (EntityColumn& have : request.entities) {
      if (have.name == argument.name) column = &have;
    }
    if (column == nullptr) {
      column = &request.entities.emplace_back();
      column->name = argument.name;
    }
    column->values.emplace_back(std::string_view(argument.text));
  }
  request.features.assign(features.begin(), features.end());
  request.feature_service = service;
  request.full_feature_names = full_names;
  SALVER_ASSIGN(auto store, context.OpenStore());
  SALVER_ASSIGN(const OnlineResponse response,
                store->GetOnlineFeatures(request, Deadline::After(std::chrono::seconds(10))));
  context.json() ? PrintJson(response) : PrintText(response);
  return Status::OK();
}

}  // namespace

void AddOnline(CLI::App* app, Context* context) {
  CLI::App* verb =
      AddVerb(app, "get-online-features", "The newest features of some entities, from the online store",
              "salver get-online-features -e driver_id=1001 -f driver_hourly_stats:conv_rate");
  auto entities = std::make_shared<std::vector<std::string>>();
  auto features = std::make_shared<std::vector<std::string>>();
  auto service = std::make_shared<std::string>();
  auto full_names = std::make_shared<bool>(false);
  verb->add_option("-e,--entities", *entities, "join_key=value; the same key again is one more row")
      ->required();
  verb->add_option("-f,--features", *features, "view:feature; may be repeated");
  verb->add_option("--feature-service", *service, "A feature service instead of --features");
  verb->add_flag("--full-feature-names", *full_names, "view__feature instead of feature");
  verb->callback(
      [=] { context->action = [=] { return Run(*context, *entities, *features, *service, *full_names); }; });
}

}  // namespace salver::cli
