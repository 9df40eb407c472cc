// Inference as Feast does it at apply: what a definition leaves out is taken from the columns of its source.
#include <algorithm>
#include <map>
#include <optional>

#include "base/nearest.h"
#include "registry/aggregated_features.h"
#include "registry/definitions.h"
#include "salver/feature_view.h"

namespace salver {
namespace {

using SourceProto = feast::core::DataSource;
using TypeEnum = feast::types::ValueType;
using feast::core::FeatureSpecV2;
using Columns = std::vector<SourceColumnInfo>;

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

template <typename Spec>
void SetDummyEntity(Spec* spec) {
  if (spec->entities_size() == 0) spec->add_entities(std::string(kDummyEntityName));
  if (spec->entity_columns_size() > 0) return;
  auto* column = spec->add_entity_columns();
  column->set_name(std::string(kDummyJoinKey));
  column->set_value_type(TypeEnum::STRING);
}

// The name in the view of a source column.
std::string MappedName(const SourceProto& source, const std::string& column) {
  const auto found = source.field_mapping().find(column);
  return found == source.field_mapping().end() ? column : found->second;
}

bool IsTime(const SourceProto& source, const std::string& column) {
  const std::string mapped = MappedName(source, column);
  const auto is = [&](const std::string& name) {
    return !name.empty() && (name == column || name == mapped);
  };
  return is(source.timestamp_field()) || is(source.created_timestamp_column());
}

const SourceColumnInfo* FindColumn(const Columns& columns, const SourceProto& source,
                                   const std::string& name) {
  for (const SourceColumnInfo& column : columns) {
    if (MappedName(source, column.name) == name) return &column;
  }
  return nullptr;
}

std::vector<std::string> NamesOf(const Columns& columns) {
  std::vector<std::string> names;
  for (const SourceColumnInfo& column : columns) names.push_back(column.name);
  return names;
}

// Sources inside others carry no class, as Feast writes them; but what a custom source is, its class alone
// says.
void DropClass(SourceProto* source) {
  if (source->type() != SourceProto::CUSTOM_SOURCE) source->clear_data_source_class_type();
}

class Inference {
 public:
  Inference(const SourceSchemas& schemas, Definitions* definitions) : schemas_(schemas), to_(definitions) {}

  // A source without a timestamp_field gets the only timestamp column there is.
  void Source(SourceProto* source) {
    if (source->has_batch_source()) {
      SourceProto* batch = source->mutable_batch_source();
      Source(batch);
      DropClass(batch);
      if (source->timestamp_field().empty()) source->set_timestamp_field(batch->timestamp_field());
      if (source->created_timestamp_column().empty())
        source->set_created_timestamp_column(batch->created_timestamp_column());
      return;
    }
    if (source->type() != SourceProto::BATCH_FILE || !source->timestamp_field().empty()) return;
    const Columns* columns = ColumnsOf(*source);
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
    for (size_t i = 0; i < candidates.size(); ++i) text += (i == 0 ? ": " : ", ") + candidates[i];
    to_->AddProblem("data_source", source->name(), text + ". Name it: timestamp_field=\"...\".");
  }

  // Entity columns and features of a view on a batch source (null: none).
  template <typename Spec>
  void View(const std::string& kind, const SourceProto* source, Spec* spec) {
    const bool entityless = spec->entities_size() == 0 || spec->entities(0) == kDummyEntityName;
    if (entityless) {
      SetDummyEntity(spec);
    } else {
      DeclaredEntityColumns(spec);
      InferredEntityColumns(kind, source, spec);
    }
    if constexpr (requires { spec->aggregations(); }) {
      if (spec->aggregations_size() > 0) return Aggregated(kind, source, spec);
    }
    if (spec->features_size() == 0) Features(kind, source, spec);
  }

  // That the columns a view names are there. A file that is not there yet is none of this check's business,
  // nor is the history of a view that rows are pushed to: it may never be read.
  void CheckColumns(const std::string& kind, const feast::core::FeatureViewSpec& spec) {
    if (!spec.has_batch_source() || spec.has_stream_source() || spec.has_feature_transformation() ||
        spec.source_views_size() > 0) {
      return;
    }
    const SourceProto& source = spec.batch_source();
    const Columns* read = ColumnsOf(source, /*must_be_there=*/false);
    if (read == nullptr) return;
    const Columns& columns = *read;
    const auto check = [&](const std::string& name, const std::string& what) {
      if (name.empty() || FindColumn(columns, source, name) != nullptr) return;
      const auto names = NamesOf(columns);
      if (std::find(names.begin(), names.end(), name) != names.end()) return;
      to_->AddProblem(kind, spec.name(),
                      what + " \"" + name + "\" of feature view \"" + spec.name() +
                          "\" is no column of data source \"" + source.name() + "\"." +
                          NearestNameHint(name, names));
    };
    check(source.timestamp_field(), "timestamp_field");
    check(source.created_timestamp_column(), "created_timestamp_column");
    for (const auto& feature : spec.features()) {
      if (spec.aggregations_size() == 0) check(feature.name(), "feature");
    }
    const SourceColumnInfo* time = FindColumn(columns, source, source.timestamp_field());
    if (time != nullptr && time->type != ValueType::kUnixTimestamp) {
      to_->AddProblem("data_source", source.name(),
                      "timestamp_field \"" + source.timestamp_field() + "\" of data source \"" +
                          source.name() + "\" holds " + ValueTypeName(time->type) +
                          ", which is no time. Name a timestamp column.");
    }
  }

 private:
  // Join keys whose type the entity itself says. Those in the schema are there already.
  template <typename Spec>
  void DeclaredEntityColumns(Spec* spec) {
    for (const std::string& name : spec->entities()) {
      const auto* entity = FindEntity(to_->registry, name);
      if (entity == nullptr || HasColumn(spec->entity_columns(), entity->join_key())) continue;
      if (entity->value_type() == TypeEnum::INVALID) continue;
      auto* column = spec->add_entity_columns();
      column->set_name(entity->join_key());
      column->set_value_type(entity->value_type());
    }
  }

  template <typename Spec>
  void InferredEntityColumns(const std::string& kind, const SourceProto* source, Spec* spec) {
    for (const std::string& name : spec->entities()) {
      const auto* entity = FindEntity(to_->registry, name);
      if (entity == nullptr || HasColumn(spec->entity_columns(), entity->join_key())) continue;
      auto type = TypeEnum::STRING;  // as Feast, where nothing says more
      if (const Columns* columns = source != nullptr ? ColumnsOf(*source) : nullptr) {
        const SourceColumnInfo* found = FindColumn(*columns, *source, entity->join_key());
        if (found == nullptr) {
          to_->AddProblem(kind, spec->name(),
                          "data source \"" + source->name() + "\" has no column \"" + entity->join_key() +
                              "\", the join key of entity \"" + name + "\"." +
                              NearestNameHint(entity->join_key(), NamesOf(*columns)));
          continue;
        }
        type = static_cast<TypeEnum::Enum>(found->type);
      }
      auto* column = spec->add_entity_columns();
      column->set_name(entity->join_key());
      column->set_value_type(type);
    }
  }

  template <typename Spec>
  void Features(const std::string& kind, const SourceProto* source, Spec* spec) {
    const Columns* columns = source != nullptr ? ColumnsOf(*source) : nullptr;
    if (columns == nullptr) return;
    for (const SourceColumnInfo& column : *columns) {
      const std::string name = MappedName(*source, column.name);
      if (IsTime(*source, column.name) || HasColumn(spec->entity_columns(), name)) continue;
      if (column.name.starts_with("__")) continue;  // internal columns of whoever wrote the file
      if (column.type == ValueType::kInvalid || column.type == ValueType::kNull) {
        to_->AddProblem(
            kind, spec->name(),
            "column \"" + column.name + "\" of data source \"" + source->name() +
                "\" has a type that no feature can have. List the features in schema=[...] without it.");
        continue;
      }
      FeatureSpecV2* feature = spec->add_features();
      feature->set_name(name);
      feature->set_value_type(static_cast<TypeEnum::Enum>(column.type));
    }
  }

  // Features that aggregations fill, out of columns of the source or of the view that this one is made of.
  template <typename Spec>
  void Aggregated(const std::string& kind, const SourceProto* source, Spec* spec) {
    const AggregatedView view{kind, spec->name(), &spec->aggregations(), spec->mutable_features()};
    std::map<std::string, ValueType> types;
    const auto add = [&](const auto& fields) {
      for (const auto& field : fields) types[field.name()] = static_cast<ValueType>(field.value_type());
    };
    if constexpr (requires { spec->source_views(); }) {
      if (spec->source_views_size() == 1) {
        add(spec->source_views(0).features());
        add(spec->source_views(0).entity_columns());
        return InferAggregatedFeatures(view, types.empty() ? nullptr : &types, to_);
      }
    }
    if (spec->has_feature_transformation() || source == nullptr)
      return InferAggregatedFeatures(view, nullptr, to_);
    const Columns* columns = ColumnsOf(*source, /*must_be_there=*/spec->features_size() == 0);
    if (columns == nullptr) return InferAggregatedFeatures(view, nullptr, to_);
    for (const SourceColumnInfo& column : *columns) types[MappedName(*source, column.name)] = column.type;
    InferAggregatedFeatures(view, &types, to_);
  }

  // The columns of a source, opened once; null, and a problem if they must be there, when it can not be read.
  const Columns* ColumnsOf(const SourceProto& source, bool must_be_there = true) {
    if (!schemas_) return nullptr;
    auto found = columns_.find(source.name());
    if (found == columns_.end()) found = columns_.emplace(source.name(), schemas_(source)).first;
    if (found->second.ok()) return &*found->second;
    if (must_be_there) to_->AddProblem("data_source", source.name(), found->second.status().message());
    return nullptr;
  }

  const SourceSchemas& schemas_;
  Definitions* const to_;
  std::map<std::string, Result<Columns>> columns_;
};

// What a projection of a view takes from it once the view is complete.
void FillProjection(const feast::core::FeatureViewSpec& view,
                    feast::core::FeatureViewProjection* projection) {
  if (projection->view_type().empty()) projection->set_view_type("featureView");
  if (projection->feature_columns_size() == 0) *projection->mutable_feature_columns() = view.features();
  for (FeatureSpecV2& column : *projection->mutable_feature_columns()) {
    if (column.value_type() != TypeEnum::INVALID) continue;
    for (const FeatureSpecV2& feature : view.features()) {
      if (feature.name() == column.name()) column = feature;
    }
  }
  if (!projection->has_batch_source() && view.has_batch_source()) {
    *projection->mutable_batch_source() = view.batch_source();
    DropClass(projection->mutable_batch_source());
    // Feast writes the created column into both; its readers take the times from the batch source.
    projection->set_timestamp_field(view.batch_source().created_timestamp_column());
    projection->set_created_timestamp_column(view.batch_source().created_timestamp_column());
  }
}

using ViewSpecs = std::map<std::string, const feast::core::FeatureViewSpec*>;

void InferFeatureViews(Inference* inference, const std::string& project, feast::core::Registry* registry) {
  for (auto& view : *registry->mutable_feature_views()) {
    auto* spec = view.mutable_spec();
    spec->set_project(project);
    if (spec->version().empty()) spec->set_version("latest");
    if (spec->has_stream_source()) inference->Source(spec->mutable_stream_source());
    if (!spec->has_batch_source() && spec->stream_source().has_batch_source())
      *spec->mutable_batch_source() = spec->stream_source().batch_source();
    if (spec->has_batch_source()) inference->Source(spec->mutable_batch_source());
    inference->View("feature_view", spec->has_batch_source() ? &spec->batch_source() : nullptr, spec);
    inference->CheckColumns("feature_view", *spec);
  }
}

void InferOtherViews(Inference* inference, const std::string& project, const ViewSpecs& views,
                     feast::core::Registry* registry) {
  for (auto& view : *registry->mutable_stream_feature_views()) {
    auto* spec = view.mutable_spec();
    spec->set_project(project);
    if (spec->version().empty()) spec->set_version("latest");
    if (spec->has_stream_source()) inference->Source(spec->mutable_stream_source());
    if (spec->has_batch_source()) inference->Source(spec->mutable_batch_source());
    inference->View("stream_feature_view", spec->has_batch_source() ? &spec->batch_source() : nullptr, spec);
  }
  for (auto& view : *registry->mutable_label_views()) {
    view.mutable_spec()->set_project(project);
    if (view.spec().has_source()) inference->Source(view.mutable_spec()->mutable_source());
    inference->View("label_view", nullptr, view.mutable_spec());
  }
  for (auto& view : *registry->mutable_on_demand_feature_views()) {
    auto* spec = view.mutable_spec();
    spec->set_project(project);
    if (spec->version().empty()) spec->set_version("latest");
    SetDummyEntity(spec);
    for (auto& [name, source] : *spec->mutable_sources()) {
      if (!source.has_feature_view_projection()) continue;
      const auto found = views.find(source.feature_view_projection().feature_view_name());
      if (found != views.end()) FillProjection(*found->second, source.mutable_feature_view_projection());
    }
  }
}

// A service takes whole views, or some of their features, from views of any kind.
void InferServices(const std::string& project, const ViewSpecs& views, feast::core::Registry* registry) {
  std::map<std::string, const google::protobuf::RepeatedPtrField<FeatureSpecV2>*> others;
  for (const auto& view : registry->on_demand_feature_views())
    others[view.spec().name()] = &view.spec().features();
  for (const auto& view : registry->stream_feature_views())
    others[view.spec().name()] = &view.spec().features();
  for (const auto& view : registry->label_views()) others[view.spec().name()] = &view.spec().features();
  for (auto& service : *registry->mutable_feature_services()) {
    service.mutable_spec()->set_project(project);
    for (auto& projection : *service.mutable_spec()->mutable_features()) {
      if (projection.view_type().empty()) projection.set_view_type("featureView");
      const auto view = views.find(projection.feature_view_name());
      if (view != views.end()) FillProjection(*view->second, &projection);
      const auto other = others.find(projection.feature_view_name());
      if (other == others.end()) continue;
      if (projection.feature_columns_size() == 0) *projection.mutable_feature_columns() = *other->second;
      for (FeatureSpecV2& column : *projection.mutable_feature_columns()) {
        if (column.value_type() != TypeEnum::INVALID) continue;
        for (const FeatureSpecV2& feature : *other->second) {
          if (feature.name() == column.name()) column = feature;
        }
      }
    }
  }
}

}  // namespace

void InferDefinitions(const SourceSchemas& schemas, const std::string& project, Definitions* definitions) {
  feast::core::Registry& registry = definitions->registry;
  Inference inference(schemas, definitions);
  for (auto& source : *registry.mutable_data_sources()) {
    source.set_project(project);
    inference.Source(&source);
  }
  for (auto& entity : *registry.mutable_entities()) entity.mutable_spec()->set_project(project);
  for (auto& permission : *registry.mutable_permissions()) permission.mutable_spec()->set_project(project);
  InferFeatureViews(&inference, project, &registry);
  ViewSpecs views;
  for (const auto& view : registry.feature_views()) views[view.spec().name()] = &view.spec();
  InferOtherViews(&inference, project, views, &registry);
  InferServices(project, views, &registry);
}

}  // namespace salver
