#include "salver/feature_store_metadata.h"

#include <algorithm>
#include <charconv>
#include <mutex>

#include "base/nearest.h"
#include "feast/core/Registry.pb.h"
#include "groups/group_proto.h"
#include "groups/group_registry.h"
#include "groups/lineage.h"
#include "model/proto_time.h"
#include "registry/difference.h"
#include "registry/file_registry.h"
#include "salver/log.h"
#include "store/repo_config.h"

namespace salver {
namespace {

using RegistryProto = feast::core::Registry;
using ViewProto = feast::core::FeatureView;

std::string Described(const FeatureGroupSchema& schema) {
  return "feature group \"" + schema.name + "\" version " + std::to_string(schema.version);
}

ViewProto* FindView(RegistryProto* registry, const std::string& project, const std::string& name) {
  for (auto& view : *registry->mutable_feature_views()) {
    if (view.spec().project() == project && view.spec().name() == name) return &view;
  }
  return nullptr;
}

// True when a view of any kind has the name.
bool HasView(const RegistryProto& registry, const std::string& project, const std::string& name) {
  const auto has = [&](const auto& views) {
    return std::any_of(views.begin(), views.end(), [&](const auto& view) {
      return view.spec().project() == project && view.spec().name() == name;
    });
  };
  return has(registry.feature_views()) || has(registry.stream_feature_views()) ||
         has(registry.on_demand_feature_views()) || has(registry.label_views());
}

// One version into the registry message: the checks that need the registry, and the edit.
class Registration {
 public:
  Registration(const FeatureGroup& group, const GroupContext& context, RegistryProto* registry)
      : group_(group), schema_(group.schema), context_(context), registry_(registry) {}

  // False: it is there already, as it is.
  Result<bool> Run() {
    SALVER_ASSIGN(ViewProto view, ViewOf(group_, context_.project));
    SALVER_ASSIGN(const auto groups, GroupsIn(*registry_, context_.project));
    const auto same_name = [&](const FeatureGroup& other) { return other.schema.name == schema_.name; };
    const FeatureGroup *same = nullptr, *newest = nullptr;
    for (const FeatureGroup& other : groups) {
      if (!same_name(other)) continue;
      newest = &other;
      if (other.schema.version == schema_.version) same = &other;
    }
    if (newest != nullptr) SALVER_RETURN_NOT_OK(CheckAgainst(*newest, same));
    if (same == nullptr && HasView(*registry_, context_.project, view.spec().name())) {
      return Refused("its feature view would be called \"" + view.spec().name() + "\", but project \"" +
                     context_.project + "\" has one of that name. Rename one of them.");
    }
    SALVER_RETURN_NOT_OK(AddEntities(&view));
    Commit(&view, newest);
    return changed_;
  }

 private:
  Status Refused(const std::string& why) const {
    return Status::FailedPrecondition(Described(schema_) + ": " + why, Reason::kMetadata);
  }

  Status CheckAgainst(const FeatureGroup& newest, const FeatureGroup* same) const {
    if (same == nullptr && schema_.version < newest.schema.version) {
      return Refused("there is a version " + std::to_string(newest.schema.version) +
                     " already, and a new version comes after it. Call it version " +
                     std::to_string(newest.schema.version + 1) + ".");
    }
    if (same == nullptr) return Status::OK();
    std::vector<std::string> breaking = BreakingChanges(same->schema, schema_);
    if (same->is_virtual != group_.is_virtual)
      breaking.push_back(same->is_virtual ? "it is virtual and becomes a table"
                                          : "it is a table and becomes virtual");
    for (const auto& [feature, sql] : same->sql) {
      const auto now = group_.sql.find(feature);
      if (now != group_.sql.end() && now->second != sql)
        breaking.push_back("feature \"" + feature + "\": its SQL changes, and its values with it");
    }
    if (!same->is_virtual && !group_.is_virtual &&
        (same->path != group_.path || same->format != group_.format))
      breaking.push_back("its table moves from \"" + same->path + "\" (" + same->format + ") to \"" +
                         group_.path + "\" (" + group_.format + ")");
    if (breaking.empty()) return Status::OK();
    std::string text = "this would break what uses it. Register it as version " +
                       std::to_string(newest.schema.version + 1) + " instead; version " +
                       std::to_string(schema_.version) + " stays beside it.";
    for (const std::string& change : breaking) text += "\n  " + change + ".";
    return Refused(text);
  }

  // The entity of each key: the project's own that joins on the column, or a new one of the column's name.
  Status AddEntities(ViewProto* view) {
    for (const auto& column : view->spec().entity_columns()) {
      const feast::core::Entity* found = nullptr;
      for (const auto& entity : registry_->entities()) {
        if (entity.spec().project() != context_.project) continue;
        if (entity.spec().join_key() == column.name()) found = &entity;
        if (entity.spec().name() != column.name() || entity.spec().join_key() == column.name()) continue;
        return Refused("its key \"" + column.name() + "\" is the name of an entity that joins on \"" +
                       entity.spec().join_key() + "\". Rename one of them.");
      }
      if (found == nullptr) found = AddEntity(column);
      view->mutable_spec()->add_entities(found->spec().name());
    }
    return Status::OK();
  }

  const feast::core::Entity* AddEntity(const feast::core::FeatureSpecV2& column) {
    auto* entity = registry_->add_entities();
    entity->mutable_spec()->set_name(column.name());
    entity->mutable_spec()->set_join_key(column.name());
    entity->mutable_spec()->set_project(context_.project);
    entity->mutable_spec()->set_value_type(column.value_type());
    entity->mutable_spec()->set_description(column.description());
    SetMicros(context_.clock->NowMicros(), entity->mutable_meta()->mutable_created_timestamp());
    SetMicros(context_.clock->NowMicros(), entity->mutable_meta()->mutable_last_updated_timestamp());
    return entity;
  }

  void Commit(ViewProto* view, const FeatureGroup* newest) {
    ViewProto* stored = FindView(registry_, context_.project, view->spec().name());
    auto* own = view->mutable_spec()->mutable_group();
    const ViewProto* before = stored != nullptr   ? stored
                              : newest != nullptr ? FindView(registry_, context_.project, newest->view)
                                                  : nullptr;
    if (before != nullptr) KeepLineage(before->spec().group(), own);
    if (stored != nullptr && stored->spec().group().has_last_written())
      *own->mutable_last_written() = stored->spec().group().last_written();
    changed_ = stored == nullptr || !SameDefinition(*stored, *view);
    if (!changed_) return;
    const int64_t now = context_.clock->NowMicros();
    if (stored != nullptr) {
      *view->mutable_meta() = stored->meta();
    } else {
      SetMicros(now, view->mutable_meta()->mutable_created_timestamp());
    }
    SetMicros(now, view->mutable_meta()->mutable_last_updated_timestamp());
    if (stored == nullptr) stored = registry_->add_feature_views();
    *stored = std::move(*view);
    EnsureProject();
  }

  // What was said of the group and of the features that it still has.
  void KeepLineage(const feast::core::FeatureGroup& before, feast::core::FeatureGroup* own) const {
    for (const auto& lineage : before.lineage()) {
      const size_t colon = lineage.node().find(':');
      const std::string feature = colon == std::string::npos ? "" : lineage.node().substr(colon + 1);
      const bool stays = feature.empty() || std::any_of(schema_.features.begin(), schema_.features.end(),
                                                        [&](const auto& f) { return f.name == feature; });
      if (stays) *own->add_lineage() = lineage;
    }
  }

  void EnsureProject() const {
    for (const auto& project : registry_->projects()) {
      if (project.spec().name() == context_.project) return;
    }
    auto* project = registry_->add_projects();
    project->mutable_spec()->set_name(context_.project);
    SetMicros(context_.clock->NowMicros(), project->mutable_meta()->mutable_created_timestamp());
    SetMicros(context_.clock->NowMicros(), project->mutable_meta()->mutable_last_updated_timestamp());
  }

  const FeatureGroup& group_;
  const FeatureGroupSchema& schema_;
  const GroupContext& context_;
  RegistryProto* const registry_;
  bool changed_ = false;
};

class RegistryMetadata final : public GroupRegistry {
 public:
  explicit RegistryMetadata(GroupContext context) : context_(std::move(context)) {}

  const GroupContext& context() const override { return context_; }

  Result<std::shared_ptr<const GroupCatalog>> Catalog() override {
    auto catalog = LoadCatalog();
    if (!catalog.ok()) return WithReason(catalog.status(), Reason::kFeatureRegistry);
    return catalog;
  }

  Result<FeatureGroup> Register(const FeatureGroup& group) override {
    return Logged(LogRoom::kGroups, "register_feature_group", [&](LogLine* line) {
      line->Add("group", group.schema.name);
      line->Add("version", group.schema.version);
      line->Add("features", static_cast<int64_t>(group.schema.features.size()));
      return DoRegister(group);
    });
  }

  Result<FeatureGroup> Get(const std::string& name, int version) override {
    SALVER_ASSIGN(const auto catalog, Catalog());
    SALVER_ASSIGN(const FeatureGroup* group, FindGroup(catalog->groups, name, version));
    return *group;
  }

  Result<std::vector<FeatureGroup>> ListFeatureGroups(bool all_versions) override {
    SALVER_ASSIGN(const auto catalog, Catalog());
    if (all_versions) return catalog->groups;
    std::vector<FeatureGroup> newest;
    for (const FeatureGroup& group : catalog->groups) {
      if (!newest.empty() && newest.back().schema.name == group.schema.name) newest.pop_back();
      newest.push_back(group);
    }
    return newest;
  }

  Result<std::vector<RegisteredFeature>> ListFeatures(const std::string& group) override {
    std::vector<FeatureGroup> groups;
    if (group.empty()) {
      SALVER_ASSIGN(groups, ListFeatureGroups(false));
    } else {
      SALVER_ASSIGN(const auto ref, ParseFeatureGroupRef(group));
      SALVER_ASSIGN(auto one, Get(ref.group, ref.version));
      groups.push_back(std::move(one));
    }
    std::vector<RegisteredFeature> features;
    for (const FeatureGroup& one : groups) {
      for (const FeatureSchema& feature : one.schema.features)
        features.push_back({one.schema.name, one.schema.version, feature});
    }
    return features;
  }

  Status SetLineage(const std::string& node, const std::vector<std::string>& inputs) override {
    return Logged(LogRoom::kGroups, "set_lineage", [&](LogLine* line) {
      line->Add("node", node);
      line->Add("inputs", static_cast<int64_t>(inputs.size()));
      return Update([&](RegistryProto* registry) { return EditLineage(node, inputs, registry); });
    });
  }

  Result<FeatureLineage> GetLineage(const std::string& node) override {
    SALVER_ASSIGN(const auto catalog, Catalog());
    SALVER_ASSIGN(const auto graph, GraphOf(*catalog->registry));
    FeatureLineage lineage{graph.Inputs(node), graph.AllInputs(node), graph.Dependents(node),
                           graph.AllDependents(node)};
    if (lineage.all_inputs.empty() && lineage.all_dependents.empty()) {
      // Nothing known: a typing mistake is told from a group that nothing was said of.
      SALVER_RETURN_NOT_OK(CheckNode(catalog->groups, node));
    }
    return lineage;
  }

  Result<int64_t> GetLastUpdated(const std::string& name) override {
    SALVER_ASSIGN(const auto ref, ParseFeatureGroupRef(name));
    SALVER_ASSIGN(const FeatureGroup group, Get(ref.group, ref.version));
    if (group.is_virtual) return group.last_updated_us;
    // A process that was killed after its rows were there and before it said so here.
    SALVER_ASSIGN(const TableFacts facts, TableOf(group, context_, nullptr)->Facts());
    return std::max(group.last_updated_us, facts.committed_us);
  }

  Status RecordWrite(const std::string& name, int version) override {
    const int64_t now = context_.clock->NowMicros();
    return Update([&](RegistryProto* registry) {
      ViewProto* view = FindView(registry, context_.project, ViewNameOf(name, version));
      if (view != nullptr) SetMicros(now, view->mutable_spec()->mutable_group()->mutable_last_written());
      return Status::OK();
    });
  }

  HealthReport CheckHealth() override {
    HealthReport report;
    std::vector<FeatureGroup> groups;
    Add(&report, "registry", context_.project, [&]() -> Result<std::string> {
      SALVER_ASSIGN(const auto catalog, Catalog());
      groups = catalog->groups;
      return std::to_string(groups.size()) + " versions of feature groups";
    });
    for (const FeatureGroup& group : groups) {
      if (group.is_virtual) continue;
      Add(&report, "table", group.view, [&] { return TableOf(group, context_, nullptr)->Check(); });
    }
    Add(&report, "lineage", context_.project, [&]() -> Result<std::string> { return CheckLineage(); });
    return report;
  }

 private:
  template <typename Look>
  static void Add(HealthReport* report, const char* name, const std::string& subject, Look look) {
    const Stopwatch watch;
    const Result<std::string> found = look();
    report->checks.push_back(
        {name, subject, found.ok(), found.ok() ? *found : found.status().message(), watch.micros()});
  }

  Result<std::shared_ptr<const GroupCatalog>> LoadCatalog() {
    SALVER_ASSIGN(auto registry, context_.registry->Load());
    std::lock_guard lock(mutex_);
    if (catalog_ != nullptr && catalog_->registry == registry) return catalog_;
    auto catalog = std::make_shared<GroupCatalog>();
    SALVER_ASSIGN(catalog->groups, GroupsIn(*registry, context_.project));
    catalog->registry = std::move(registry);
    catalog_ = std::move(catalog);
    return catalog_;
  }

  // Errors of `change` come back as they are, those of the registry with their own reason.
  Status Update(const std::function<Status(RegistryProto*)>& change) {
    Status refused;
    const auto updated =
        context_.registry->Update([&](RegistryProto* registry) { return refused = change(registry); });
    if (!refused.ok() || updated.ok()) return refused;
    return WithReason(updated.status(), Reason::kFeatureRegistry);
  }

  Result<FeatureGroup> DoRegister(const FeatureGroup& group) {
    SALVER_RETURN_NOT_OK(CheckSchema(group.schema));
    // What is there already costs no new version of the registry.
    SALVER_ASSIGN(const auto now, Catalog());
    RegistryProto trial = *now->registry;
    SALVER_ASSIGN(const bool changed, Registration(group, context_, &trial).Run());
    if (changed) {
      SALVER_RETURN_NOT_OK(Update(
          [&](RegistryProto* registry) { return Registration(group, context_, registry).Run().status(); }));
    }
    return Get(group.schema.name, group.schema.version);
  }

  // A node that claims to be a group or one of its features has to be one.
  static Status CheckNode(const std::vector<FeatureGroup>& groups, const std::string& node) {
    SALVER_ASSIGN(const auto ref, ParseFeatureGroupRef(node));
    SALVER_ASSIGN(const FeatureGroup* group, FindGroup(groups, ref.group, ref.version));
    if (ref.feature.empty()) return Status::OK();
    std::vector<std::string> names;
    for (const FeatureSchema& feature : group->schema.features) names.push_back(feature.name);
    if (std::find(names.begin(), names.end(), ref.feature) != names.end()) return Status::OK();
    return Status::NotFound("feature \"" + ref.feature + "\" is not in " + Described(group->schema) + "." +
                                NearestNameHint(ref.feature, names),
                            Reason::kFeatureNotFound);
  }

  Result<LineageGraph> GraphOf(const RegistryProto& registry) const {
    LineageGraph graph;
    SALVER_ASSIGN(const auto groups, GroupsIn(registry, context_.project));
    // By version: the newest comes last and is what counts.
    for (const FeatureGroup& group : groups) {
      for (const auto& view : registry.feature_views()) {
        if (view.spec().project() != context_.project || view.spec().name() != group.view) continue;
        for (const auto& lineage : view.spec().group().lineage())
          graph.Set(lineage.node(), {lineage.inputs().begin(), lineage.inputs().end()});
      }
    }
    return graph;
  }

  Status EditLineage(const std::string& node, const std::vector<std::string>& inputs,
                     RegistryProto* registry) const {
    SALVER_ASSIGN(const auto groups, GroupsIn(*registry, context_.project));
    SALVER_RETURN_NOT_OK(CheckNode(groups, node));
    for (const std::string& input : inputs) {
      // "group:feature" of a group that is here: the feature has to be there too.
      const auto ref = ParseFeatureGroupRef(input);
      if (ref.ok() && FindGroup(groups, ref->group, 0).ok()) SALVER_RETURN_NOT_OK(CheckNode(groups, input));
    }
    SALVER_ASSIGN(LineageGraph graph, GraphOf(*registry));
    graph.Set(node, inputs);
    if (const std::string cycle = graph.CycleThrough(node); !cycle.empty()) {
      return Status::InvalidArgument(
          "lineage of \"" + node + "\": nothing can be made from itself, but this would be " + cycle + ".",
          Reason::kMetadata);
    }
    SALVER_ASSIGN(const auto ref, ParseFeatureGroupRef(node));
    SALVER_ASSIGN(const FeatureGroup* group, FindGroup(groups, ref.group, ref.version));
    auto* own = FindView(registry, context_.project, group->view)->mutable_spec()->mutable_group();
    for (int i = own->lineage_size(); i-- > 0;) {
      if (own->lineage(i).node() == node) own->mutable_lineage()->DeleteSubrange(i, 1);
    }
    auto* lineage = own->add_lineage();
    lineage->set_node(node);
    for (const std::string& input : inputs) lineage->add_inputs(input);
    return Status::OK();
  }

  Result<std::string> CheckLineage() {
    SALVER_ASSIGN(const auto catalog, Catalog());
    SALVER_ASSIGN(const auto graph, GraphOf(*catalog->registry));
    for (const FeatureGroup& group : catalog->groups) {
      if (const std::string cycle = graph.CycleThrough(group.schema.name); !cycle.empty())
        return Status::FailedPrecondition("a cycle: " + cycle + ". Set one of these anew.",
                                          Reason::kMetadata);
    }
    return std::string("no cycle");
  }

  const GroupContext context_;
  std::mutex mutex_;
  std::shared_ptr<const GroupCatalog> catalog_;
};

}  // namespace

Result<FeatureGroupRef> ParseFeatureGroupRef(std::string_view text) {
  FeatureGroupRef ref;
  const size_t colon = text.find(':');
  std::string_view group = text.substr(0, colon);
  if (colon != std::string_view::npos) ref.feature = text.substr(colon + 1);
  bool good = colon == std::string_view::npos || !ref.feature.empty();
  if (const size_t at = group.find("@v"); at != std::string_view::npos) {
    const std::string_view digits = group.substr(at + 2);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), ref.version);
    good = good && error == std::errc() && end == digits.data() + digits.size() && ref.version > 0;
    group = group.substr(0, at);
  }
  ref.group = group;
  if (good && !ref.group.empty()) return ref;
  return Status::InvalidArgument("\"" + std::string(text) +
                                     "\" names no feature group. Write \"group\", \"group:feature\" or "
                                     "\"group@v1:feature\".",
                                 Reason::kBadFeatureReference);
}

Status WithReason(const Status& status, Reason reason) {
  return status.ok() ? status : Status(status.code(), status.message(), reason);
}

std::shared_ptr<GroupRegistry> NewGroupRegistry(GroupContext context) {
  return std::make_shared<RegistryMetadata>(std::move(context));
}

Result<GroupContext> OpenGroupContext(const std::string& repository) {
  SALVER_ASSIGN(const RepoConfig config, LoadRepoConfig(repository, "", LogLevel::kWarn));
  SALVER_RETURN_NOT_OK(ConfigureLog(config.log));
  GroupContext context{.repository = config.repository, .project = config.project};
  context.registry = NewFileRegistry(context.files, context.clock, config.registry_path);
  return context;
}

std::unique_ptr<FeatureTable> TableOf(const FeatureGroup& group, const GroupContext& context,
                                      TableCache* cache) {
  std::vector<std::string> keys;
  for (const FeatureSchema& key : group.schema.entity_keys) keys.push_back(key.name);
  return NewFeatureTable(group.format, JoinPath(context.repository, group.path), std::move(keys),
                         group.schema.timestamp_key, {context.files, context.clock, cache});
}

Result<const FeatureGroup*> FindGroup(const std::vector<FeatureGroup>& groups, const std::string& name,
                                      int version) {
  const FeatureGroup* found = nullptr;
  std::vector<std::string> names;
  int newest = 0;
  for (const FeatureGroup& group : groups) {
    if (names.empty() || names.back() != group.schema.name) names.push_back(group.schema.name);
    if (group.schema.name != name) continue;
    newest = group.schema.version;
    if (version == 0 || group.schema.version == version) found = &group;
  }
  if (found != nullptr) return found;
  if (newest > 0) {
    return Status::NotFound("feature group \"" + name + "\" has no version " + std::to_string(version) +
                                ". Its newest is " + std::to_string(newest) + ".",
                            Reason::kFeatureGroupNotFound);
  }
  return Status::NotFound("there is no feature group \"" + name + "\"." +
                              (names.empty() ? " Register it first." : NearestNameHint(name, names)),
                          Reason::kFeatureGroupNotFound);
}

Result<std::vector<FeatureGroup>> GroupsIn(const RegistryProto& registry, const std::string& project) {
  std::vector<FeatureGroup> groups;
  for (const auto& view : registry.feature_views()) {
    if (view.spec().project() != project || !view.spec().has_group()) continue;
    SALVER_ASSIGN(auto group, GroupOf(view));
    groups.push_back(std::move(group));
  }
  std::sort(groups.begin(), groups.end(), [](const FeatureGroup& a, const FeatureGroup& b) {
    return std::tie(a.schema.name, a.schema.version) < std::tie(b.schema.name, b.schema.version);
  });
  return groups;
}

Result<std::shared_ptr<FeatureStoreMetadata>> FeatureStoreMetadata::Open(const std::string& repository) {
  SALVER_ASSIGN(auto context, OpenGroupContext(repository));
  return std::shared_ptr<FeatureStoreMetadata>(NewGroupRegistry(std::move(context)));
}

}  // namespace salver
