// What every command of `salver` shares: the global options, the store, and how results are shown.
// A command is one file with one Add... function, which declares its verb, flags and help, and sets the
// action.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "salver/feature_store.h"
#include "salver/status.h"

namespace google::protobuf {
class Message;
}

namespace salver::cli {

struct Context {
  std::string repository = ".";
  std::string config_file;         // empty: feature_store.yaml in the repository
  std::string output = "text";     // or "json"
  std::function<Status()> action;  // set by the verb that was given

  bool json() const { return output == "json"; }
  // A verb says its errors itself: operations are logged where the configuration asks for it, else from
  // `log_level` up; off, unless given.
  Result<std::unique_ptr<FeatureStore>> OpenStore() const;
  Result<std::unique_ptr<FeatureStore>> OpenStore(LogLevel log_level) const;
};

// Declares verb `name` under `parent`; `example` closes its --help.
CLI::App* AddVerb(CLI::App* parent, const std::string& name, const std::string& description,
                  const std::string& example);

void AddApply(CLI::App* app, Context* context);  // apply, plan
void AddConfiguration(CLI::App* app, Context* context);
void AddHistorical(CLI::App* app, Context* context);  // get-historical-features, explain
void AddInit(CLI::App* app, Context* context);
void AddMaterialize(CLI::App* app, Context* context);  // materialize, materialize-incremental
void AddObjects(CLI::App* app, Context* context);      // entities list, feature-views describe, ...
void AddOnline(CLI::App* app, Context* context);       // get-online-features
void AddRegistryDump(CLI::App* app, Context* context);
void AddListen(CLI::App* app, Context* context);
void AddServe(CLI::App* app, Context* context);
void AddTeardown(CLI::App* app, Context* context);
void AddVersion(CLI::App* app, Context* context);

// Columns as wide as their widest cell, headings first, to stdout.
void PrintTable(const std::vector<std::string>& headings, const std::vector<std::vector<std::string>>& rows);

// The message as protobuf JSON with the registry's own field names.
std::string ToJson(const google::protobuf::Message& message, bool pretty);
// The same as YAML in block style, as `describe` shows it.
std::string ToYaml(const google::protobuf::Message& message);
// `text` as a JSON string, quotes included.
std::string JsonString(std::string_view text);

// "2026-11-21T01:00:00" from the command line; the error names the argument.
Result<int64_t> ParseTimeArgument(const std::string& argument, const std::string& text);

}  // namespace salver::cli
