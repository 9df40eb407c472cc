// list and describe for everything the registry holds.
#include <cstdio>

#include "base/nearest.h"
#include "cli/command.h"
#include "feast/core/Registry.pb.h"

namespace salver::cli {
namespace {

using Registry = feast::core::Registry;
using Rows = std::vector<std::vector<std::string>>;

std::string Join(const std::vector<std::string>& parts) {
  std::string joined;
  for (size_t i = 0; i < parts.size(); ++i) joined += (i > 0 ? ", " : "") + parts[i];
  return joined;
}

template <typename ProtoMap>
bool HasTags(const ProtoMap& tags, const std::vector<std::string>& wanted) {
  for (const std::string& pair : wanted) {
    const size_t colon = pair.find(':');
    const auto found = tags.find(pair.substr(0, colon));
    if (found == tags.end() || (colon != std::string::npos && found->second != pair.substr(colon + 1)))
      return false;
  }
  return true;
}

// One kind of object: its verb, its table, and how to find its messages in the registry.
struct Kind {
  const char* group;     // "entities"
  const char* singular;  // "entity"
  std::vector<std::string> headings;
  // Calls `visit(name, project, message, row, tags match)` for each object of this kind.
  std::function<void(
      const Registry&, const std::vector<std::string>& tags,
      const std::function<void(const std::string& name, const std::string& project,
                               const google::protobuf::Message& message, std::vector<std::string> row)>&)>
      visit;
};

const char* SourceClass(const feast::core::DataSource& source) {
  const std::string& name = source.data_source_class_type();
  const size_t dot = name.rfind('.');
  return name.c_str() + (dot == std::string::npos ? 0 : dot + 1);
}

template <typename Views>
void VisitViews(const Views& views, const char* type, const std::vector<std::string>& tags,
                const auto& visit) {
  for (const auto& view : views) {
    if (!HasTags(view.spec().tags(), tags)) continue;
    const std::vector<std::string> entities(view.spec().entities().begin(), view.spec().entities().end());
    visit(view.spec().name(), view.spec().project(), view,
          std::vector<std::string>{view.spec().name(), Join(entities), type});
  }
}

std::vector<Kind> Kinds() {
  std::vector<Kind> kinds;
  kinds.push_back({"entities",
                   "entity",
                   {"NAME", "DESCRIPTION", "TYPE"},
                   [](const Registry& r, const auto& tags, const auto& visit) {
                     for (const auto& entity : r.entities()) {
                       if (entity.spec().name() == kDummyEntityName || !HasTags(entity.spec().tags(), tags))
                         continue;
                       visit(entity.spec().name(), entity.spec().project(), entity,
                             {entity.spec().name(), entity.spec().description(),
                              ValueTypeName(static_cast<ValueType>(entity.spec().value_type()))});
                     }
                   }});
  kinds.push_back({"feature-views",
                   "feature view",
                   {"NAME", "ENTITIES", "TYPE"},
                   [](const Registry& r, const auto& tags, const auto& visit) {
                     VisitViews(r.feature_views(), "FeatureView", tags, visit);
                     VisitViews(r.stream_feature_views(), "StreamFeatureView", tags, visit);
                     VisitViews(r.on_demand_feature_views(), "OnDemandFeatureView", tags, visit);
                     VisitViews(r.label_views(), "LabelView", tags, visit);
                   }});
  kinds.push_back({"on-demand-feature-views",
                   "on-demand feature view",
                   {"NAME", "ENTITIES", "TYPE"},
                   [](const Registry& r, const auto& tags, const auto& visit) {
                     VisitViews(r.on_demand_feature_views(), "OnDemandFeatureView", tags, visit);
                   }});
  kinds.push_back({"stream-feature-views",
                   "stream feature view",
                   {"NAME", "ENTITIES", "TYPE"},
                   [](const Registry& r, const auto& tags, const auto& visit) {
                     VisitViews(r.stream_feature_views(), "StreamFeatureView", tags, visit);
                   }});
  kinds.push_back({"label-views",
                   "label view",
                   {"NAME", "ENTITIES", "TYPE"},
                   [](const Registry& r, const auto& tags, const auto& visit) {
                     VisitViews(r.label_views(), "LabelView", tags, visit);
                   }});
  kinds.push_back({"feature-services",
                   "feature service",
                   {"NAME", "FEATURES"},
                   [](const Registry& r, const auto& tags, const auto& visit) {
                     for (const auto& service : r.feature_services()) {
                       if (!HasTags(service.spec().tags(), tags)) continue;
                       std::vector<std::string> features;
                       for (const auto& projection : service.spec().features()) {
                         const std::string& alias = projection.feature_view_name_alias();
                         for (const auto& column : projection.feature_columns()) {
                           features.push_back((alias.empty() ? projection.feature_view_name() : alias) + ":" +
                                              column.name());
                         }
                       }
                       visit(service.spec().name(), service.spec().project(), service,
                             {service.spec().name(), Join(features)});
                     }
                   }});
  kinds.push_back({"data-sources",
                   "data source",
                   {"NAME", "CLASS"},
                   [](const Registry& r, const auto& tags, const auto& visit) {
                     for (const auto& source : r.data_sources()) {
                       if (!HasTags(source.tags(), tags)) continue;
                       visit(source.name(), source.project(), source, {source.name(), SourceClass(source)});
                     }
                   }});
  kinds.push_back({"saved-datasets",
                   "saved dataset",
                   {"NAME", "PATH", "FEATURES"},
                   [](const Registry& r, const auto& tags, const auto& visit) {
                     for (const auto& dataset : r.saved_datasets()) {
                       const auto& spec = dataset.spec();
                       if (!HasTags(spec.tags(), tags)) continue;
                       visit(spec.name(), spec.project(), dataset,
                             {spec.name(), spec.storage().file_storage().uri(),
                              Join({spec.features().begin(), spec.features().end()})});
                     }
                   }});
  kinds.push_back({"projects",
                   "project",
                   {"NAME", "DESCRIPTION", "OWNER"},
                   [](const Registry& r, const auto& tags, const auto& visit) {
                     for (const auto& project : r.projects()) {
                       if (!HasTags(project.spec().tags(), tags)) continue;
                       visit(project.spec().name(), "", project,
                             {project.spec().name(), project.spec().description(), project.spec().owner()});
                     }
                   }});
  return kinds;
}

// An object is the project's own, or belongs to no project (projects themselves).
bool IsMine(const std::string& owner, const std::string& project) {
  return owner.empty() || owner == project;
}

Status List(const Context& context, const Kind& kind, const std::vector<std::string>& tags) {
  SALVER_ASSIGN(auto store, context.OpenStore());
  SALVER_ASSIGN(const auto snapshot, store->Snapshot());
  Rows rows;
  std::string json;
  kind.visit(snapshot->proto(), tags, [&](const auto&, const auto& project, const auto& message, auto row) {
    if (!IsMine(project, store->project())) return;
    json += (json.empty() ? "" : ", ") + ToJson(message, false);
    rows.push_back(std::move(row));
  });
  if (context.json()) {
    std::printf("[%s]\n", json.c_str());
  } else {
    PrintTable(kind.headings, rows);
  }
  return Status::OK();
}

Status Describe(const Context& context, const Kind& kind, const std::string& wanted) {
  SALVER_ASSIGN(auto store, context.OpenStore());
  SALVER_ASSIGN(const auto snapshot, store->Snapshot());
  std::vector<std::string> names;
  std::string text;
  kind.visit(snapshot->proto(), {}, [&](const auto& name, const auto& project, const auto& message, auto) {
    if (!IsMine(project, store->project())) return;
    names.push_back(name);
    if (name == wanted) text = context.json() ? ToJson(message, true) + "\n" : ToYaml(message);
  });
  if (text.empty()) {
    return Status::NotFound(std::string(kind.singular) + " \"" + wanted + "\" is not in project \"" +
                                store->project() + "\"." + NearestNameHint(wanted, names),
                            Reason::kObjectNotFound);
  }
  std::fputs(text.c_str(), stdout);
  return Status::OK();
}

Status ListFeatures(const Context& context, const std::string& wanted) {
  SALVER_ASSIGN(auto store, context.OpenStore());
  SALVER_ASSIGN(const auto snapshot, store->Snapshot());
  Rows rows;
  std::string json;
  std::vector<std::string> names;
  for (const auto& view : snapshot->views()) {
    for (const Field& feature : view->features) {
      names.push_back(feature.name);
      if (!wanted.empty() && feature.name != wanted) continue;
      rows.push_back({feature.name, view->name, ValueTypeName(feature.type)});
      json += std::string(json.empty() ? "" : ", ") + "{\"name\": " + JsonString(feature.name) +
              ", \"feature_view\": " + JsonString(view->name) + ", \"type\": " + JsonString(rows.back()[2]) +
              ", \"description\": " + JsonString(feature.description) + "}";
    }
  }
  if (rows.empty() && !wanted.empty()) {
    return Status::NotFound("feature \"" + wanted + "\" is in no feature view of project \"" +
                                store->project() + "\"." + NearestNameHint(wanted, names),
                            Reason::kFeatureNotFound);
  }
  if (context.json()) {
    std::printf("[%s]\n", json.c_str());
  } else {
    PrintTable({"FEATURE", "FEATURE VIEW", "TYPE"}, rows);
  }
  return Status::OK();
}

void AddKind(CLI::App* app, Context* context, Kind kind_value) {
  auto kind = std::make_shared<Kind>(std::move(kind_value));
  CLI::App* group = app->add_subcommand(kind->group, std::string("List or describe ") + kind->group);
  group->require_subcommand(1);
  CLI::App* list =
      AddVerb(group, "list", "All of the project", std::string("salver ") + kind->group + " list");
  auto tags = std::make_shared<std::vector<std::string>>();
  list->add_option("--tags", *tags, "Only those with this tag, key:value; may be repeated");
  list->callback([=] { context->action = [=] { return List(*context, *kind, *tags); }; });
  CLI::App* describe =
      AddVerb(group, "describe", "One, whole", std::string("salver ") + kind->group + " describe NAME");
  auto name = std::make_shared<std::string>();
  describe->add_option("name", *name, "Its name")->required();
  describe->callback([=] { context->action = [=] { return Describe(*context, *kind, *name); }; });
  if (std::string_view(kind->group) == "projects") {
    CLI::App* current = AddVerb(group, "current_project", "The project of this repository",
                                "salver projects current_project");
    current->callback([=] {
      context->action = [=]() -> Status {
        SALVER_ASSIGN(auto store, context->OpenStore());
        std::printf("%s\n", store->project().c_str());
        return Status::OK();
      };
    });
  }
}

}  // namespace

void AddObjects(CLI::App* app, Context* context) {
  for (Kind& kind : Kinds()) AddKind(app, context, std::move(kind));
  CLI::App* features = app->add_subcommand("features", "List or describe features");
  features->require_subcommand(1);
  CLI::App* list = AddVerb(features, "list", "All features of all views", "salver features list");
  list->callback([=] { context->action = [=] { return ListFeatures(*context, ""); }; });
  CLI::App* describe =
      AddVerb(features, "describe", "The views that have this feature", "salver features describe conv_rate");
  auto name = std::make_shared<std::string>();
  describe->add_option("feature_name", *name, "Its name")->required();
  describe->callback([=] { context->action = [=] { return ListFeatures(*context, *name); }; });
}

}  // namespace salver::cli
