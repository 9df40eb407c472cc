#include "groups/group_proto.h"

#include <algorithm>

#include "model/proto_time.h"

namespace salver {
namespace {

using GroupProto = feast::core::FeatureGroup;

void SetColumn(const FeatureSchema& feature, GroupProto::GroupFeature* to) {
  to->set_name(feature.name);
  to->set_data_type(DataTypeName(feature.data_type));
  to->set_feature_type(FeatureTypeName(feature.feature_type));
  to->set_description(feature.description);
  to->set_required(!feature.nullable);
  to->mutable_metadata()->insert(feature.metadata.begin(), feature.metadata.end());
}

Result<FeatureSchema> ColumnOf(const GroupProto::GroupFeature& proto) {
  FeatureSchema feature;
  feature.name = proto.name();
  SALVER_ASSIGN(feature.data_type, DataTypeNamed(proto.data_type()));
  SALVER_ASSIGN(feature.feature_type, FeatureTypeNamed(proto.feature_type()));
  feature.description = proto.description();
  feature.nullable = !proto.required();
  feature.metadata = {proto.metadata().begin(), proto.metadata().end()};
  return feature;
}

Status SetField(const FeatureSchema& feature, feast::core::FeatureSpecV2* to) {
  SALVER_ASSIGN(const Field field, FieldOf(feature));
  to->set_name(field.name);
  to->set_value_type(static_cast<feast::types::ValueType::Enum>(field.type));
  to->set_description(field.description);
  to->mutable_tags()->insert(field.tags.begin(), field.tags.end());
  return Status::OK();
}

void SetSource(const FeatureGroup& group, const std::string& project, feast::core::DataSource* source) {
  source->set_name(ViewNameOf(group.schema.name, group.schema.version));
  source->set_project(project);
  source->set_type(feast::core::DataSource::BATCH_FILE);
  source->set_data_source_class_type("feast.infra.offline_stores.file_source.FileSource");
  source->set_timestamp_field(group.schema.timestamp_key.empty() ? kNoTimestampKey
                                                                 : group.schema.timestamp_key);
  source->set_description(group.schema.description);
  auto* options = source->mutable_file_options();
  // A virtual group has no file; its name keeps it apart from other sources.
  options->set_uri(group.is_virtual ? "sql:" + source->name() : group.path);
  if (group.format == "delta") {
    options->mutable_file_format()->mutable_delta_format();
  } else {
    options->mutable_file_format()->mutable_parquet_format();
  }
}

}  // namespace

std::string ViewNameOf(std::string_view group, int version) {
  return std::string(group) + "_v" + std::to_string(version);
}

Result<feast::core::FeatureView> ViewOf(const FeatureGroup& group, const std::string& project) {
  feast::core::FeatureView view;
  auto* spec = view.mutable_spec();
  const FeatureGroupSchema& schema = group.schema;
  spec->set_name(ViewNameOf(schema.name, schema.version));
  spec->set_project(project);
  spec->set_description(schema.description);
  spec->mutable_tags()->insert(schema.tags.begin(), schema.tags.end());
  spec->mutable_ttl();  // zero: any age
  GroupProto* own = spec->mutable_group();
  own->set_name(schema.name);
  own->set_version(schema.version);
  own->set_timestamp_key(schema.timestamp_key);
  for (const FeatureSchema& key : schema.entity_keys) {
    SALVER_RETURN_NOT_OK(SetField(key, spec->add_entity_columns()));
    SetColumn(key, own->add_entity_keys());
  }
  for (const FeatureSchema& feature : schema.features) {
    SALVER_RETURN_NOT_OK(SetField(feature, spec->add_features()));
    SetColumn(feature, own->add_features());
    if (const auto sql = group.sql.find(feature.name); sql != group.sql.end())
      own->mutable_features(own->features_size() - 1)->set_sql(sql->second);
  }
  SetSource(group, project, spec->mutable_batch_source());
  if (group.is_virtual) {
    own->mutable_sql();
  } else {
    own->mutable_table()->set_path(group.path);
    own->mutable_table()->set_format(group.format);
  }
  return view;
}

Result<FeatureGroup> GroupOf(const feast::core::FeatureView& view) {
  const GroupProto& own = view.spec().group();
  FeatureGroup group;
  FeatureGroupSchema& schema = group.schema;
  schema.name = own.name();
  schema.version = own.version();
  schema.timestamp_key = own.timestamp_key();
  schema.description = view.spec().description();
  schema.tags = {view.spec().tags().begin(), view.spec().tags().end()};
  for (const auto& key : own.entity_keys()) {
    SALVER_ASSIGN(auto column, ColumnOf(key));
    schema.entity_keys.push_back(std::move(column));
  }
  for (const auto& feature : own.features()) {
    SALVER_ASSIGN(auto column, ColumnOf(feature));
    if (!feature.sql().empty()) group.sql[column.name] = feature.sql();
    schema.features.push_back(std::move(column));
  }
  group.is_virtual = own.has_sql();
  group.path = own.table().path();
  group.format = own.table().format();
  group.view = view.spec().name();
  group.created_us = MicrosOf(view.meta().created_timestamp());
  group.last_updated_us =
      own.has_last_written() ? MicrosOf(own.last_written()) : MicrosOf(view.meta().last_updated_timestamp());
  return group;
}

}  // namespace salver
