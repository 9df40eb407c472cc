#include "registry/definitions_yaml.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <filesystem>

#include "base/files.h"
#include "base/nearest.h"

namespace salver {
namespace {

using SourceProto = feast::core::DataSource;

struct TypeNames {
  const char* dtype;
  ValueType type;
};
// Feast's names of types in schemas.
constexpr TypeNames kTypes[] = {
    {"Bytes", ValueType::kBytes},     {"String", ValueType::kString},   {"Bool", ValueType::kBool},
    {"Int32", ValueType::kInt32},     {"Int64", ValueType::kInt64},     {"Float32", ValueType::kFloat},
    {"Float64", ValueType::kDouble},  {"UnixTimestamp", ValueType::kUnixTimestamp},
    {"Map", ValueType::kMap},         {"Json", ValueType::kJson},       {"Uuid", ValueType::kUuid},
    {"TimeUuid", ValueType::kTimeUuid}, {"Decimal", ValueType::kDecimal}, {"ScalarMap", ValueType::kScalarMap},
    {"ZonedTimestamp", ValueType::kZonedTimestamp},
};

ValueType ScalarType(const std::string& dtype) {
  for (const TypeNames& entry : kTypes) {
    if (dtype == entry.dtype) return entry.type;
  }
  return ValueType::kInvalid;
}

// "Float32", "Array(Int64)", "Set(String)"; kInvalid when it is none.
ValueType ParseType(const std::string& dtype) {
  for (const auto& [prefix, suffix] : {std::pair("Array(", "_LIST"), std::pair("Set(", "_SET")}) {
    const std::string start = prefix;
    if (!dtype.starts_with(start) || !dtype.ends_with(")")) continue;
    const ValueType element = ScalarType(dtype.substr(start.size(), dtype.size() - start.size() - 1));
    const auto type = ValueTypeNamed(std::string(ValueTypeName(element)) + suffix);
    return type.ok() ? *type : ValueType::kInvalid;
  }
  return ScalarType(dtype);
}

// "1d", "2h", "30m", "45s", "90" (seconds); -1 when it is no duration.
int64_t ParseSeconds(const std::string& text) {
  size_t at = 0;
  int64_t number = 0;
  for (; at < text.size() && at < 15 && std::isdigit(static_cast<unsigned char>(text[at])); ++at) number = number * 10 + (text[at] - '0');
  if (at == 0) return -1;
  const std::string unit = text.substr(at);
  if (unit.empty() || unit == "s") return number;
  if (unit == "m") return number * 60;
  if (unit == "h") return number * 3600;
  if (unit == "d") return number * 86'400;
  return -1;
}

class YamlReader {
 public:
  YamlReader(std::string file, Definitions* definitions) : file_(std::move(file)), to_(definitions) {}

  void Read(const YAML::Node& root) {
    if (root.IsNull()) return;
    if (!CheckKeys(root, "", {"project", "entities", "sources", "push_sources", "feature_views", "feature_services"})) return;
    if (root["project"]) ReadProject(root["project"]);
    Each(root["entities"], "entities", [&](const YAML::Node& node) { ReadEntity(node); });
    Each(root["sources"], "sources", [&](const YAML::Node& node) { ReadSource(node); });
    Each(root["push_sources"], "push_sources", [&](const YAML::Node& node) { ReadPushSource(node); });
    Each(root["feature_views"], "feature_views", [&](const YAML::Node& node) { ReadView(node); });
    Each(root["feature_services"], "feature_services", [&](const YAML::Node& node) { ReadService(node); });
  }

 private:
  void Bad(const YAML::Node& node, const std::string& message) { to_->problems.push_back({{file_, node.Mark().line + 1}, message}); }

  // False, and problems, when `node` is no mapping or has keys that are not known.
  bool CheckKeys(const YAML::Node& node, const std::string& what, const std::vector<std::string>& known) {
    if (!node.IsMap()) {
      Bad(node, (what.empty() ? "the file" : what) + " is no mapping of keys.");
      return false;
    }
    bool good = true;
    for (const auto& entry : node) {
      const std::string key = entry.first.as<std::string>("");
      if (std::find(known.begin(), known.end(), key) != known.end()) continue;
      Bad(entry.first, "key \"" + key + "\" is not known" + (what.empty() ? "." : " in " + what + ".") + NearestNameHint(key, known));
      good = false;
    }
    return good;
  }

  template <typename Visit>
  void Each(const YAML::Node& list, const char* what, Visit visit) {
    if (!list) return;
    if (!list.IsSequence()) return Bad(list, std::string("\"") + what + "\" is no list. Start each with \"- name: ...\".");
    for (const YAML::Node& node : list) visit(node);
  }

  std::string Text(const YAML::Node& node, const char* key) {
    const YAML::Node value = node[key];
    if (!value) return "";
    if (value.IsScalar()) return value.as<std::string>();
    Bad(value, std::string("\"") + key + "\" is no text.");
    return "";
  }

  // The object's name, and where it is; "" and a problem when it has none.
  std::string Name(const YAML::Node& node, const char* kind) {
    const std::string name = Text(node, "name");
    if (name.empty()) {
      Bad(node, std::string("a ") + kind + " has no name. Give it one.");
    } else {
      to_->locations[std::string(kind) + ":" + name] = {file_, node.Mark().line + 1};
    }
    return name;
  }

  template <typename Proto>
  void Common(const YAML::Node& node, Proto* proto) {
    proto->set_description(Text(node, "description"));
    proto->set_owner(Text(node, "owner"));
    Pairs(node["tags"], proto->mutable_tags());
  }

  template <typename Map>
  void Pairs(const YAML::Node& node, Map* map) {
    if (!node) return;
    if (!node.IsMap()) return Bad(node, "this is no mapping of names to texts.");
    for (const auto& entry : node) (*map)[entry.first.as<std::string>("")] = entry.second.as<std::string>("");
  }

  std::vector<std::string> Names(const YAML::Node& node) {
    std::vector<std::string> names;
    if (!node) return names;
    if (node.IsScalar()) return {node.as<std::string>()};
    if (!node.IsSequence()) {
      Bad(node, "this is no list of names.");
      return names;
    }
    for (const YAML::Node& name : node) names.push_back(name.as<std::string>(""));
    return names;
  }

  void ReadProject(const YAML::Node& node) {
    if (!CheckKeys(node, "project", {"name", "description", "tags", "owner"})) return;
    auto* spec = to_->registry.add_projects()->mutable_spec();
    spec->set_name(Name(node, "project"));
    Common(node, spec);
  }

  void ReadEntity(const YAML::Node& node) {
    if (!CheckKeys(node, "an entity", {"name", "join_keys", "value_type", "description", "tags", "owner"})) return;
    auto* spec = to_->registry.add_entities()->mutable_spec();
    spec->set_name(Name(node, "entity"));
    const auto join_keys = Names(node["join_keys"]);
    if (join_keys.size() > 1) Bad(node["join_keys"], "entity \"" + spec->name() + "\" has several join keys; it can have one. Make an entity for each.");
    spec->set_join_key(join_keys.empty() ? spec->name() : join_keys[0]);
    if (const std::string type = Text(node, "value_type"); !type.empty()) {
      const auto named = ValueTypeNamed(type);
      if (!named.ok()) return Bad(node["value_type"], named.status().message());
      spec->set_value_type(static_cast<feast::types::ValueType::Enum>(*named));
    }
    Common(node, spec);
  }

  void ReadSource(const YAML::Node& node) {
    if (!CheckKeys(node, "a source", {"name", "path", "timestamp_field", "created_timestamp_column", "field_mapping", "description", "tags", "owner"})) return;
    SourceProto* source = to_->registry.add_data_sources();
    source->set_type(SourceProto::BATCH_FILE);
    source->set_data_source_class_type("feast.infra.offline_stores.file_source.FileSource");
    source->set_name(Name(node, "data_source"));
    source->mutable_file_options()->set_uri(Text(node, "path"));
    source->set_timestamp_field(Text(node, "timestamp_field"));
    source->set_created_timestamp_column(Text(node, "created_timestamp_column"));
    Pairs(node["field_mapping"], source->mutable_field_mapping());
    Common(node, source);
  }

  void ReadPushSource(const YAML::Node& node) {
    if (!CheckKeys(node, "a push source", {"name", "batch_source", "description", "tags", "owner"})) return;
    SourceProto source;
    source.set_type(SourceProto::PUSH_SOURCE);
    source.set_data_source_class_type("feast.data_source.PushSource");
    source.set_name(Name(node, "data_source"));
    Common(node, &source);
    if (const SourceProto* batch = FindSource(node["batch_source"], Text(node, "batch_source"))) {
      *source.mutable_batch_source() = *batch;
      source.set_timestamp_field(batch->timestamp_field());
      source.set_created_timestamp_column(batch->created_timestamp_column());
    }
    *to_->registry.add_data_sources() = source;
  }

  const SourceProto* FindSource(const YAML::Node& node, const std::string& name) {
    std::vector<std::string> names;
    for (const SourceProto& source : to_->registry.data_sources()) {
      if (source.name() == name) return &source;
      names.push_back(source.name());
    }
    if (node) Bad(node, "source \"" + name + "\" is not defined above." + NearestNameHint(name, names));
    return nullptr;
  }

  void ReadFeature(const YAML::Node& node, const std::string& view, feast::core::FeatureSpecV2* feature) {
    if (!CheckKeys(node, "a feature", {"name", "dtype", "description", "tags"})) return;
    feature->set_name(Text(node, "name"));
    if (feature->name().empty()) Bad(node, "a feature of \"" + view + "\" has no name. Give it one.");
    feature->set_description(Text(node, "description"));
    Pairs(node["tags"], feature->mutable_tags());
    const std::string dtype = Text(node, "dtype");
    const ValueType type = ParseType(dtype);
    if (type == ValueType::kInvalid) {
      std::vector<std::string> names;
      for (const TypeNames& entry : kTypes) names.emplace_back(entry.dtype);
      return Bad(node, "feature \"" + feature->name() + "\" has dtype \"" + dtype + "\", which is no type." + NearestNameHint(dtype, names));
    }
    feature->set_value_type(static_cast<feast::types::ValueType::Enum>(type));
  }

  void ReadView(const YAML::Node& node) {
    if (!CheckKeys(node, "a feature view", {"name", "entities", "ttl", "schema", "source", "online", "offline", "description", "tags", "owner"})) return;
    auto* spec = to_->registry.add_feature_views()->mutable_spec();
    spec->set_name(Name(node, "feature_view"));
    Common(node, spec);
    for (const std::string& entity : Names(node["entities"])) spec->add_entities(entity);
    const std::string ttl = Text(node, "ttl");
    const int64_t seconds = ttl.empty() ? 0 : ParseSeconds(ttl);
    if (seconds < 0) Bad(node["ttl"], "ttl \"" + ttl + "\" is no duration. Write it as 1d, 2h, 30m or 45s.");
    spec->mutable_ttl()->set_seconds(std::max<int64_t>(seconds, 0));
    spec->set_online(node["online"] ? node["online"].as<bool>(true) : true);
    spec->set_offline(node["offline"] ? node["offline"].as<bool>(false) : false);
    const YAML::Node schema = node["schema"];
    Each(schema, "schema", [&](const YAML::Node& feature) {
      feast::core::FeatureSpecV2 read;
      ReadFeature(feature, spec->name(), &read);
      // A join key in the schema says its type; it is no feature.
      const bool join_key = std::any_of(to_->registry.entities().begin(), to_->registry.entities().end(), [&](const auto& entity) {
        const auto& mine = spec->entities();
        return entity.spec().join_key() == read.name() && std::find(mine.begin(), mine.end(), entity.spec().name()) != mine.end();
      });
      *(join_key ? spec->add_entity_columns() : spec->add_features()) = read;
    });
    const std::string source_name = Text(node, "source");
    if (source_name.empty()) return Bad(node, "feature view \"" + spec->name() + "\" has no source. Name one.");
    const SourceProto* source = FindSource(node["source"], source_name);
    if (source == nullptr) return;
    if (source->type() == SourceProto::PUSH_SOURCE) {
      *spec->mutable_stream_source() = *source;
      *spec->mutable_batch_source() = source->batch_source();
    } else {
      *spec->mutable_batch_source() = *source;
    }
  }

  void ReadService(const YAML::Node& node) {
    if (!CheckKeys(node, "a feature service", {"name", "features", "description", "tags", "owner"})) return;
    auto* spec = to_->registry.add_feature_services()->mutable_spec();
    spec->set_name(Name(node, "feature_service"));
    Common(node, spec);
    Each(node["features"], "features", [&](const YAML::Node& entry) { ReadProjection(entry, spec->add_features()); });
  }

  // "view", or {view: name, features: [a, b], alias: other, join_key_map: {key: column}}.
  void ReadProjection(const YAML::Node& node, feast::core::FeatureViewProjection* projection) {
    if (node.IsScalar()) return projection->set_feature_view_name(node.as<std::string>());
    if (!CheckKeys(node, "a feature service's entry", {"view", "features", "alias", "join_key_map"})) return;
    projection->set_feature_view_name(Text(node, "view"));
    projection->set_feature_view_name_alias(Text(node, "alias"));
    for (const std::string& feature : Names(node["features"])) projection->add_feature_columns()->set_name(feature);
    Pairs(node["join_key_map"], projection->mutable_join_key_map());
  }

  const std::string file_;
  Definitions* const to_;
};

}  // namespace

void ParseYamlDefinitions(const std::string& text, const std::string& file, Definitions* definitions) {
  try {
    YamlReader(file, definitions).Read(YAML::Load(text));
  } catch (const YAML::Exception& error) {
    definitions->problems.push_back({{file, error.mark.line + 1}, "this is not YAML: " + error.msg + "."});
  }
}

Status ReadYamlDefinitions(const std::string& repository, Definitions* definitions) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(repository, error)) {
    const std::string name = entry.path().filename().string();
    if (!entry.is_regular_file() || name.starts_with('.') || name == "feature_store.yaml") continue;
    if (name.ends_with(".yaml") || name.ends_with(".yml")) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    SALVER_ASSIGN(const std::string text, Files::System()->Read(JoinPath(repository, name)));
    ParseYamlDefinitions(text, name, definitions);
  }
  return Status::OK();
}

}  // namespace salver
