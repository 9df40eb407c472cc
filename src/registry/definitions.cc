#include "registry/definitions.h"

#include <google/protobuf/util/json_util.h>
#include <simdjson.h>

#include <algorithm>
#include <set>

#include "base/nearest.h"
#include "salver/feature_view.h"

namespace salver {
namespace {

using SourceProto = feast::core::DataSource;
using feast::core::FeatureSpecV2;

Result<Definitions> BadJson(const std::string& what) {
  return Status::InvalidArgument(
      "the definitions are not readable: " + what +
          ". They come from the Python package; check that it is of this version of Salver.",
      Reason::kBadDefinition);
}

bool IsName(const std::string& name) {
  return !name.empty() && name.find_first_of(":@ \t\n/\"'") == std::string::npos;
}

const feast::core::EntitySpecV2* FindEntity(const feast::core::Registry& registry, const std::string& name) {
  for (const auto& entity : registry.entities()) {
    if (entity.spec().name() == name) return &entity.spec();
  }
  return nullptr;
}

template <typename Specs>
bool HasColumn(const Specs& specs, const std::string& name) {
  return std::any_of(specs.begin(), specs.end(), [&](const auto& spec) { return spec.name() == name; });
}

void SetDummyEntity(auto* spec) {
  if (spec->entities_size() == 0) spec->add_entities(std::string(kDummyEntityName));
  if (spec->entity_columns_size() > 0) return;
  auto* column = spec->add_entity_columns();
  column->set_name(std::string(kDummyJoinKey));
  column->set_value_type(feast::types::ValueType::STRING);
}

// The name in the view of a source column.
std::string MappedName(const SourceProto& source, const std::string& column) {
  const auto found = source.field_mapping().find(column);
  return found == source.field_mapping().end() ? column : found->second;
}

class Inference {
 public:
  Inference(const SourceSchemas& schemas, Definitions* definitions) : schemas_(schemas), to_(definitions) {}

  // A source without a timestamp_field gets the only timestamp column there is.
  void TimestampField(SourceProto* source) {
    if (source->has_batch_source()) {
      TimestampField(source->mutable_batch_source());
      if (source->timestamp_field().empty())
        source->set_timestamp_field(source->batch_source().timestamp_field());
      if (source->created_timestamp_column().empty()) {
        source->set_created_timestamp_column(source->batch_source().created_timestamp_column());
      }
      return;
    }
    if (source->type() != SourceProto::BATCH_FILE || !source->timestamp_field().empty() || !schemas_) return;
    const auto* columns = Columns(*source);
    if (columns == nullptr) return;
    std::vector<std::string> candidates;
    for (const SourceColumnInfo& column : *columns) {
      if (column.type == ValueType::kUnixTimestamp && column.name != source->created_timestamp_column())
        candidates.push_back(column.name);
    }
    if (candidates.size() == 1) return source->set_timestamp_field(candidates[0]);
    std::string text = "data source \"" + source->name() + "\" has no timestamp_field, and its file has ";
    text += candidates.empty() ? "no timestamp column to take"
                               : std::to_string(candidates.size()) + " timestamp columns to choose from";
    to_->AddProblem("data_source", source->name(), text + ". Name it: timestamp_field=\"...\".");
  }

  // Entity columns and features of a view on a batch source (null: none).
  template <typename Spec>
  void View(const std::string& kind, const SourceProto* source, Spec* spec) {
    if (spec->entities_size() == 0 || spec->entities(0) == kDummyEntityName) {
      SetDummyEntity(spec);
    } else {
      EntityColumns(kind, source, spec);
    }
    if (spec->features_size() > 0 || source == nullptr || !schemas_) return;
    const auto* columns = Columns(*source);
    if (columns == nullptr) return;
    for (const SourceColumnInfo& column : *columns) {
      const std::string name = MappedName(*source, column.name);
      if (column.name == source->timestamp_field() || column.name == source->created_timestamp_column())
        continue;
      if (HasColumn(spec->entity_columns(), name)) continue;
      if (column.type == ValueType::kInvalid || column.type == ValueType::kNull) {
        to_->AddProblem(
            kind, spec->name(),
            "column \"" + column.name + "\" of data source \"" + source->name() +
                "\" has a type that no feature can have. List the features in schema=[...] without it.");
        continue;
      }
      FeatureSpecV2* feature = spec->add_features();
      feature->set_name(name);
      feature->set_value_type(static_cast<feast::types::ValueType::Enum>(column.type));
    }
  }

 private:
  template <typename Spec>
  void EntityColumns(const std::string& kind, const SourceProto* source, Spec* spec) {
    for (const std::string& name : spec->entities()) {
      const auto* entity = FindEntity(to_->registry, name);
      if (entity == nullptr || HasColumn(spec->entity_columns(), entity->join_key())) continue;
      auto type = entity->value_type();
      if (type == feast::types::ValueType::INVALID && source != nullptr && schemas_) {
        if (const auto* columns = Columns(*source)) {
          for (const SourceColumnInfo& column : *columns) {
            if (MappedName(*source, column.name) == entity->join_key())
              type = static_cast<feast::types::ValueType::Enum>(column.type);
          }
          if (type == feast::types::ValueType::INVALID && kind != "label_view") {
            std::vector<std::string> names;
            for (const SourceColumnInfo& column : *columns) names.push_back(column.name);
            to_->AddProblem(kind, spec->name(),
                            "data source \"" + source->name() + "\" has no column \"" + entity->join_key() +
                                "\", the join key of entity \"" + name + "\"." +
                                NearestNameHint(entity->join_key(), names));
            continue;
          }
        }
      }
      if (type == feast::types::ValueType::INVALID) type = feast::types::ValueType::STRING;  // as Feast
      auto* column = spec->add_entity_columns();
      column->set_name(entity->join_key());
      column->set_value_type(type);
    }
  }

  // The columns of a source, opened once; null (and a problem, once) when it can not be read.
  const std::vector<SourceColumnInfo>* Columns(const SourceProto& source) {
    const auto found = columns_.find(source.name());
    if (found != columns_.end()) return found->second ? &*found->second : nullptr;
    auto& slot = columns_[source.name()];
    auto read = schemas_(source);
    if (read.ok()) {
      slot = std::move(read).value();
    } else {
      to_->AddProblem("data_source", source.name(), read.status().message());
    }
    return slot ? &*slot : nullptr;
  }

  const SourceSchemas& schemas_;
  Definitions* const to_;
  std::map<std::string, std::optional<std::vector<SourceColumnInfo>>> columns_;
};

// What a projection of a view takes from it once the view is complete.
void FillProjection(const feast::core::FeatureViewSpec& view,
                    feast::core::FeatureViewProjection* projection) {
  if (projection->feature_columns_size() == 0) *projection->mutable_feature_columns() = view.features();
  for (FeatureSpecV2& column : *projection->mutable_feature_columns()) {
    if (column.value_type() != feast::types::ValueType::INVALID) continue;
    for (const FeatureSpecV2& feature : view.features()) {
      if (feature.name() == column.name()) column = feature;
    }
  }
  if (!projection->has_batch_source() && view.has_batch_source()) {
    *projection->mutable_batch_source() = view.batch_source();
    projection->mutable_batch_source()->clear_data_source_class_type();
    // Feast writes the created column into both; its readers take the times from the batch source.
    projection->set_timestamp_field(view.batch_source().created_timestamp_column());
    projection->set_created_timestamp_column(view.batch_source().created_timestamp_column());
  }
}

}  // namespace

std::string Definitions::Where(const std::string& kind, const std::string& name) const {
  const auto found = locations.find(kind + ":" + name);
  if (found == locations.end()) return "";
  return found->second.file + (found->second.line > 0 ? ":" + std::to_string(found->second.line) : "");
}

void Definitions::AddProblem(const std::string& kind, const std::string& name, std::string message) {
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
    if (!problem.where.file.empty())
      text += problem.where.file + ":" + std::to_string(problem.where.line) + ": ";
    text += problem.message;
  }
  return Status::InvalidArgument(std::move(text), Reason::kBadDefinition);
}

Result<Definitions> ParseDefinitionsJson(const std::string& json) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  if (const auto error = parser.parse(json).get(root)) return BadJson(simdjson::error_message(error));
  simdjson::dom::element registry;
  if (root["registry"].get(registry)) return BadJson("there is no \"registry\"");
  Definitions definitions;
  const auto status =
      google::protobuf::util::JsonStringToMessage(simdjson::minify(registry), &definitions.registry);
  if (!status.ok()) return BadJson(status.message().as_string());
  simdjson::dom::object locations;
  if (!root["locations"].get(locations)) {
    for (const auto entry : locations) {
      std::string_view file;
      int64_t line = 0;
      if (entry.value["file"].get(file)) return BadJson("a location has no \"file\"");
      if (entry.value["line"].get(line)) line = 0;
      definitions.locations[std::string(entry.key)] = {std::string(file), static_cast<int>(line)};
    }
  }
  simdjson::dom::array problems;
  if (!root["problems"].get(problems)) {
    for (const auto entry : problems) {
      std::string_view file, message;
      int64_t line = 0;
      if (entry["file"].get(file)) file = "";
      if (entry["line"].get(line)) line = 0;
      if (entry["message"].get(message)) return BadJson("a problem has no \"message\"");
      definitions.problems.push_back({{std::string(file), static_cast<int>(line)}, std::string(message)});
    }
  }
  return definitions;
}

void InferDefinitions(const SourceSchemas& schemas, const std::string& project, Definitions* definitions) {
  feast::core::Registry& registry = definitions->registry;
  Inference inference(schemas, definitions);
  for (auto& source : *registry.mutable_data_sources()) {
    source.set_project(project);
    inference.TimestampField(&source);
  }
  for (auto& entity : *registry.mutable_entities()) entity.mutable_spec()->set_project(project);
  for (auto& view : *registry.mutable_feature_views()) {
    auto* spec = view.mutable_spec();
    spec->set_project(project);
    if (spec->version().empty()) spec->set_version("latest");
    if (spec->has_stream_source()) inference.TimestampField(spec->mutable_stream_source());
    if (spec->has_batch_source()) inference.TimestampField(spec->mutable_batch_source());
    if (!spec->has_batch_source() && spec->stream_source().has_batch_source()) {
      *spec->mutable_batch_source() = spec->stream_source().batch_source();
    }
    inference.View("feature_view", spec->has_batch_source() ? &spec->batch_source() : nullptr, spec);
  }
  for (auto& view : *registry.mutable_stream_feature_views()) {
    auto* spec = view.mutable_spec();
    spec->set_project(project);
    if (spec->version().empty()) spec->set_version("latest");
    if (spec->has_batch_source()) inference.TimestampField(spec->mutable_batch_source());
    inference.View("stream_feature_view", spec->has_batch_source() ? &spec->batch_source() : nullptr, spec);
  }
  for (auto& view : *registry.mutable_label_views()) {
    view.mutable_spec()->set_project(project);
    if (view.spec().has_source()) inference.TimestampField(view.mutable_spec()->mutable_source());
    inference.View("label_view", nullptr, view.mutable_spec());
  }
  std::map<std::string, const feast::core::FeatureViewSpec*> views;
  for (const auto& view : registry.feature_views()) views[view.spec().name()] = &view.spec();
  std::map<std::string, const feast::core::OnDemandFeatureViewSpec*> on_demand;
  for (auto& view : *registry.mutable_on_demand_feature_views()) {
    auto* spec = view.mutable_spec();
    spec->set_project(project);
    if (spec->version().empty()) spec->set_version("latest");
    SetDummyEntity(spec);
    on_demand[spec->name()] = spec;
    for (auto& [name, source] : *spec->mutable_sources()) {
      if (!source.has_feature_view_projection()) continue;
      const auto found = views.find(source.feature_view_projection().feature_view_name());
      if (found != views.end()) FillProjection(*found->second, source.mutable_feature_view_projection());
    }
  }
  for (auto& service : *registry.mutable_feature_services()) {
    service.mutable_spec()->set_project(project);
    for (auto& projection : *service.mutable_spec()->mutable_features()) {
      if (projection.view_type().empty()) projection.set_view_type("featureView");
      const auto view = views.find(projection.feature_view_name());
      if (view != views.end()) FillProjection(*view->second, &projection);
      const auto computed = on_demand.find(projection.feature_view_name());
      if (computed != on_demand.end() && projection.feature_columns_size() == 0) {
        *projection.mutable_feature_columns() = computed->second->features();
      }
    }
  }
  for (auto& permission : *registry.mutable_permissions()) permission.mutable_spec()->set_project(project);
}

void ValidateDefinitions(Definitions* definitions) {
  const feast::core::Registry& registry = definitions->registry;
  std::vector<std::string> entity_names;
  std::set<std::string> seen;
  for (const auto& entity : registry.entities()) {
    const auto& spec = entity.spec();
    entity_names.push_back(spec.name());
    if (!IsName(spec.name()) || spec.name() == kDummyEntityName) {
      definitions->AddProblem("entity", spec.name(),
                              "entity \"" + spec.name() +
                                  "\" can not have that name. Use letters, digits and _, and not __dummy.");
    }
    if (!seen.insert(spec.name()).second)
      definitions->AddProblem("entity", spec.name(),
                              "entity \"" + spec.name() + "\" is defined twice. Rename one, or remove it.");
    const auto type = static_cast<ValueType>(spec.value_type());
    if (type != ValueType::kInvalid && !IsKeyType(type)) {
      definitions->AddProblem("entity", spec.name(),
                              "entity \"" + spec.name() + "\" has value_type " + ValueTypeName(type) +
                                  "; a join key is STRING, BYTES, INT32, INT64 or UNIX_TIMESTAMP.");
    }
  }
  seen.clear();
  for (const auto& source : registry.data_sources()) {
    if (source.name().empty())
      definitions->AddProblem("data_source", "", "a data source has no name. Give it one.");
    if (!seen.insert(source.name()).second) {
      definitions->AddProblem(
          "data_source", source.name(),
          "data source \"" + source.name() + "\" is defined twice. Rename one, or remove it.");
    }
    if (source.type() == SourceProto::BATCH_FILE && source.file_options().uri().empty()) {
      definitions->AddProblem("data_source", source.name(),
                              "data source \"" + source.name() + "\" has no path. Give it one.");
    }
  }
  std::map<std::string, std::string> view_kinds;  // lower-case name -> kind
  std::map<std::string, std::vector<std::string>> view_features;
  const auto check_view = [&](const std::string& kind, const auto& spec) {
    const std::string& name = spec.name();
    if (!IsName(name))
      definitions->AddProblem(
          kind, name, "feature view \"" + name + "\" can not have that name. Use letters, digits and _.");
    std::string lower = name;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    if (const auto [at, added] = view_kinds.try_emplace(lower, kind); !added) {
      definitions->AddProblem(kind, name,
                              "feature view name \"" + name +
                                  "\" is taken (names differ by more than case): also a " + at->second +
                                  ". Rename one.");
    }
    for (const std::string& entity : spec.entities()) {
      if (entity == kDummyEntityName || FindEntity(registry, entity) != nullptr) continue;
      definitions->AddProblem(kind, name,
                              "feature view \"" + name + "\" names entity \"" + entity +
                                  "\", which is not defined." + NearestNameHint(entity, entity_names));
    }
    std::set<std::string> columns;
    for (const auto& column : spec.entity_columns()) {
      if (!columns.insert(column.name()).second) {
        definitions->AddProblem(kind, name,
                                "feature view \"" + name + "\" joins twice on \"" + column.name() +
                                    "\". Give its entities different join keys.");
      }
      if (!IsKeyType(static_cast<ValueType>(column.value_type()))) {
        definitions->AddProblem(kind, name,
                                "feature view \"" + name + "\": join key \"" + column.name() +
                                    "\" has type " +
                                    ValueTypeName(static_cast<ValueType>(column.value_type())) +
                                    "; a join key is STRING, BYTES, INT32, INT64 or UNIX_TIMESTAMP.");
      }
    }
    std::vector<std::string>& features = view_features[name];
    for (const auto& feature : spec.features()) {
      features.push_back(feature.name());
      if (!columns.insert(feature.name()).second) {
        definitions->AddProblem(kind, name,
                                "feature view \"" + name + "\" has feature \"" + feature.name() +
                                    "\" twice, or as a join key too. Rename one.");
      }
      if (feature.value_type() == feast::types::ValueType::INVALID) {
        definitions->AddProblem(kind, name,
                                "feature view \"" + name + "\": feature \"" + feature.name() +
                                    "\" has no type. Give it a dtype.");
      }
    }
    if (features.empty()) {
      definitions->AddProblem(
          kind, name,
          "feature view \"" + name +
              "\" has no features, and none could be inferred. List them in schema=[...].");
    }
  };
  for (const auto& view : registry.feature_views()) {
    check_view("feature_view", view.spec());
    const auto& spec = view.spec();
    if (!spec.has_batch_source() && !spec.has_stream_source() && spec.source_views_size() == 0) {
      definitions->AddProblem("feature_view", spec.name(),
                              "feature view \"" + spec.name() + "\" has no source. Give it one.");
    }
    if (spec.has_batch_source() && spec.batch_source().type() == SourceProto::BATCH_FILE &&
        spec.batch_source().timestamp_field().empty()) {
      definitions->AddProblem("feature_view", spec.name(),
                              "feature view \"" + spec.name() + "\": data source \"" +
                                  spec.batch_source().name() +
                                  "\" has no timestamp_field. Name its event time column.");
    }
    for (const auto& feature : spec.features()) {
      const auto& source = spec.batch_source();
      if (spec.has_batch_source() && feature.name() == MappedName(source, source.timestamp_field())) {
        definitions->AddProblem("feature_view", spec.name(),
                                "feature view \"" + spec.name() + "\": feature \"" + feature.name() +
                                    "\" is the event time column of its source. Leave it out of the schema.");
      }
    }
    if (spec.ttl().seconds() < 0) {
      definitions->AddProblem("feature_view", spec.name(),
                              "feature view \"" + spec.name() + "\" has a negative ttl. Use 0 for no limit.");
    }
  }
  for (const auto& view : registry.stream_feature_views()) check_view("stream_feature_view", view.spec());
  for (const auto& view : registry.label_views()) check_view("label_view", view.spec());
  for (const auto& view : registry.on_demand_feature_views())
    check_view("on_demand_feature_view", view.spec());
  std::vector<std::string> view_names;
  for (const auto& [name, features] : view_features) view_names.push_back(name);
  seen.clear();
  for (const auto& service : registry.feature_services()) {
    const auto& spec = service.spec();
    if (!IsName(spec.name()))
      definitions->AddProblem(
          "feature_service", spec.name(),
          "feature service \"" + spec.name() + "\" can not have that name. Use letters, digits and _.");
    if (!seen.insert(spec.name()).second)
      definitions->AddProblem(
          "feature_service", spec.name(),
          "feature service \"" + spec.name() + "\" is defined twice. Rename one, or remove it.");
    for (const auto& projection : spec.features()) {
      const auto view = view_features.find(projection.feature_view_name());
      if (view == view_features.end()) {
        definitions->AddProblem("feature_service", spec.name(),
                                "feature service \"" + spec.name() + "\" names feature view \"" +
                                    projection.feature_view_name() + "\", which is not defined." +
                                    NearestNameHint(projection.feature_view_name(), view_names));
        continue;
      }
      for (const auto& column : projection.feature_columns()) {
        if (std::find(view->second.begin(), view->second.end(), column.name()) != view->second.end())
          continue;
        definitions->AddProblem("feature_service", spec.name(),
                                "feature service \"" + spec.name() + "\": feature \"" + column.name() +
                                    "\" is not in feature view \"" + view->first + "\"." +
                                    NearestNameHint(column.name(), view->second));
      }
    }
  }
}

}  // namespace salver
