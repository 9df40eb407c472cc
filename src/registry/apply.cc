#include "registry/apply.h"

#include <google/protobuf/message.h>

#include <algorithm>
#include <set>

#include "model/proto_time.h"
#include "registry/difference.h"
#include "registry/file_registry.h"

namespace salver {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::RepeatedPtrField;

class Applier {
 public:
  Applier(const ApplyRules& rules, const Definitions& definitions, feast::core::Registry* registry)
      : rules_(rules), kept_(definitions.kept), registry_(registry) {
    for (const auto& source : registry->data_sources()) {
      if (source.project() == rules.project)
        source_created_[source.name()] = source.meta().created_timestamp();
    }
    for (const auto& view : registry->feature_views()) {
      if (view.spec().project() != rules.project || !view.spec().has_group()) continue;
      of_groups_.insert("feature_view:" + view.spec().name());
      for (const std::string& entity : view.spec().entities()) of_groups_.insert("entity:" + entity);
    }
  }

  // Makes the objects of the project in `have` those in `wanted`. type: for people; kind: as in locations.
  // on_write(stored or null, next, change) is called for what is new or changed, before it is stored.
  template <typename T, typename Name, typename Project, typename OnWrite>
  void Objects(const char* type, const char* kind, const RepeatedPtrField<T>& wanted,
               RepeatedPtrField<T>* have, Name name, Project project, bool remove, OnWrite on_write) {
    std::set<std::string> names;
    for (const T& object : wanted) {
      names.insert(name(object));
      if (kept_.contains(std::string(kind) + ":" + name(object))) continue;
      T* stored = nullptr;
      for (T& candidate : *have) {
        if (name(candidate) == name(object) && project(candidate) == rules_.project) stored = &candidate;
      }
      if (stored != nullptr && SameDefinition(*stored, object)) continue;
      ObjectChange change{stored == nullptr ? ObjectChange::Kind::kCreated : ObjectChange::Kind::kUpdated,
                          type,
                          name(object),
                          {},
                          ""};
      T next = object;
      if (stored != nullptr) {
        change.properties = DifferencesOf(*stored, object);
        KeepBodies(*stored, &next);
      }
      SetTimes(stored, &next);
      on_write(stored, &next, &change);
      if (stored != nullptr) {
        *stored = std::move(next);
      } else {
        *have->Add() = std::move(next);
      }
      report_.changes.push_back(std::move(change));
    }
    if (remove) Remove(type, kind, names, have, name, project);
  }

  template <typename T, typename OnWrite>
  void Specs(const char* type, const char* kind, const RepeatedPtrField<T>& wanted, RepeatedPtrField<T>* have,
             OnWrite on_write) {
    Objects(
        type, kind, wanted, have, [](const T& o) { return o.spec().name(); },
        [](const T& o) { return o.spec().project(); }, true, on_write);
  }

  template <typename T>
  void Specs(const char* type, const char* kind, const RepeatedPtrField<T>& wanted,
             RepeatedPtrField<T>* have) {
    Specs(type, kind, wanted, have, [](const T*, T*, ObjectChange*) {});
  }

  // As Specs, and keeps the history of versions: number 0 at first, the next when schema or function change.
  template <typename T>
  void Views(const char* type, const char* kind, const RepeatedPtrField<T>& wanted,
             RepeatedPtrField<T>* have) {
    Specs(type, kind, wanted, have, [this, kind](const T* stored, T* next, ObjectChange* change) {
      if (stored == nullptr) return AddVersion(kind, *next, 0);
      change->stored_data = StoredDataNote(stored->spec(), next->spec());
      if (!NeedsNewVersion(stored->spec(), next->spec())) return;
      if (LastVersion(next->spec().name()) < 0) AddVersion(kind, *stored, 0);  // registered by an older Feast
      const int number = LastVersion(next->spec().name()) + 1;
      if constexpr (requires { next->mutable_meta()->set_current_version_number(1); })
        next->mutable_meta()->set_current_version_number(number);
      AddVersion(kind, *next, number);
    });
  }

  ApplyReport Take() { return std::move(report_); }

 private:
  template <typename T, typename Name, typename Project>
  void Remove(const std::string& type, const std::string& kind, const std::set<std::string>& names,
              RepeatedPtrField<T>* have, Name name, Project project) {
    const bool stores = type.ends_with("feature view") || type == "label view";
    const auto stays = [&](const std::string& one) {
      return names.contains(one) || of_groups_.contains(kind + ":" + one) ||
             (rules_.partial && !rules_.deletes.contains(kind + ":" + one));
    };
    for (int i = 0; i < have->size();) {
      if (project((*have)[i]) != rules_.project || stays(name((*have)[i]))) {
        ++i;
        continue;
      }
      report_.changes.push_back({ObjectChange::Kind::kDeleted,
                                 type,
                                 name((*have)[i]),
                                 {},
                                 stores ? "its stored rows are dropped" : ""});
      if (stores) ForgetVersions(name((*have)[i]));
      have->DeleteSubrange(i, 1);
    }
  }

  void ForgetVersions(const std::string& view) {
    if (!registry_->has_feature_view_version_history()) return;
    auto* records = registry_->mutable_feature_view_version_history()->mutable_records();
    records->erase(std::remove_if(records->begin(), records->end(),
                                  [&](const auto& record) {
                                    return record.feature_view_name() == view &&
                                           record.project_id() == rules_.project;
                                  }),
                   records->end());
  }

  template <typename T>
  void AddVersion(const char* kind, const T& view, int number) {
    auto* record = registry_->mutable_feature_view_version_history()->add_records();
    record->set_feature_view_name(view.spec().name());
    record->set_project_id(rules_.project);
    record->set_version_number(number);
    record->set_feature_view_type(kind);
    record->set_feature_view_proto(view.SerializeAsString());
    SetMicros(rules_.now_us, record->mutable_created_timestamp());
    record->set_version_id(NewVersionId());
  }

  // -1: the view has no history.
  int LastVersion(const std::string& view) const {
    int last = -1;
    for (const auto& record : registry_->feature_view_version_history().records()) {
      if (record.feature_view_name() == view && record.project_id() == rules_.project)
        last = std::max(last, record.version_number());
    }
    return last;
  }

  // Creation time is kept, last update is now; nested data sources get theirs too.
  template <typename T>
  void SetTimes(const T* stored, T* next) {
    if constexpr (std::is_same_v<T, feast::core::DataSource>) {
      StampSource(next);
    } else {
      if (stored != nullptr) *next->mutable_meta() = stored->meta();
      if (stored == nullptr) SetMicros(rules_.now_us, next->mutable_meta()->mutable_created_timestamp());
      SetMicros(rules_.now_us, next->mutable_meta()->mutable_last_updated_timestamp());
    }
    StampSources(next);
  }

  // A data source was created when the registered one of its name was.
  void StampSource(feast::core::DataSource* source) {
    const auto created = source_created_.find(source->name());
    if (created != source_created_.end()) {
      *source->mutable_meta()->mutable_created_timestamp() = created->second;
    } else {
      SetMicros(rules_.now_us, source->mutable_meta()->mutable_created_timestamp());
    }
    SetMicros(rules_.now_us, source->mutable_meta()->mutable_last_updated_timestamp());
  }

  // Every data source inside `message`.
  void StampSources(Message* message) {
    const auto* reflection = message->GetReflection();
    std::vector<const FieldDescriptor*> fields;
    reflection->ListFields(*message, &fields);
    for (const FieldDescriptor* field : fields) {
      if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
      if (field->is_repeated()) {
        for (int i = 0; i < reflection->FieldSize(*message, field); ++i)
          StampSources(reflection->MutableRepeatedMessage(message, field, i));
        continue;
      }
      Message* child = reflection->MutableMessage(message, field);
      if (auto* source = google::protobuf::DynamicCastToGenerated<feast::core::DataSource>(child))
        StampSource(source);
      StampSources(child);
    }
  }

  const ApplyRules& rules_;
  const std::set<std::string>& kept_;
  feast::core::Registry* const registry_;
  std::map<std::string, google::protobuf::Timestamp> source_created_;
  std::set<std::string> of_groups_;  // "kind:name" of what feature groups registered, which no definition has
  ApplyReport report_;
};

// Feast's list of the tables that its sqlite store has, in the order of the views.
void SetInfra(const ApplyRules& rules, feast::core::Registry* registry, ApplyReport* report) {
  if (rules.sqlite_path.empty()) return;
  std::vector<std::string> wanted;
  const auto add = [&](const auto& views) {
    for (const auto& view : views) {
      if (view.spec().project() == rules.project && view.spec().online())
        wanted.push_back(rules.project + "_" + view.spec().name());
    }
  };
  add(registry->feature_views());
  add(registry->stream_feature_views());
  add(registry->label_views());
  auto* objects = registry->mutable_infra()->mutable_infra_objects();
  for (int i = 0; i < objects->size();) {
    const auto& table = (*objects)[i].sqlite_table();
    const bool mine = table.path() == rules.sqlite_path && table.name().starts_with(rules.project + "_");
    const auto found = std::find(wanted.begin(), wanted.end(), table.name());
    if (!mine || found != wanted.end()) {
      if (mine) wanted.erase(found);
      ++i;
      continue;
    }
    report->infra.push_back("Deleted sqlite table " + table.name());
    objects->DeleteSubrange(i, 1);
  }
  for (const std::string& name : wanted) {
    auto* object = objects->Add();
    object->set_infra_object_class_type("feast.infra.online_stores.sqlite.SqliteTable");
    object->mutable_sqlite_table()->set_path(rules.sqlite_path);
    object->mutable_sqlite_table()->set_name(name);
    report->infra.push_back("Created sqlite table " + name);
  }
}

// Feast's stand-in for "no entity", which every project has.
feast::core::Entity DummyEntity(const ApplyRules& rules) {
  feast::core::Entity entity;
  entity.mutable_spec()->set_name(std::string(kDummyEntityName));
  entity.mutable_spec()->set_join_key(std::string(kDummyJoinKey));
  entity.mutable_spec()->set_project(rules.project);
  return entity;
}

// The project itself: made when neither definitions nor registry have it.
RepeatedPtrField<feast::core::Project> ProjectsOf(const Definitions& definitions, const ApplyRules& rules,
                                                  const feast::core::Registry& registry) {
  RepeatedPtrField<feast::core::Project> projects = definitions.registry.projects();
  const bool registered = std::any_of(registry.projects().begin(), registry.projects().end(),
                                      [&](const auto& p) { return p.spec().name() == rules.project; });
  if (projects.empty() && !registered) projects.Add()->mutable_spec()->set_name(rules.project);
  return projects;
}

}  // namespace

ApplyReport ApplyDefinitions(const Definitions& definitions, const ApplyRules& rules,
                             feast::core::Registry* registry) {
  const feast::core::Registry& wanted = definitions.registry;
  Applier applier(rules, definitions, registry);
  const auto project_name = [&](const auto&) { return rules.project; };
  applier.Objects(
      "project", "project", ProjectsOf(definitions, rules, *registry), registry->mutable_projects(),
      [](const auto& p) { return p.spec().name(); }, project_name, false, [](auto*, auto*, auto*) {});
  applier.Objects(
      "data source", "data_source", wanted.data_sources(), registry->mutable_data_sources(),
      [](const auto& s) { return s.name(); }, [](const auto& s) { return s.project(); }, true,
      [](auto*, auto*, auto*) {});
  RepeatedPtrField<feast::core::Entity> entities = wanted.entities();
  *entities.Add() = DummyEntity(rules);
  applier.Specs("entity", "entity", entities, registry->mutable_entities());
  applier.Views("feature view", "feature_view", wanted.feature_views(), registry->mutable_feature_views());
  applier.Views("stream feature view", "stream_feature_view", wanted.stream_feature_views(),
                registry->mutable_stream_feature_views());
  applier.Views("on demand feature view", "on_demand_feature_view", wanted.on_demand_feature_views(),
                registry->mutable_on_demand_feature_views());
  applier.Views("label view", "label_view", wanted.label_views(), registry->mutable_label_views());
  applier.Specs("feature service", "feature_service", wanted.feature_services(),
                registry->mutable_feature_services());
  applier.Specs("permission", "permission", wanted.permissions(), registry->mutable_permissions());

  ApplyReport report = applier.Take();
  std::erase_if(report.changes, [](const ObjectChange& change) { return change.name == kDummyEntityName; });
  SetInfra(rules, registry, &report);
  return report;
}

}  // namespace salver
