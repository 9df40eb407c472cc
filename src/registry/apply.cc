#include "registry/apply.h"

#include <google/protobuf/message.h>
#include <google/protobuf/util/message_differencer.h>

#include <set>

#include "model/intervals.h"
#include "model/proto_time.h"
#include "registry/file_registry.h"

namespace salver {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::RepeatedPtrField;
using google::protobuf::util::MessageDifferencer;

// Removes what is no definition: times and pickled bodies, at any depth.
void StripState(Message* message) {
  const auto* descriptor = message->GetDescriptor();
  const auto* reflection = message->GetReflection();
  if (const auto* body = descriptor->FindFieldByName("body");
      body != nullptr && descriptor->FindFieldByName("body_text") != nullptr) {
    reflection->ClearField(message, body);
  }
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor* field = descriptor->field(i);
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (field->name() == "meta") {
      reflection->ClearField(message, field);
    } else if (field->is_repeated()) {
      for (int j = 0; j < reflection->FieldSize(*message, field); ++j)
        StripState(reflection->MutableRepeatedMessage(message, field, j));
    } else if (reflection->HasField(*message, field)) {
      StripState(reflection->MutableMessage(message, field));
    }
  }
}

template <typename T>
bool SameDefinition(const T& a, const T& b) {
  T left = a, right = b;
  StripState(&left);
  StripState(&right);
  return MessageDifferencer::Equals(left, right);
}

std::string FieldText(const Message& message, const FieldDescriptor* field) {
  const auto* reflection = message.GetReflection();
  if (!field->is_repeated() && field->has_presence() && !reflection->HasField(message, field)) return "";
  std::unique_ptr<Message> only(message.New());
  if (field->is_repeated()) {
    if (reflection->FieldSize(message, field) == 0) return "";
  }
  only->CopyFrom(message);
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    if (message.GetDescriptor()->field(i) != field)
      reflection->ClearField(only.get(), message.GetDescriptor()->field(i));
  }
  std::string text = only->ShortDebugString();
  const std::string prefix = field->name() + ": ";
  return text.starts_with(prefix) && !field->is_repeated() ? text.substr(prefix.size()) : text;
}

// The fields of the definition (or of its spec) that differ.
std::vector<ObjectChange::Property> Differences(Message* before, Message* after) {
  StripState(before);
  StripState(after);
  const Message *left = before, *right = after;
  if (const auto* spec = before->GetDescriptor()->FindFieldByName("spec")) {
    left = &before->GetReflection()->GetMessage(*before, spec);
    right = &after->GetReflection()->GetMessage(*after, spec);
  }
  std::vector<ObjectChange::Property> properties;
  for (int i = 0; i < left->GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = left->GetDescriptor()->field(i);
    std::string a = FieldText(*left, field), b = FieldText(*right, field);
    if (a != b) properties.push_back({field->name(), std::move(a), std::move(b)});
  }
  return properties;
}

template <typename Specs>
std::map<std::string, int> TypesOf(const Specs& specs) {
  std::map<std::string, int> types;
  for (const auto& spec : specs) types[spec.name()] = spec.value_type();
  return types;
}

// What a changed view means for the rows that are stored.
template <typename Spec>
std::string StoredDataNote(const Spec& before, const Spec& after) {
  const auto old_keys = TypesOf(before.entity_columns()), new_keys = TypesOf(after.entity_columns());
  if (old_keys != new_keys)
    return "the join keys changed: stored rows can not be found any more; materialize the view again";
  const auto old_types = TypesOf(before.features()), new_types = TypesOf(after.features());
  std::string added, retyped, removed;
  for (const auto& [name, type] : new_types) {
    const auto old = old_types.find(name);
    if (old == old_types.end()) {
      added += (added.empty() ? "" : ", ") + name;
    } else if (old->second != type) {
      retyped += (retyped.empty() ? "" : ", ") + name;
    }
  }
  for (const auto& [name, type] : old_types) {
    if (!new_types.contains(name)) removed += (removed.empty() ? "" : ", ") + name;
  }
  std::string note;
  const auto say = [&note](const std::string& text) { note += (note.empty() ? "" : "; ") + text; };
  if (!added.empty()) say(added + " is null in stored rows until they are materialized again");
  if (!retyped.empty())
    say(retyped + " is null in stored rows until they are materialized with the new type");
  if (!removed.empty()) say(removed + " is no longer served");
  return note;
}

template <typename Spec>
bool SchemaChanged(const Spec& before, const Spec& after) {
  return TypesOf(before.features()) != TypesOf(after.features()) ||
         TypesOf(before.entity_columns()) != TypesOf(after.entity_columns());
}

class Applier {
 public:
  Applier(const ApplyRules& rules, feast::core::Registry* registry) : rules_(rules), registry_(registry) {}

  template <typename T, typename Name, typename Project, typename OnWrite>
  void Objects(const char* type, const RepeatedPtrField<T>& wanted, RepeatedPtrField<T>* have, Name name,
               Project project, bool shown, OnWrite on_write) {
    std::set<std::string> names;
    for (const T& object : wanted) {
      names.insert(name(object));
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
        T before = *stored, after = object;
        change.properties = Differences(&before, &after);
      }
      SetTimes(stored, &next);
      on_write(stored, &next, &change);
      if (stored != nullptr) {
        *stored = std::move(next);
      } else {
        *have->Add() = std::move(next);
      }
      if (shown) report_.changes.push_back(std::move(change));
    }
    if (rules_.partial) return;
    for (int i = have->size() - 1; i >= 0; --i) {
      if (project((*have)[i]) != rules_.project || names.contains(name((*have)[i]))) continue;
      if (shown) {
        const bool stores =
            std::string_view(type).ends_with("feature view") || std::string_view(type) == "label view";
        report_.changes.push_back({ObjectChange::Kind::kDeleted,
                                   type,
                                   name((*have)[i]),
                                   {},
                                   stores ? "its stored rows are dropped" : ""});
      }
      have->DeleteSubrange(i, 1);
    }
  }

  template <typename T, typename OnWrite>
  void Specs(const char* type, const RepeatedPtrField<T>& wanted, RepeatedPtrField<T>* have,
             OnWrite on_write) {
    Objects(
        type, wanted, have, [](const T& o) { return o.spec().name(); },
        [](const T& o) { return o.spec().project(); }, true, on_write);
  }

  // A new version of the view in the history: number 0 at first, the next when its schema changes.
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

  ApplyReport Take() { return std::move(report_); }

 private:
  // Creation time is kept, last update is now; nested data sources get theirs too.
  template <typename T>
  void SetTimes(const T* stored, T* next) {
    if constexpr (requires { next->mutable_meta()->mutable_created_timestamp(); }) {
      if (stored != nullptr) *next->mutable_meta() = stored->meta();
      if (stored == nullptr) SetMicros(rules_.now_us, next->mutable_meta()->mutable_created_timestamp());
      SetMicros(rules_.now_us, next->mutable_meta()->mutable_last_updated_timestamp());
    }
    StampSources(next);
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
      if (auto* source = google::protobuf::DynamicCastToGenerated<feast::core::DataSource>(child)) {
        SetMicros(rules_.now_us, source->mutable_meta()->mutable_created_timestamp());
        SetMicros(rules_.now_us, source->mutable_meta()->mutable_last_updated_timestamp());
      }
      StampSources(child);
    }
  }

  const ApplyRules& rules_;
  feast::core::Registry* const registry_;
  ApplyReport report_;
};

void SetInfra(const ApplyRules& rules, feast::core::Registry* registry, ApplyReport* report) {
  if (rules.sqlite_path.empty()) return;
  std::set<std::string> wanted;
  const auto add = [&](const auto& views) {
    for (const auto& view : views) {
      if (view.spec().project() == rules.project && view.spec().online())
        wanted.insert(rules.project + "_" + view.spec().name());
    }
  };
  add(registry->feature_views());
  add(registry->stream_feature_views());
  add(registry->label_views());
  auto* objects = registry->mutable_infra()->mutable_infra_objects();
  for (int i = objects->size() - 1; i >= 0; --i) {
    const auto& table = (*objects)[i].sqlite_table();
    if (table.path() != rules.sqlite_path || !table.name().starts_with(rules.project + "_")) continue;
    if (wanted.erase(table.name()) > 0) continue;
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

void AddDummyEntity(const ApplyRules& rules, feast::core::Registry* registry) {
  for (const auto& entity : registry->entities()) {
    if (entity.spec().name() == kDummyEntityName && entity.spec().project() == rules.project) return;
  }
  auto* entity = registry->add_entities();
  entity->mutable_spec()->set_name(std::string(kDummyEntityName));
  entity->mutable_spec()->set_join_key(std::string(kDummyJoinKey));
  entity->mutable_spec()->set_project(rules.project);
  SetMicros(rules.now_us, entity->mutable_meta()->mutable_created_timestamp());
  SetMicros(rules.now_us, entity->mutable_meta()->mutable_last_updated_timestamp());
}

}  // namespace

ApplyReport ApplyDefinitions(const Definitions& definitions, const ApplyRules& rules,
                             feast::core::Registry* registry) {
  const feast::core::Registry& wanted = definitions.registry;
  Applier applier(rules, registry);
  const auto nothing = [](auto*, auto*, auto*) {};
  // The project itself: made when the definitions have none.
  RepeatedPtrField<feast::core::Project> projects = wanted.projects();
  const auto has_project = [&](const auto& list) {
    return std::any_of(list.begin(), list.end(),
                       [&](const auto& p) { return p.spec().name() == rules.project; });
  };
  if (projects.empty() && !has_project(registry->projects()))
    projects.Add()->mutable_spec()->set_name(rules.project);
  ApplyRules keep = rules;  // projects are never deleted by apply
  keep.partial = true;
  Applier project_applier(keep, registry);
  project_applier.Objects(
      "project", projects, registry->mutable_projects(), [](const auto& p) { return p.spec().name(); },
      [&](const auto&) { return rules.project; }, true, nothing);

  RepeatedPtrField<feast::core::Entity> entities = wanted.entities();
  AddDummyEntity(rules, registry);
  for (const auto& entity : registry->entities()) {  // the stand-in stays
    if (entity.spec().name() == kDummyEntityName && entity.spec().project() == rules.project)
      *entities.Add() = entity;
  }
  applier.Specs("entity", entities, registry->mutable_entities(), nothing);
  applier.Objects(
      "data source", wanted.data_sources(), registry->mutable_data_sources(),
      [](const auto& s) { return s.name(); }, [](const auto& s) { return s.project(); }, true, nothing);
  const auto versioned = [&](const char* kind) {
    return [&, kind](const auto* stored, auto* next, ObjectChange* change) {
      if (stored == nullptr) {
        applier.AddVersion(kind, *next, 0);
        return;
      }
      change->stored_data = StoredDataNote(stored->spec(), next->spec());
      if (!SchemaChanged(stored->spec(), next->spec())) return;
      if constexpr (requires { next->mutable_meta()->set_current_version_number(1); }) {
        const int number = stored->meta().current_version_number() + 1;
        next->mutable_meta()->set_current_version_number(number);
        applier.AddVersion(kind, *next, number);
      }
    };
  };
  applier.Specs("feature view", wanted.feature_views(), registry->mutable_feature_views(),
                versioned("feature_view"));
  applier.Specs("stream feature view", wanted.stream_feature_views(),
                registry->mutable_stream_feature_views(), versioned("stream_feature_view"));
  applier.Specs("on demand feature view", wanted.on_demand_feature_views(),
                registry->mutable_on_demand_feature_views(), versioned("on_demand_feature_view"));
  applier.Specs("label view", wanted.label_views(), registry->mutable_label_views(), versioned("label_view"));
  applier.Specs("feature service", wanted.feature_services(), registry->mutable_feature_services(), nothing);
  applier.Specs("permission", wanted.permissions(), registry->mutable_permissions(), nothing);

  ApplyReport report = project_applier.Take();
  ApplyReport rest = applier.Take();
  report.changes.insert(report.changes.end(), rest.changes.begin(), rest.changes.end());
  SetInfra(rules, registry, &report);
  return report;
}

Status RecordInterval(const std::string& project, const std::string& view, TimeInterval interval,
                      int64_t rows_written, int64_t now_us, feast::core::Registry* registry) {
  const auto record = [&](auto* views) {
    for (auto& candidate : *views) {
      if (candidate.spec().name() != view || candidate.spec().project() != project) continue;
      auto* meta = candidate.mutable_meta();
      std::vector<TimeInterval> intervals = {interval};
      int64_t rows = rows_written;
      for (const auto& have : meta->materialization_intervals()) {
        intervals.push_back({MicrosOf(have.start_time()), MicrosOf(have.end_time())});
        rows += have.rows_written();
      }
      meta->clear_materialization_intervals();
      for (const TimeInterval& joined : NormalizeIntervals(std::move(intervals))) {
        auto* to = meta->add_materialization_intervals();
        SetMicros(joined.start_us, to->mutable_start_time());
        SetMicros(joined.end_us, to->mutable_end_time());
      }
      // The count belongs to all of it: an interval that was joined has no count of its own any more.
      meta->mutable_materialization_intervals(meta->materialization_intervals_size() - 1)
          ->set_rows_written(rows);
      meta->set_state(feast::core::AVAILABLE_ONLINE);
      SetMicros(now_us, meta->mutable_last_updated_timestamp());
      return true;
    }
    return false;
  };
  if (record(registry->mutable_feature_views()) || record(registry->mutable_stream_feature_views()))
    return Status::OK();
  return Status::NotFound("feature view \"" + view + "\" was removed from project \"" + project +
                              "\" while it was materialized. Its interval was not recorded.",
                          Reason::kViewNotFound);
}

}  // namespace salver
