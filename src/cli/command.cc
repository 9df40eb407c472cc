#include "cli/command.h"

#include <google/protobuf/util/json_util.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cstdio>

#include "base/clock.h"
#include "model/value_codec.h"

namespace salver::cli {
namespace {

// yaml-cpp reads JSON, but remembers its flow style and quotes; people read blocks.
void UseBlockStyle(YAML::Node node) {
  if (node.IsMap()) {
    node.SetStyle(YAML::EmitterStyle::Block);
    for (auto entry : node) UseBlockStyle(entry.second);
  } else if (node.IsSequence()) {
    node.SetStyle(YAML::EmitterStyle::Block);
    for (auto entry : node) UseBlockStyle(entry);
  }
}

}  // namespace

Result<std::unique_ptr<FeatureStore>> Context::OpenStore() const {
  return OpenStore(LogLevel::kOff);
}

Result<std::unique_ptr<FeatureStore>> Context::OpenStore(LogLevel log_level) const {
  return FeatureStore::Open(repository, {.config_file = config_file, .log_level = log_level});
}

CLI::App* AddVerb(CLI::App* parent, const std::string& name, const std::string& description,
                  const std::string& example) {
  CLI::App* verb = parent->add_subcommand(name, description);
  verb->footer("Example:\n  " + example);
  return verb;
}

void PrintTable(const std::vector<std::string>& headings, const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const std::string& heading : headings) widths.push_back(heading.size());
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  const auto print = [&](const std::vector<std::string>& row) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - row[i].size() + 2, ' ');
    }
    std::printf("%s\n", line.c_str());
  };
  print(headings);
  for (const auto& row : rows) print(row);
}

std::string ToJson(const google::protobuf::Message& message, bool pretty) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = pretty;
  options.preserve_proto_field_names = true;
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(message, &json, options).ok()) return "{}";
  return json;
}

std::string ToYaml(const google::protobuf::Message& message) {
  YAML::Node node = YAML::Load(ToJson(message, false));
  UseBlockStyle(node);
  YAML::Emitter emitter;
  emitter << node;
  return std::string(emitter.c_str()) + "\n";
}

std::string JsonString(std::string_view text) {
  std::string json;
  AppendJsonString(text, &json);
  return json;
}

Result<int64_t> ParseTimeArgument(const std::string& argument, const std::string& text) {
  const auto parsed = ParseTime(text);
  if (parsed.ok()) return parsed->micros;
  return Status::InvalidArgument(argument + ": " + parsed.status().message(), Reason::kBadTimestamp);
}

}  // namespace salver::cli
