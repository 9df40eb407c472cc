#include "registry/saved_datasets.h"

#include "base/nearest.h"
#include "feast/core/Registry.pb.h"
#include "model/data_source_message.h"
#include "model/proto_time.h"

namespace salver {
namespace {

using Message = feast::core::SavedDataset;

SavedDataset DatasetOf(const Message& message) {
  SavedDataset dataset;
  dataset.name = message.spec().name();
  feast::core::DataSource storage;  // the storage's options are those of a source
  storage.set_name(dataset.name);
  storage.set_timestamp_field("event_timestamp");
  if (message.spec().storage().has_file_storage()) {
    storage.set_type(feast::core::DataSource::BATCH_FILE);
    *storage.mutable_file_options() = message.spec().storage().file_storage();
  }
  dataset.storage = DataSourceOf(storage);
  dataset.tags = {message.spec().tags().begin(), message.spec().tags().end()};
  dataset.feature_service = message.spec().feature_service_name();
  dataset.features = {message.spec().features().begin(), message.spec().features().end()};
  dataset.join_keys = {message.spec().join_keys().begin(), message.spec().join_keys().end()};
  dataset.full_feature_names = message.spec().full_feature_names();
  dataset.min_event_us = MicrosOf(message.meta().min_event_timestamp());
  dataset.max_event_us = MicrosOf(message.meta().max_event_timestamp());
  dataset.created_us = MicrosOf(message.meta().created_timestamp());
  dataset.last_updated_us = MicrosOf(message.meta().last_updated_timestamp());
  return dataset;
}

int IndexOf(const feast::core::Registry& registry, const std::string& project, const std::string& name) {
  for (int i = 0; i < registry.saved_datasets_size(); ++i) {
    const auto& spec = registry.saved_datasets(i).spec();
    if (spec.project() == project && spec.name() == name) return i;
  }
  return -1;
}

Status NoDataset(const feast::core::Registry& registry, const std::string& project, const std::string& name) {
  std::vector<std::string> names;
  for (const SavedDataset& dataset : SavedDatasets(registry, project)) names.push_back(dataset.name);
  return Status::NotFound("saved dataset \"" + name + "\" is not in project \"" + project + "\"." +
                              (names.empty() ? " It has none." : NearestNameHint(name, names)),
                          Reason::kObjectNotFound);
}

}  // namespace

std::vector<SavedDataset> SavedDatasets(const feast::core::Registry& registry, const std::string& project) {
  std::vector<SavedDataset> datasets;
  for (const Message& message : registry.saved_datasets()) {
    if (message.spec().project() == project) datasets.push_back(DatasetOf(message));
  }
  return datasets;
}

Result<SavedDataset> FindSavedDataset(const feast::core::Registry& registry, const std::string& project,
                                      const std::string& name) {
  const int index = IndexOf(registry, project, name);
  if (index < 0) return NoDataset(registry, project, name);
  return DatasetOf(registry.saved_datasets(index));
}

void PutSavedDataset(const SavedDataset& dataset, const std::string& project, int64_t now_us,
                     feast::core::Registry* registry) {
  const int index = IndexOf(*registry, project, dataset.name);
  Message* message = index < 0 ? registry->add_saved_datasets() : registry->mutable_saved_datasets(index);
  auto* spec = message->mutable_spec();
  spec->Clear();
  spec->set_name(dataset.name);
  spec->set_project(project);
  for (const std::string& feature : dataset.features) spec->add_features(feature);
  for (const std::string& key : dataset.join_keys) spec->add_join_keys(key);
  spec->set_full_feature_names(dataset.full_feature_names);
  spec->mutable_tags()->insert(dataset.tags.begin(), dataset.tags.end());
  spec->set_feature_service_name(dataset.feature_service);
  *spec->mutable_storage()->mutable_file_storage() = FileOptionsOf(dataset.storage);
  auto* meta = message->mutable_meta();
  if (index < 0) SetMicros(now_us, meta->mutable_created_timestamp());
  SetMicros(now_us, meta->mutable_last_updated_timestamp());
  SetMicros(dataset.min_event_us, meta->mutable_min_event_timestamp());
  SetMicros(dataset.max_event_us, meta->mutable_max_event_timestamp());
}

Status RemoveSavedDataset(const std::string& project, const std::string& name,
                          feast::core::Registry* registry) {
  const int index = IndexOf(*registry, project, name);
  if (index < 0) return NoDataset(*registry, project, name);
  registry->mutable_saved_datasets()->DeleteSubrange(index, 1);
  return Status::OK();
}

}  // namespace salver
