// What is wrong with definitions, all of it: a problem does not stop the search for more.
#include <algorithm>
#include <set>

#include "base/nearest.h"
#include "registry/definitions.h"
#include "salver/feature_view.h"

namespace salver {
namespace {

using SourceProto = feast::core::DataSource;

constexpr char kKeyTypes[] = "; a join key is STRING, BYTES, INT32, INT64 or UNIX_TIMESTAMP.";

// ":" and "@" separate parts of references; the rest would not survive in table and file names.
bool IsName(const std::string& name) {
  return !name.empty() && name.find_first_of(":@ \t\r\n/\\\"'`;") == std::string::npos;
}

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

std::string MappedName(const SourceProto& source, const std::string& column) {
  const auto found = source.field_mapping().find(column);
  return found == source.field_mapping().end() ? column : found->second;
}

// "feature_view" as people say it.
std::string Words(std::string kind) {
  std::replace(kind.begin(), kind.end(), '_', ' ');
  return kind;
}

class Validator {
 public:
  explicit Validator(Definitions* definitions) : to_(definitions), registry_(definitions->registry) {}

  void Run() {
    for (const auto& project : registry_.projects()) CheckName("project", project.spec().name());
    if (registry_.projects_size() > 1)
      Say("project", registry_.projects(1).spec().name(), "there are two projects. A repository has one.");
    for (const auto& entity : registry_.entities()) CheckEntity(entity.spec());
    for (const auto& source : registry_.data_sources()) CheckSource(source);
    for (const auto& view : registry_.feature_views()) CheckFeatureView(view.spec());
    for (const auto& view : registry_.stream_feature_views()) {
      CheckView("stream_feature_view", view.spec());
      CheckTtl("stream_feature_view", view.spec());
      CheckVersion("stream_feature_view", view.spec());
    }
    for (const auto& view : registry_.label_views()) {
      CheckView("label_view", view.spec());
      CheckTtl("label_view", view.spec());
    }
    for (const auto& view : registry_.on_demand_feature_views()) {
      CheckView("on_demand_feature_view", view.spec());
      CheckVersion("on_demand_feature_view", view.spec());
    }
    CheckOnDemandSources();
    for (const auto& service : registry_.feature_services()) CheckService(service.spec());
  }

 private:
  // Adds a problem with "kind "name" " in front of `what`.
  void Say(const std::string& kind, const std::string& name, const std::string& what) {
    to_->AddProblem(kind, name, Words(kind) + " \"" + name + "\": " + what);
  }

  // False, and a problem, for a name that is not legal or not the first of its kind.
  bool CheckName(const std::string& kind, const std::string& name) {
    if (name.empty()) {
      to_->AddProblem(kind, name, "a " + Words(kind) + " has no name. Give it one.");
      return false;
    }
    // A source without a name of its own is named by its path.
    if (kind != "data_source" && (!IsName(name) || name == kDummyEntityName))
      Say(kind, name, "this can not be a name. Use letters, digits and _, and not __dummy.");
    if (const auto [first, added] = names_[kind].try_emplace(Lower(name), name); !added) {
      const std::string& other = first->second;
      Say(kind, name,
          (other == name ? "it is defined twice." : "\"" + other + "\" differs from it in case only.") +
              std::string(" Rename one, or remove it."));
      return false;
    }
    return true;
  }

  void CheckEntity(const feast::core::EntitySpecV2& entity) {
    CheckName("entity", entity.name());
    entities_.push_back(entity.name());
    const auto type = static_cast<ValueType>(entity.value_type());
    if (type != ValueType::kInvalid && !IsKeyType(type))
      Say("entity", entity.name(), std::string("value_type is ") + ValueTypeName(type) + kKeyTypes);
    if (entity.join_key().empty() || entity.join_key() == kDummyJoinKey)
      Say("entity", entity.name(),
          "join key \"" + entity.join_key() + "\" can not be used. Name the column that identifies it.");
  }

  void CheckSource(const SourceProto& source) {
    CheckName("data_source", source.name());
    if (source.type() == SourceProto::BATCH_FILE && source.file_options().uri().empty() &&
        source.sql().empty())
      Say("data_source", source.name(), "it has no path and no query. Give it one.");
    if (!source.timestamp_field().empty() && source.timestamp_field() == source.created_timestamp_column())
      Say("data_source", source.name(),
          "timestamp_field and created_timestamp_column are both \"" + source.timestamp_field() +
              "\". Name two columns, or leave out the second.");
    std::set<std::string> targets;
    for (const auto& [column, name] : source.field_mapping()) {
      if (!targets.insert(name).second)
        Say("data_source", source.name(),
            "field_mapping maps two columns to \"" + name + "\". Give each its own name.");
    }
  }

  void CheckFeatureView(const feast::core::FeatureViewSpec& spec) {
    CheckView("feature_view", spec);
    CheckTtl("feature_view", spec);
    CheckVersion("feature_view", spec);
    const std::string& name = spec.name();
    if (!spec.has_batch_source()) {
      if (spec.has_stream_source()) {
        Say("feature_view", name,
            "its source \"" + spec.stream_source().name() +
                "\" has no batch_source, where history is read from. Give it one.");
      } else if (spec.source_views_size() == 0) {
        Say("feature_view", name, "it has no source. Give it one.");
      }
      return;
    }
    const SourceProto& source = spec.batch_source();
    if (source.type() == SourceProto::BATCH_FILE && source.timestamp_field().empty())
      Say("feature_view", name,
          "data source \"" + source.name() + "\" has no timestamp_field. Name its event time column.");
    const auto check_time = [&](const std::string& column, const char* what) {
      if (column.empty()) return;
      for (const auto& feature : spec.features()) {
        if (feature.name() == column || feature.name() == MappedName(source, column))
          Say("feature_view", name,
              "feature \"" + feature.name() + "\" is the " + what +
                  " of its source. Leave it out of the schema.");
      }
    };
    check_time(source.timestamp_field(), "event time column");
    check_time(source.created_timestamp_column(), "created time column");
    const auto check_mapped = [&](const auto& columns) {
      for (const auto& column : columns) {
        const auto mapped = source.field_mapping().find(column.name());
        if (mapped != source.field_mapping().end() && mapped->second != column.name())
          Say("feature_view", name,
              "\"" + column.name() + "\" is renamed to \"" + mapped->second +
                  "\" by the field_mapping of its source. Use that name in the schema.");
      }
    };
    check_mapped(spec.features());
    check_mapped(spec.entity_columns());
  }

  // What all kinds of views share.
  template <typename Spec>
  void CheckView(const std::string& kind, const Spec& spec) {
    const std::string& name = spec.name();
    if (CheckName(kind, name)) {
      if (const auto [at, added] = view_kinds_.try_emplace(Lower(name), kind); !added)
        Say(kind, name,
            "that name is taken by a " + Words(at->second) +
                " (whatever the case of its letters). Rename one.");
    }
    for (const std::string& entity : spec.entities()) {
      if (entity == kDummyEntityName ||
          std::find(entities_.begin(), entities_.end(), entity) != entities_.end())
        continue;
      Say(kind, name, "entity \"" + entity + "\" is not defined." + NearestNameHint(entity, entities_));
    }
    std::set<std::string> columns;
    for (const auto& column : spec.entity_columns()) CheckJoinKey(kind, name, column, &columns);
    std::vector<std::string>& features = view_features_[name];
    for (const auto& feature : spec.features()) {
      features.push_back(feature.name());
      CheckFeature(kind, name, feature, &columns);
    }
    if (features.empty())
      Say(kind, name, "it has no features, and none could be inferred. List them in its schema.");
  }

  void CheckJoinKey(const std::string& kind, const std::string& view,
                    const feast::core::FeatureSpecV2& column, std::set<std::string>* columns) {
    if (!columns->insert(column.name()).second)
      Say(kind, view, "it joins twice on \"" + column.name() + "\". Give its entities different join keys.");
    const auto type = static_cast<ValueType>(column.value_type());
    if (!IsKeyType(type))
      Say(kind, view, "join key \"" + column.name() + "\" has type " + ValueTypeName(type) + kKeyTypes);
    for (const auto& entity : registry_.entities()) {
      const auto declared = static_cast<ValueType>(entity.spec().value_type());
      if (entity.spec().join_key() != column.name() || declared == ValueType::kInvalid || declared == type)
        continue;
      if (kind == "feature_view" &&
          std::find(entities_.begin(), entities_.end(), entity.spec().name()) != entities_.end() &&
          UsesEntity(view, entity.spec().name()))
        Say(kind, view,
            "join key \"" + column.name() + "\" is " + ValueTypeName(type) + " in its schema and " +
                ValueTypeName(declared) + " in entity \"" + entity.spec().name() + "\". Make them the same.");
    }
  }

  bool UsesEntity(const std::string& view, const std::string& entity) const {
    for (const auto& candidate : registry_.feature_views()) {
      const auto& names = candidate.spec().entities();
      if (candidate.spec().name() == view)
        return std::find(names.begin(), names.end(), entity) != names.end();
    }
    return false;
  }

  void CheckFeature(const std::string& kind, const std::string& view,
                    const feast::core::FeatureSpecV2& feature, std::set<std::string>* columns) {
    if (feature.name().empty()) {
      Say(kind, view, "a feature has no name. Give it one.");
    } else if (feature.name().find_first_of(":@\n") != std::string::npos || feature.name() == kDummyJoinKey) {
      Say(kind, view,
          "feature \"" + feature.name() + "\" can not have that name. Use letters, digits and _.");
    } else if (!columns->insert(feature.name()).second) {
      Say(kind, view, "feature \"" + feature.name() + "\" is there twice, or is a join key too. Rename one.");
    }
    if (feature.value_type() == feast::types::ValueType::INVALID)
      Say(kind, view, "feature \"" + feature.name() + "\" has no type. Give it a dtype.");
  }

  template <typename Spec>
  void CheckTtl(const std::string& kind, const Spec& spec) {
    if (spec.ttl().seconds() < 0 || spec.ttl().nanos() < 0)
      Say(kind, spec.name(), "its ttl is negative. Use 0 for no limit.");
  }

  template <typename Spec>
  void CheckVersion(const std::string& kind, const Spec& spec) {
    if (!spec.version().empty() && spec.version() != "latest")
      Say(kind, spec.name(),
          "version \"" + spec.version() +
              "\" can not be pinned; this release serves the latest. Leave version out.");
  }

  void CheckOnDemandSources() {
    const auto names = ViewNames();
    for (const auto& view : registry_.on_demand_feature_views()) {
      for (const auto& [name, source] : view.spec().sources()) {
        const std::string& used = source.feature_view_projection().feature_view_name();
        if (!source.has_feature_view_projection() || view_features_.contains(used)) continue;
        Say("on_demand_feature_view", view.spec().name(),
            "its source, feature view \"" + used + "\", is not defined." + NearestNameHint(used, names));
      }
    }
  }

  void CheckService(const feast::core::FeatureServiceSpec& spec) {
    CheckName("feature_service", spec.name());
    if (spec.features().empty())
      Say("feature_service", spec.name(), "it has no features. Name at least one view.");
    for (const auto& projection : spec.features()) {
      const std::string& view_name = projection.feature_view_name();
      const auto view = view_features_.find(view_name);
      if (view == view_features_.end()) {
        Say("feature_service", spec.name(),
            "feature view \"" + view_name + "\" is not defined." + NearestNameHint(view_name, ViewNames()));
        continue;
      }
      for (const auto& column : projection.feature_columns()) {
        const auto& features = view->second;
        if (std::find(features.begin(), features.end(), column.name()) == features.end())
          Say("feature_service", spec.name(),
              "feature \"" + column.name() + "\" is not in feature view \"" + view_name + "\"." +
                  NearestNameHint(column.name(), features));
      }
      CheckJoinKeyMap(spec.name(), projection);
    }
    if (spec.precompute_online()) CheckPrecompute(spec);
  }

  // One row an entity needs one entity: every view of the service must be asked for by the same columns.
  void CheckPrecompute(const feast::core::FeatureServiceSpec& spec) {
    const auto say = [&](const std::string& what) {
      Say("feature_service", spec.name(),
          "with precompute_online, " + what + " Make a service of each, or leave precompute_online out.");
    };
    std::map<std::string, std::set<std::string>> keys;  // of each view, as CheckPrecompute compares them
    const auto add = [&](const auto& view) {
      auto& of_view = keys[view.spec().name()];
      for (const auto& column : view.spec().entity_columns()) of_view.insert(column.name());
    };
    for (const auto& view : registry_.feature_views()) add(view);
    for (const auto& view : registry_.stream_feature_views()) add(view);
    std::string first_view, first;
    for (const auto& projection : spec.features()) {
      const std::string& name = projection.feature_view_name();
      const auto found = keys.find(name);
      if (found == keys.end()) {
        if (view_features_.contains(name))
          say("its rows are kept before anybody asks: \"" + name + "\" is made when it is asked for.");
        continue;
      }
      std::string text;
      for (const std::string& key : found->second) {
        const auto mapped = projection.join_key_map().find(key);
        text += (text.empty() ? "" : ", ") + key;
        if (mapped != projection.join_key_map().end()) text += " from " + mapped->second;
      }
      if (first_view.empty()) {
        first_view = name;
        first = text;
      } else if (text != first) {
        say("all its views need the same join keys: feature view \"" + first_view + "\" has (" + first +
            "), \"" + name + "\" has (" + text + ").");
      }
    }
  }

  void CheckJoinKeyMap(const std::string& service, const feast::core::FeatureViewProjection& projection) {
    if (projection.join_key_map().empty()) return;
    std::vector<std::string> keys;
    for (const auto& view : registry_.feature_views()) {
      if (view.spec().name() != projection.feature_view_name()) continue;
      for (const auto& column : view.spec().entity_columns()) keys.push_back(column.name());
    }
    if (keys.empty()) return;
    for (const auto& [key, column] : projection.join_key_map()) {
      if (std::find(keys.begin(), keys.end(), key) == keys.end())
        Say("feature_service", service,
            "join_key_map names \"" + key + "\", which is no join key of feature view \"" +
                projection.feature_view_name() + "\"." + NearestNameHint(key, keys));
    }
  }

  std::vector<std::string> ViewNames() const {
    std::vector<std::string> names;
    for (const auto& [name, features] : view_features_) names.push_back(name);
    return names;
  }

  Definitions* const to_;
  const feast::core::Registry& registry_;
  std::map<std::string, std::map<std::string, std::string>>
      names_;  // kind -> name in lower case -> name  // kind -> lower-case names
  std::vector<std::string> entities_;
  std::map<std::string, std::string> view_kinds_;  // lower-case name -> kind
  std::map<std::string, std::vector<std::string>> view_features_;
};

}  // namespace

void ValidateDefinitions(Definitions* definitions) {
  Validator(definitions).Run();
}

}  // namespace salver
