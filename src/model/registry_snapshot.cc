// Turns a feast.core.Registry message into the typed, indexed objects that the rest of the code reads.
#include "salver/registry_snapshot.h"

#include <algorithm>

#include "base/nearest.h"
#include "feast/core/Registry.pb.h"
#include "model/aggregation_proto.h"
#include "model/data_source_message.h"
#include "model/intervals.h"
#include "model/proto_time.h"

namespace salver {
namespace {

using feast::core::FeatureSpecV2;

template <typename ProtoMap>
std::map<std::string, std::string> MapOf(const ProtoMap& map) {
  return {map.begin(), map.end()};
}

Field FieldOf(const FeatureSpecV2& spec) {
  Field field;
  field.name = spec.name();
  field.type = static_cast<ValueType>(spec.value_type());
  field.description = spec.description();
  field.tags = MapOf(spec.tags());
  field.vector_index = spec.vector_index();
  field.vector_length = spec.vector_length();
  field.vector_search_metric = spec.vector_search_metric();
  return field;
}

template <typename Specs>
std::vector<Field> FieldsOf(const Specs& specs) {
  std::vector<Field> fields;
  for (const FeatureSpecV2& spec : specs) fields.push_back(FieldOf(spec));
  return fields;
}

Entity EntityOf(const feast::core::Entity& proto) {
  Entity entity;
  entity.name = proto.spec().name();
  entity.join_key = proto.spec().join_key();
  entity.value_type = static_cast<ValueType>(proto.spec().value_type());
  entity.description = proto.spec().description();
  entity.tags = MapOf(proto.spec().tags());
  entity.owner = proto.spec().owner();
  entity.created_us = MicrosOf(proto.meta().created_timestamp());
  entity.last_updated_us = MicrosOf(proto.meta().last_updated_timestamp());
  return entity;
}

FeatureService ServiceOf(const feast::core::FeatureService& proto) {
  FeatureService service;
  service.name = proto.spec().name();
  for (const auto& projection : proto.spec().features()) {
    FeatureViewProjection& to = service.projections.emplace_back();
    to.view = projection.feature_view_name();
    to.alias = projection.feature_view_name_alias();
    for (const auto& column : projection.feature_columns()) to.features.push_back(column.name());
    to.join_key_map = MapOf(projection.join_key_map());
  }
  service.tags = MapOf(proto.spec().tags());
  service.description = proto.spec().description();
  service.owner = proto.spec().owner();
  service.precompute_online = proto.spec().precompute_online();
  service.created_us = MicrosOf(proto.meta().created_timestamp());
  service.last_updated_us = MicrosOf(proto.meta().last_updated_timestamp());
  return service;
}

// What all four kinds of view share.
template <typename Spec, typename Meta>
FeatureView ViewBase(FeatureViewKind kind, const Spec& spec, const Meta& meta) {
  FeatureView view;
  view.kind = kind;
  view.name = spec.name();
  view.project = spec.project();
  for (const std::string& entity : spec.entities()) {
    if (entity != kDummyEntityName) view.entities.push_back(entity);
  }
  for (const FeatureSpecV2& column : spec.entity_columns()) {
    if (column.name() != kDummyJoinKey) view.join_keys.push_back(FieldOf(column));
  }
  view.features = FieldsOf(spec.features());
  view.tags = MapOf(spec.tags());
  view.description = spec.description();
  view.owner = spec.owner();
  view.created_us = MicrosOf(meta.created_timestamp());
  view.last_updated_us = MicrosOf(meta.last_updated_timestamp());
  return view;
}

// What the view declares of its source's columns.
void SetColumnTypes(FeatureView* view) {
  if (!view->batch_source) return;
  DataSource& source = *view->batch_source;
  const auto declare = [&](const std::vector<Field>& fields) {
    for (const Field& field : fields) {
      const auto mapped = std::find_if(source.field_mapping.begin(), source.field_mapping.end(),
                                       [&](const auto& entry) { return entry.second == field.name; });
      const bool is_mapped = mapped != source.field_mapping.end();
      if (field.type != ValueType::kInvalid)
        source.column_types[is_mapped ? mapped->first : field.name] = field.type;
    }
  };
  declare(view->join_keys);
  declare(view->features);
}

// The batch source of the spec, or the one behind its stream source.
template <typename Spec>
void SetSources(const Spec& spec, FeatureView* view) {
  if (spec.has_stream_source()) view->stream_source = DataSourceOf(spec.stream_source());
  if (spec.has_batch_source()) {
    view->batch_source = DataSourceOf(spec.batch_source());
  } else if (view->stream_source && view->stream_source->batch_source) {
    view->batch_source = *view->stream_source->batch_source;
  }
  SetColumnTypes(view);
}

template <typename Spec>
void SetAggregations(const Spec& spec, FeatureView* view) {
  for (const auto& aggregation : spec.aggregations())
    view->aggregations.push_back(AggregationOf(aggregation));
}

void SetMaterialized(const feast::core::FeatureViewMeta& meta, FeatureView* view) {
  for (const auto& interval : meta.materialization_intervals()) {
    view->materialized.push_back({MicrosOf(interval.start_time()), MicrosOf(interval.end_time())});
  }
  view->materialized = NormalizeIntervals(std::move(view->materialized));
  view->state = static_cast<FeatureViewState>(meta.state());
  view->version_number = meta.current_version_number();
}

FeatureView ViewOf(const feast::core::FeatureView& proto) {
  FeatureView view = ViewBase(FeatureViewKind::kFeature, proto.spec(), proto.meta());
  view.ttl_us = MicrosOf(proto.spec().ttl());
  view.online = proto.spec().online();
  view.enabled = !proto.spec().disabled();
  for (const auto& source : proto.spec().source_views()) view.source_views.push_back(source.name());
  if (proto.spec().mode() == "sql")
    view.sql = proto.spec().feature_transformation().user_defined_function().body_text();
  view.has_transformation = proto.spec().has_feature_transformation() && view.sql.empty();
  SetSources(proto.spec(), &view);
  SetAggregations(proto.spec(), &view);
  SetMaterialized(proto.meta(), &view);
  return view;
}

FeatureView ViewOf(const feast::core::StreamFeatureView& proto) {
  FeatureView view = ViewBase(FeatureViewKind::kStream, proto.spec(), proto.meta());
  view.ttl_us = MicrosOf(proto.spec().ttl());
  view.online = proto.spec().online();
  view.enabled = !proto.spec().disabled();
  view.has_transformation =
      proto.spec().has_feature_transformation() || proto.spec().has_user_defined_function();
  SetSources(proto.spec(), &view);
  SetAggregations(proto.spec(), &view);
  SetMaterialized(proto.meta(), &view);
  return view;
}

FeatureView ViewOf(const feast::core::LabelView& proto) {
  FeatureView view = ViewBase(FeatureViewKind::kLabel, proto.spec(), proto.meta());
  view.ttl_us = MicrosOf(proto.spec().ttl());
  view.online = proto.spec().online();
  if (proto.spec().has_source()) {
    view.stream_source = DataSourceOf(proto.spec().source());
    if (view.stream_source->batch_source) view.batch_source = *view.stream_source->batch_source;
  }
  SetColumnTypes(&view);
  return view;
}

FeatureView ViewOf(const feast::core::OnDemandFeatureView& proto) {
  FeatureView view = ViewBase(FeatureViewKind::kOnDemand, proto.spec(), proto.meta());
  view.online = proto.spec().write_to_online_store();
  view.enabled = !proto.spec().disabled();
  view.has_transformation = true;
  view.state = static_cast<FeatureViewState>(proto.meta().state());
  view.version_number = proto.meta().current_version_number();
  return view;
}

using Index = std::map<std::string, size_t, std::less<>>;

template <typename T>
Status AddObject(T object, const char* kind, std::vector<std::shared_ptr<const T>>* list, Index* index) {
  if (!index->emplace(object.name, list->size()).second) {
    return Status::DataLoss(std::string("the registry holds two ") + kind + "s named \"" + object.name +
                            "\". Restore the registry file from a backup.");
  }
  list->push_back(std::make_shared<const T>(std::move(object)));
  return Status::OK();
}

std::vector<std::string> NamesIn(const Index& index) {
  std::vector<std::string> names;
  for (const auto& [name, position] : index) names.push_back(name);
  return names;
}

template <typename T>
Result<std::shared_ptr<const T>> Get(const char* kind, Reason reason, std::string_view name,
                                     const std::string& project,
                                     const std::vector<std::shared_ptr<const T>>& list, const Index& index) {
  if (const auto found = index.find(name); found != index.end()) return list[found->second];
  return Status::NotFound(
      std::string(kind) + " \"" + std::string(name) + "\" is not in project \"" + project + "\"." +
          (index.empty() ? " It has none: run salver apply." : NearestNameHint(name, NamesIn(index))),
      reason);
}

}  // namespace

Result<std::shared_ptr<const RegistrySnapshot>> RegistrySnapshot::Make(
    std::shared_ptr<const feast::core::Registry> registry, std::string project) {
  auto snapshot = std::make_shared<RegistrySnapshot>();
  snapshot->project_ = std::move(project);
  snapshot->proto_ = std::move(registry);
  const feast::core::Registry& proto = *snapshot->proto_;
  const auto mine = [&](const std::string& owner) { return owner == snapshot->project_; };

  for (const auto& entity : proto.entities()) {
    if (!mine(entity.spec().project())) continue;
    SALVER_RETURN_NOT_OK(
        AddObject(EntityOf(entity), "entity", &snapshot->entities_, &snapshot->entity_index_));
  }
  const auto add_views = [&](const auto& views) -> Status {
    for (const auto& view : views) {
      if (!mine(view.spec().project())) continue;
      SALVER_RETURN_NOT_OK(
          AddObject(ViewOf(view), "feature view", &snapshot->views_, &snapshot->view_index_));
    }
    return Status::OK();
  };
  SALVER_RETURN_NOT_OK(add_views(proto.feature_views()));
  SALVER_RETURN_NOT_OK(add_views(proto.stream_feature_views()));
  SALVER_RETURN_NOT_OK(add_views(proto.on_demand_feature_views()));
  SALVER_RETURN_NOT_OK(add_views(proto.label_views()));
  for (const auto& service : proto.feature_services()) {
    if (!mine(service.spec().project())) continue;
    SALVER_RETURN_NOT_OK(
        AddObject(ServiceOf(service), "feature service", &snapshot->services_, &snapshot->service_index_));
  }
  for (const auto& source : proto.data_sources()) {
    if (mine(source.project()))
      snapshot->data_sources_.push_back(std::make_shared<const DataSource>(DataSourceOf(source)));
  }
  for (const auto& view : snapshot->views_) {
    for (const std::string& entity : view->entities) {
      if (snapshot->entity_index_.contains(entity)) continue;
      return Status::DataLoss(
          "feature view \"" + view->name + "\" names entity \"" + entity +
          "\", which is not in the registry. Restore the registry file from a backup, or apply the "
          "repository again.");
    }
  }
  return std::shared_ptr<const RegistrySnapshot>(std::move(snapshot));
}

const std::string& RegistrySnapshot::version_id() const {
  return proto_->version_id();
}

std::shared_ptr<const FeatureView> RegistrySnapshot::FindView(std::string_view name) const {
  const auto found = view_index_.find(name);
  return found == view_index_.end() ? nullptr : views_[found->second];
}

Result<std::shared_ptr<const FeatureView>> RegistrySnapshot::GetView(std::string_view name) const {
  return Get("feature view", Reason::kViewNotFound, name, project_, views_, view_index_);
}

Result<std::shared_ptr<const FeatureService>> RegistrySnapshot::GetService(std::string_view name) const {
  return Get("feature service", Reason::kServiceNotFound, name, project_, services_, service_index_);
}

Result<std::shared_ptr<const Entity>> RegistrySnapshot::GetEntity(std::string_view name) const {
  return Get("entity", Reason::kObjectNotFound, name, project_, entities_, entity_index_);
}

}  // namespace salver
