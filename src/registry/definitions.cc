#include "registry/definitions.h"

#include <algorithm>

#include "salver/feature_view.h"

namespace salver {
namespace {

// True for the view of a feature group, which no definition has.
template <typename T>
bool IsOfGroup(const T& object) {
  if constexpr (requires { object.spec().has_group(); }) return object.spec().has_group();
  return false;
}

}  // namespace

std::string Definitions::Where(const std::string& kind, const std::string& name) const {
  const auto found = locations.find(kind + ":" + name);
  if (found == locations.end()) return "";
  return found->second.file + (found->second.line > 0 ? ":" + std::to_string(found->second.line) : "");
}

void Definitions::AddProblem(const std::string& kind, const std::string& name, std::string message) {
  const bool known = std::any_of(problems.begin(), problems.end(),
                                 [&](const Problem& problem) { return problem.message == message; });
  if (known) return;
  const auto found = locations.find(kind + ":" + name);
  problems.push_back({found == locations.end() ? Location{} : found->second, std::move(message)});
}

Status Definitions::ToStatus() const {
  if (problems.empty()) return Status::OK();
  std::string text =
      problems.size() == 1 ? "" : std::to_string(problems.size()) + " problems in the definitions:\n";
  for (size_t i = 0; i < problems.size(); ++i) {
    const Problem& problem = problems[i];
    if (i > 0) text += "\n";
    if (!problem.where.file.empty()) {
      text += problem.where.file;
      if (problem.where.line > 0) text += ":" + std::to_string(problem.where.line);
      text += ": ";
    }
    text += problem.message;
  }
  return Status::InvalidArgument(std::move(text), Reason::kBadDefinition);
}

void KeepRegistered(const feast::core::Registry& current, const std::string& project,
                    const std::set<std::string>& deletes, Definitions* definitions) {
  std::set<std::string> not_there = deletes;
  const auto keep = [&](const std::string& kind, const auto& have, auto* wanted, auto name_of,
                        auto project_of) {
    std::set<std::string> named;
    for (const auto& object : *wanted) named.insert(name_of(object));
    for (const auto& object : have) {
      if (project_of(object) != project || named.contains(name_of(object))) continue;
      if (name_of(object) == kDummyEntityName) continue;  // apply adds it by itself
      if (IsOfGroup(object)) continue;                    // apply leaves it
      if (not_there.erase(kind + ":" + name_of(object)) > 0) continue;
      *wanted->Add() = object;
      definitions->kept.insert(kind + ":" + name_of(object));
    }
  };
  const auto keep_specs = [&](const std::string& kind, const auto& have, auto* wanted) {
    keep(
        kind, have, wanted, [](const auto& object) { return object.spec().name(); },
        [](const auto& object) { return object.spec().project(); });
  };
  feast::core::Registry* to = &definitions->registry;
  keep(
      "data_source", current.data_sources(), to->mutable_data_sources(),
      [](const auto& source) { return source.name(); }, [](const auto& source) { return source.project(); });
  keep_specs("entity", current.entities(), to->mutable_entities());
  keep_specs("feature_view", current.feature_views(), to->mutable_feature_views());
  keep_specs("stream_feature_view", current.stream_feature_views(), to->mutable_stream_feature_views());
  keep_specs("on_demand_feature_view", current.on_demand_feature_views(),
             to->mutable_on_demand_feature_views());
  keep_specs("label_view", current.label_views(), to->mutable_label_views());
  keep_specs("feature_service", current.feature_services(), to->mutable_feature_services());
  keep_specs("permission", current.permissions(), to->mutable_permissions());
  for (const std::string& one : not_there) {
    const size_t colon = one.find(':');
    definitions->AddProblem(one.substr(0, colon), one.substr(colon + 1),
                            "\"" + one.substr(colon + 1) + "\" can not be deleted: project \"" + project +
                                "\" has no " + one.substr(0, colon) + " of that name.");
  }
}

void RefuseGroupNames(const feast::core::Registry& current, const std::string& project,
                      Definitions* definitions) {
  for (const auto& view : current.feature_views()) {
    if (view.spec().project() != project || !IsOfGroup(view)) continue;
    const std::string& name = view.spec().name();
    const auto defines = [&](const auto& views) {
      for (const auto& other : views) {
        if (other.spec().name() == name) return true;
      }
      return false;
    };
    const auto& registry = definitions->registry;
    if (!defines(registry.feature_views()) && !defines(registry.stream_feature_views()) &&
        !defines(registry.on_demand_feature_views()) && !defines(registry.label_views()))
      continue;
    definitions->AddProblem("feature_view", name,
                            "feature view \"" + name + "\": this is the view of feature group \"" +
                                view.spec().group().name() + "\" version " +
                                std::to_string(view.spec().group().version()) + ". Rename the definition.");
  }
}

}  // namespace salver
