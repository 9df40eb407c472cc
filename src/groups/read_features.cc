#include "groups/read_features.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/compute/cast.h>
#include <arrow/datum.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <algorithm>

#include "base/arrow_status.h"
#include "base/nearest.h"
#include "engine/local_engine.h"
#include "feast/core/Registry.pb.h"
#include "groups/group_proto.h"
#include "kernel/columns.h"
#include "retrieval/historical.h"
#include "salver/log.h"
#include "salver/offline_store.h"
#include "source/table_reader.h"

namespace salver {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;

constexpr char kEventTimestamp[] = "event_timestamp";

// Rows of feature groups by the name of their source.
class RowsInMemory final : public OfflineStore {
 public:
  void Add(const std::string& source, TablePtr rows) { tables_[source] = std::move(rows); }

  Result<std::shared_ptr<arrow::Schema>> ReadSchema(const DataSource& source) override {
    SALVER_ASSIGN(const TablePtr rows, Find(source));
    return rows->schema();
  }
  Result<std::unique_ptr<SourceReader>> Open(const DataSource& source, const SourceNeeds&) override {
    SALVER_ASSIGN(const TablePtr rows, Find(source));
    return NewTableReader(rows, source.timestamp_field);
  }
  Status Append(const DataSource& source, const arrow::Table&) override { return Unimplemented(source.name); }
  Result<TablePtr> Query(const std::string& sql) override { return Unimplemented(sql); }

 private:
  Result<TablePtr> Find(const DataSource& source) const {
    const auto found = tables_.find(source.name);
    if (found != tables_.end()) return found->second;
    return Status::Internal("rows of \"" + source.name + "\" were not read");
  }
  static Status Unimplemented(const std::string& what) {
    return Status::Unimplemented("\"" + what + "\": rows in memory are read only");
  }

  std::map<std::string, TablePtr> tables_;
};

struct AskedFeature {
  const FeatureGroup* group = nullptr;
  const FeatureSchema* feature = nullptr;
};

const FeatureSchema* FindFeature(const FeatureGroup& group, const std::string& name) {
  for (const FeatureSchema& feature : group.schema.features) {
    if (feature.name == name) return &feature;
  }
  return nullptr;
}

// A feature alone: the one group that has it, in its newest version.
Result<AskedFeature> FindAlone(const std::vector<FeatureGroup>& groups, const std::string& name,
                               bool is_virtual) {
  AskedFeature asked;
  std::vector<std::string> all, owners;
  for (size_t i = 0; i < groups.size(); ++i) {
    const bool newest = i + 1 == groups.size() || groups[i + 1].schema.name != groups[i].schema.name;
    if (!newest || groups[i].is_virtual != is_virtual) continue;
    for (const FeatureSchema& feature : groups[i].schema.features) all.push_back(feature.name);
    const FeatureSchema* feature = FindFeature(groups[i], name);
    if (feature == nullptr) continue;
    owners.push_back("\"" + groups[i].schema.name + ":" + name + "\"");
    asked = {&groups[i], feature};
  }
  if (owners.size() == 1) return asked;
  if (owners.empty()) {
    return Status::NotFound("no feature group has a feature \"" + name + "\"." + NearestNameHint(name, all),
                            Reason::kFeatureNotFound);
  }
  std::string list;
  for (const std::string& owner : owners) list += (list.empty() ? "" : ", ") + owner;
  return Status::InvalidArgument(
      "feature \"" + name + "\" is in several feature groups. Ask for one of " + list + ".",
      Reason::kBadFeatureReference);
}

Result<AskedFeature> Resolve(const std::vector<FeatureGroup>& groups, const std::string& name,
                             bool is_virtual) {
  if (name.find(':') == std::string::npos && name.find('@') == std::string::npos)
    return FindAlone(groups, name, is_virtual);
  SALVER_ASSIGN(const FeatureGroupRef ref, ParseFeatureGroupRef(name));
  SALVER_ASSIGN(const FeatureGroup* group, FindGroup(groups, ref.group, ref.version));
  if (group->is_virtual != is_virtual) {
    return Status::FailedPrecondition("feature group \"" + ref.group + "\" is " +
                                          (is_virtual ? "a table: read it with a MaterializedFeatureStore."
                                                      : "virtual: read it with a VirtualizedFeatureStore."),
                                      Reason::kMetadata);
  }
  if (const FeatureSchema* feature = FindFeature(*group, ref.feature); feature != nullptr)
    return AskedFeature{group, feature};
  std::vector<std::string> names;
  for (const FeatureSchema& feature : group->schema.features) names.push_back(feature.name);
  return Status::NotFound("feature \"" + ref.feature + "\" is not in feature group \"" + ref.group +
                              "\" version " + std::to_string(group->schema.version) + "." +
                              NearestNameHint(ref.feature, names),
                          Reason::kFeatureNotFound);
}

// The rows to answer: entity_ids with a column of their moments.
class EntityRows {
 public:
  static Result<EntityRows> Make(const FeatureGroupRequest& request, int64_t now_us) {
    EntityRows rows;
    if (request.entity_ids == nullptr)
      return Status::InvalidArgument("no entity ids were given.", Reason::kMissingColumns);
    rows.table_ = request.entity_ids;
    const auto times = rows.table_->GetColumnByName(kEventTimestamp);
    if (times != nullptr && request.point_in_time) {
      return Status::InvalidArgument(
          "the entity ids have a column \"event_timestamp\", and a point in time was given too. Give one of "
          "them.",
          Reason::kBadTimeRange);
    }
    if (times != nullptr) {
      SALVER_ASSIGN(const auto cast, CastTimeColumn(*times, "entity column \"event_timestamp\""));
      for (int64_t i = 0; i < cast->length(); ++i) {
        const auto& micros = static_cast<const arrow::TimestampArray&>(*cast);
        if (micros.IsValid(i)) rows.max_us_ = std::max(rows.max_us_, micros.Value(i));
      }
      return rows;
    }
    rows.added_ = true;
    rows.max_us_ = request.point_in_time.value_or(now_us);
    const auto type = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    SALVER_ASSIGN(const auto column,
                  FromArrow(arrow::MakeArrayFromScalar(arrow::TimestampScalar(rows.max_us_, type),
                                                       rows.table_->num_rows()),
                            "the point in time"));
    SALVER_ASSIGN(rows.table_, FromArrow(rows.table_->AddColumn(
                                             rows.table_->num_columns(), arrow::field(kEventTimestamp, type),
                                             std::make_shared<arrow::ChunkedArray>(column)),
                                         "entity ids"));
    return rows;
  }

  const TablePtr& table() const { return table_; }
  int64_t max_us() const { return max_us_; }
  bool added() const { return added_; }

  // The key columns of a group, of their stored types.
  Result<TablePtr> KeysOf(const FeatureGroup& group) const {
    arrow::FieldVector fields;
    std::vector<std::shared_ptr<arrow::Array>> columns;
    for (const FeatureSchema& key : group.schema.entity_keys) {
      const auto column = table_->GetColumnByName(key.name);
      if (column == nullptr) {
        return Status::InvalidArgument("the entity ids have no column \"" + key.name +
                                           "\", a key of feature group \"" + group.schema.name + "\"." +
                                           NearestNameHint(key.name, table_->schema()->field_names()),
                                       Reason::kMissingColumns);
      }
      SALVER_ASSIGN(const Field field, FieldOf(key));
      SALVER_ASSIGN(auto cast, CastKeyColumn(*column, field, "entity column \"" + key.name + "\"",
                                             "feature group \"" + group.schema.name + "\" has " +
                                                 DataTypeName(key.data_type) + " keys"));
      fields.push_back(arrow::field(key.name, cast->type()));
      columns.push_back(std::move(cast));
    }
    return arrow::Table::Make(arrow::schema(std::move(fields)), columns, table_->num_rows());
  }

 private:
  TablePtr table_;
  bool added_ = false;  // the column of moments
  int64_t max_us_ = INT64_MIN;
};

// A request against the registry: what was asked, in order, and what each group has to give for it.
struct Asked {
  std::shared_ptr<const GroupCatalog> catalog;
  std::vector<AskedFeature> features;
  std::vector<GroupNeeds> needs;  // in the order in which groups were first asked for
  EntityRows entities;

  GroupNeeds* NeedsOf(const FeatureGroup* group) {
    for (GroupNeeds& one : needs) {
      if (one.group == group) return &one;
    }
    return &needs.emplace_back(GroupNeeds{.group = group});
  }
};

Result<Asked> Ask(GroupRegistry* registry, const FeatureGroupRequest& request, bool is_virtual) {
  Asked asked;
  SALVER_ASSIGN(asked.catalog, registry->Catalog());
  if (request.names.empty())
    return Status::InvalidArgument("no features were asked for. Name at least one: \"group:feature\".",
                                   Reason::kNoFeatures);
  for (const std::string& name : request.names) {
    SALVER_ASSIGN(const AskedFeature one, Resolve(asked.catalog->groups, name, is_virtual));
    asked.features.push_back(one);
    auto& features = asked.NeedsOf(one.group)->features;
    if (std::find(features.begin(), features.end(), one.feature->name) == features.end())
      features.push_back(one.feature->name);
  }
  SALVER_ASSIGN(asked.entities, EntityRows::Make(request, registry->context().clock->NowMicros()));
  for (GroupNeeds& needs : asked.needs) {
    SALVER_ASSIGN(needs.keys, asked.entities.KeysOf(*needs.group));
    SALVER_ASSIGN(needs.columns, StoredColumns(*needs.group, needs.features));
    needs.max_event_us = asked.entities.max_us();
  }
  return asked;
}

// Rows of feature groups as a registry and an offline store of their own, a view a part: the engine reads
// them as it reads any view.
class PartViews {
 public:
  explicit PartViews(std::string project) : project_(std::move(project)) {}

  void Add(const GroupCatalog& catalog, const FeatureGroup& group, FeatureRows part) {
    const std::string name = "part" + std::to_string(registry_->feature_views_size());
    for (const auto& view : catalog.registry->feature_views()) {
      if (view.spec().name() != group.view || view.spec().project() != project_) continue;
      auto* spec = registry_->add_feature_views()->mutable_spec();
      *spec = view.spec();
      spec->clear_entities();  // the join keys say it all
      spec->set_name(name);
      spec->mutable_batch_source()->set_name(name);
      spec->mutable_batch_source()->mutable_file_options()->set_uri(name);
    }
    for (const std::string& feature : part.features) references_[{&group, feature}] = name + ":" + feature;
    offline_->Add(name, std::move(part.rows));
  }

  std::string ReferenceTo(const AskedFeature& one) const {
    return references_.at({one.group, one.feature->name});
  }

  // With columns called "part0__feature".
  Result<TablePtr> Join(HistoricalRequest request) const {
    request.full_feature_names = true;
    SALVER_ASSIGN(auto snapshot, RegistrySnapshot::Make(registry_, project_));
    SALVER_ASSIGN(const auto job, PlanHistoricalFeatures(std::move(snapshot), request,
                                                         {.offline = offline_, .engine = NewLocalEngine()}));
    return job->Run();
  }

 private:
  const std::string project_;
  std::shared_ptr<feast::core::Registry> registry_ = std::make_shared<feast::core::Registry>();
  std::shared_ptr<RowsInMemory> offline_ = std::make_shared<RowsInMemory>();
  std::map<std::pair<const FeatureGroup*, std::string>, std::string> references_;
};

// What each feature is called in the answer. Errors: kNameCollision.
Result<std::vector<std::string>> AnswerNames(const Asked& asked, bool full_feature_names) {
  std::vector<std::string> names, taken = asked.entities.table()->schema()->field_names();
  for (const AskedFeature& one : asked.features) {
    std::string name =
        full_feature_names ? one.group->schema.name + "__" + one.feature->name : one.feature->name;
    if (std::find(taken.begin(), taken.end(), name) != taken.end()) {
      return Status::InvalidArgument(
          "two columns of the answer would be called \"" + name + "\"." +
              (full_feature_names ? " Ask for it once." : " Ask for full feature names, or for it once."),
          Reason::kNameCollision);
    }
    taken.push_back(name);
    names.push_back(std::move(name));
  }
  return names;
}

// Names as they were asked for; dates, which are moments in the model, as dates; and no column of moments if
// the caller had none.
Result<TablePtr> Finish(const TablePtr& joined, const Asked& asked, const std::vector<std::string>& names) {
  TablePtr answer = joined;
  const int first = asked.entities.table()->num_columns();
  for (size_t i = 0; i < asked.features.size(); ++i) {
    const int position = first + static_cast<int>(i);
    std::shared_ptr<arrow::ChunkedArray> column = joined->column(position);
    if (asked.features[i].feature->data_type == DataType::kDate) {
      SALVER_ASSIGN(const auto dates, FromArrow(arrow::compute::Cast(arrow::Datum(column), arrow::date32()),
                                                "feature \"" + names[i] + "\""));
      column = dates.chunked_array();
    }
    SALVER_ASSIGN(
        answer,
        FromArrow(answer->SetColumn(position, arrow::field(names[i], column->type()), column), "the answer"));
  }
  if (!asked.entities.added()) return answer;
  return FromArrow(answer->RemoveColumn(first - 1), "the answer");
}

Result<TablePtr> Read(GroupRegistry* registry, const FeatureGroupRequest& request, bool is_virtual,
                      const RowsOfGroup& rows_of, LogLine* line) {
  SALVER_ASSIGN(const Asked asked, Ask(registry, request, is_virtual));
  SALVER_ASSIGN(const auto names, AnswerNames(asked, request.full_feature_names));
  PartViews views(registry->context().project);
  std::string groups;
  for (const GroupNeeds& needs : asked.needs) {
    groups += (groups.empty() ? "" : ",") + needs.group->view;
    SALVER_ASSIGN(auto parts, rows_of(needs));
    for (FeatureRows& part : parts) views.Add(*asked.catalog, *needs.group, std::move(part));
  }
  line->Add("groups", groups);
  HistoricalRequest historical{.entities = asked.entities.table()};
  for (const AskedFeature& one : asked.features) historical.features.push_back(views.ReferenceTo(one));
  SALVER_ASSIGN(const auto joined, views.Join(std::move(historical)));
  return Finish(joined, asked, names);
}

}  // namespace

Result<std::shared_ptr<arrow::Schema>> StoredColumns(const FeatureGroup& group,
                                                     const std::vector<std::string>& features) {
  arrow::FieldVector fields;
  const auto add = [&fields](const FeatureSchema& column) -> Status {
    SALVER_ASSIGN(const Field field, FieldOf(column));
    fields.push_back(arrow::field(column.name, ArrowType(field.type, field.struct_schema())));
    return Status::OK();
  };
  for (const FeatureSchema& key : group.schema.entity_keys) SALVER_RETURN_NOT_OK(add(key));
  const std::string& time = group.schema.timestamp_key;
  SALVER_RETURN_NOT_OK(
      add({.name = time.empty() ? kNoTimestampKey : time, .data_type = DataType::kTimestamp}));
  for (const FeatureSchema& feature : group.schema.features) {
    if (std::find(features.begin(), features.end(), feature.name) != features.end())
      SALVER_RETURN_NOT_OK(add(feature));
  }
  return arrow::schema(std::move(fields));
}

Result<AskedGroups> ResolveRequest(GroupRegistry* registry, const FeatureGroupRequest& request,
                                   bool is_virtual) {
  SALVER_ASSIGN(Asked asked, Ask(registry, request, is_virtual));
  return AskedGroups{std::move(asked.catalog), std::move(asked.needs)};
}

Result<TablePtr> ReadFeatures(GroupRegistry* registry, const FeatureGroupRequest& request, bool is_virtual,
                              const RowsOfGroup& rows_of) {
  return Logged(LogRoom::kGroups, "get_features", [&](LogLine* line) {
    line->Add("features", static_cast<int64_t>(request.names.size()));
    if (request.entity_ids != nullptr) line->Add("rows", request.entity_ids->num_rows());
    return Read(registry, request, is_virtual, rows_of, line);
  });
}

}  // namespace salver
