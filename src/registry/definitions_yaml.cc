#include "registry/definitions_yaml.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <filesystem>

#include "base/files.h"
#include "base/nearest.h"
#include "model/data_source_message.h"
#include "registry/yaml_type.h"

namespace salver {
namespace {

using SourceProto = feast::core::DataSource;

class YamlReader {
 public:
  YamlReader(std::string file, Definitions* definitions) : file_(std::move(file)), to_(definitions) {}

  // First what others refer to, in all files; then what refers to it. False: nothing more can be read.
  bool ReadSources(const YAML::Node& root) {
    if (root.IsNull()) return false;
    for (const char* kind :
         {"stream_feature_views", "on_demand_feature_views", "label_views", "permissions"}) {
      if (root.IsMap() && root[kind])
        Bad(root[kind],
            std::string(kind) + " are written in Python, in a *.py file of the repository; YAML has none.");
    }
    if (!CheckKeys(root, "",
                   {"project", "entities", "sources", "push_sources", "feature_views", "feature_services",
                    "stream_feature_views", "on_demand_feature_views", "label_views", "permissions"}))
      return root.IsMap();
    if (root["project"]) ReadProject(root["project"]);
    Each(root["entities"], "entities", [&](const YAML::Node& node) { ReadEntity(node); });
    Each(root["sources"], "sources", [&](const YAML::Node& node) { ReadSource(node); });
    return true;
  }
  void ReadPushSources(const YAML::Node& root) {
    Each(root["push_sources"], "push_sources", [&](const YAML::Node& node) { ReadPushSource(node); });
  }
  void ReadViews(const YAML::Node& root) {
    Each(root["feature_views"], "feature_views", [&](const YAML::Node& node) { ReadView(node); });
    Each(root["feature_services"], "feature_services", [&](const YAML::Node& node) { ReadService(node); });
  }

 private:
  void Bad(const YAML::Node& node, const std::string& message) {
    to_->problems.push_back({{file_, node.Mark().line + 1}, message});
  }

  // False, and problems, when `node` is no mapping or has keys that are not known or there twice.
  bool CheckKeys(const YAML::Node& node, const std::string& what, const std::vector<std::string>& known) {
    if (!node.IsMap()) {
      Bad(node, (what.empty() ? "the file" : what) + " is no mapping of keys. Write it as key: value.");
      return false;
    }
    bool good = true;
    std::set<std::string> seen;
    for (const auto& entry : node) {
      const std::string key = entry.first.as<std::string>("");
      if (!seen.insert(key).second) {
        Bad(entry.first, "key \"" + key + "\" is there twice. Remove one.");
        good = false;
      } else if (std::find(known.begin(), known.end(), key) == known.end()) {
        Bad(entry.first, "key \"" + key + "\" is not known" + (what.empty() ? "." : " in " + what + ".") +
                             NearestNameHint(key, known));
        good = false;
      }
    }
    return good;
  }

  template <typename Visit>
  void Each(const YAML::Node& list, const char* what, Visit visit) {
    if (!list || list.IsNull()) return;
    if (!list.IsSequence())
      return Bad(list, std::string("\"") + what + "\" is no list. Start each entry with \"- \".");
    for (const YAML::Node& node : list) visit(node);
  }

  std::string Text(const YAML::Node& node, const char* key) {
    const YAML::Node value = node[key];
    if (!value || value.IsNull()) return "";
    if (value.IsScalar()) return value.Scalar();
    Bad(value, std::string("\"") + key + "\" is no text.");
    return "";
  }

  bool Flag(const YAML::Node& node, const char* key, bool otherwise) {
    const YAML::Node value = node[key];
    bool flag = otherwise;
    if (value && !YAML::convert<bool>::decode(value, flag))
      Bad(value, std::string("\"") + key + "\" is neither true nor false.");
    return flag;
  }

  // The object's name, and where it is; "" and a problem when it has none.
  std::string Name(const YAML::Node& node, const char* kind) {
    const std::string name = Text(node, "name");
    if (name.empty()) {
      std::string words = kind;
      std::replace(words.begin(), words.end(), '_', ' ');
      Bad(node, "this " + words + " has no name. Give it one.");
    } else {
      to_->locations.try_emplace(std::string(kind) + ":" + name, Location{file_, node.Mark().line + 1});
    }
    return name;
  }

  template <typename Proto>
  void Common(const YAML::Node& node, Proto* proto) {
    proto->set_description(Text(node, "description"));
    proto->set_owner(Text(node, "owner"));
    Pairs(node["tags"], "tags", proto->mutable_tags());
  }

  template <typename Map>
  void Pairs(const YAML::Node& node, const char* what, Map* map) {
    if (!node || node.IsNull()) return;
    if (!node.IsMap()) return Bad(node, std::string("\"") + what + "\" is no mapping of names to texts.");
    for (const auto& entry : node) {
      if (!entry.first.IsScalar() || !entry.second.IsScalar()) {
        Bad(entry.first, std::string("\"") + what + "\" maps names to texts, and this is none.");
        continue;
      }
      (*map)[entry.first.Scalar()] = entry.second.Scalar();
    }
  }

  std::vector<std::string> Names(const YAML::Node& node, const char* what) {
    std::vector<std::string> names;
    if (!node || node.IsNull()) return names;
    if (!node.IsSequence()) {
      Bad(node, std::string("\"") + what + "\" is no list of names. Write it as [a, b].");
      return names;
    }
    for (const YAML::Node& name : node) {
      if (name.IsScalar()) {
        names.push_back(name.Scalar());
      } else {
        Bad(name, std::string("\"") + what + "\" holds names, and this is none.");
      }
    }
    return names;
  }

  void ReadProject(const YAML::Node& node) {
    if (!CheckKeys(node, "project", {"name", "description", "tags", "owner"})) return;
    auto* spec = to_->registry.add_projects()->mutable_spec();
    spec->set_name(Name(node, "project"));
    Common(node, spec);
  }

  void ReadEntity(const YAML::Node& node) {
    if (!CheckKeys(node, "an entity", {"name", "join_keys", "value_type", "description", "tags", "owner"}))
      return;
    auto* spec = to_->registry.add_entities()->mutable_spec();
    spec->set_name(Name(node, "entity"));
    const auto join_keys = Names(node["join_keys"], "join_keys");
    if (join_keys.size() > 1)
      Bad(node["join_keys"],
          "entity \"" + spec->name() + "\" has several join keys; it can have one. Make an entity for each.");
    spec->set_join_key(join_keys.empty() ? spec->name() : join_keys[0]);
    if (const std::string type = Text(node, "value_type"); !type.empty()) {
      const auto named = ValueTypeNamed(type);
      if (!named.ok())
        return Bad(node["value_type"], "entity \"" + spec->name() + "\": " + named.status().message());
      spec->set_value_type(static_cast<feast::types::ValueType::Enum>(*named));
    }
    Common(node, spec);
  }

  void ReadSource(const YAML::Node& node) {
    if (!CheckKeys(
            node, "a source",
            {"name", "type", "path", "format", "version", "timestamp", "table", "query", "timestamp_field",
             "created_timestamp_column", "field_mapping", "description", "tags", "owner"}))
      return;
    SourceProto* source = to_->registry.add_data_sources();
    source->set_name(Name(node, "data_source"));
    SetRows(node, source);
    source->set_timestamp_field(Text(node, "timestamp_field"));
    source->set_created_timestamp_column(Text(node, "created_timestamp_column"));
    Pairs(node["field_mapping"], "field_mapping", source->mutable_field_mapping());
    Common(node, source);
  }

  // Where the rows of a source are: at a path, or what a query gives, unless its type says otherwise.
  void SetRows(const YAML::Node& node, SourceProto* source) {
    const std::string type = Text(node, "type"), table = Text(node, "table"), query = Text(node, "query");
    if (type == "postgres") {
      if (table.empty() == query.empty())
        Bad(node, "source \"" + source->name() + "\" needs a table or a query, one of the two.");
      return SetPostgresSource(table, query, source);
    }
    source->set_type(SourceProto::BATCH_FILE);
    source->set_data_source_class_type("feast.infra.offline_stores.file_source.FileSource");
    source->mutable_file_options()->set_uri(Text(node, "path"));
    source->set_sql(query);
    SetFormat(node, source);
    if (!type.empty() && type != "file") {
      Bad(node["type"],
          "source type \"" + type + "\" is not known." + NearestNameHint(type, {"file", "postgres"}));
    } else if (!table.empty()) {
      Bad(node, "source \"" + source->name() +
                    "\" has a table, which files have not. Say where it is: type: postgres.");
    } else if (!query.empty() && node["path"]) {
      Bad(node, "source \"" + source->name() + "\" has a path and a query. Leave out one.");
    }
  }

  void SetFormat(const YAML::Node& node, SourceProto* source) {
    const std::string format = Text(node, "format");
    auto* files = source->mutable_file_options();
    if (format == "delta") {
      auto* properties = files->mutable_file_format()->mutable_delta_format()->mutable_properties();
      for (const char* key : {"version", "timestamp"}) {
        if (node[key]) (*properties)[key] = Text(node, key);
      }
    } else if (node["version"] || node["timestamp"]) {
      Bad(node, "source \"" + source->name() +
                    "\" has a version or a timestamp, which only Delta tables have. Say format: delta.");
    } else if (format == "parquet") {
      files->mutable_file_format()->mutable_parquet_format();
    } else if (!format.empty()) {
      Bad(node["format"],
          "source format \"" + format + "\" is not known." + NearestNameHint(format, {"parquet", "delta"}));
    }
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
    *to_->registry.add_data_sources() = std::move(source);
  }

  const SourceProto* FindSource(const YAML::Node& node, const std::string& name) {
    std::vector<std::string> names;
    for (const SourceProto& source : to_->registry.data_sources()) {
      if (source.name() == name) return &source;
      names.push_back(source.name());
    }
    if (node) Bad(node, "source \"" + name + "\" is not defined." + NearestNameHint(name, names));
    return nullptr;
  }

  void ReadFeature(const YAML::Node& node, const std::string& view, feast::core::FeatureSpecV2* feature) {
    if (!CheckKeys(node, "a feature",
                   {"name", "dtype", "description", "tags", "vector_index", "vector_length",
                    "vector_search_metric"}))
      return;
    feature->set_name(Text(node, "name"));
    if (feature->name().empty()) Bad(node, "a feature of \"" + view + "\" has no name. Give it one.");
    feature->set_description(Text(node, "description"));
    Pairs(node["tags"], "tags", feature->mutable_tags());
    feature->set_vector_index(Flag(node, "vector_index", false));
    feature->set_vector_search_metric(Text(node, "vector_search_metric"));
    int32_t length = 0;
    if (node["vector_length"] &&
        (!YAML::convert<int32_t>::decode(node["vector_length"], length) || length < 0))
      Bad(node["vector_length"], "\"vector_length\" is no whole number from 0 on.");
    feature->set_vector_length(length);
    if (!node["dtype"]) return;  // validation says it
    const auto type = ParseWrittenType(Text(node, "dtype"));
    if (!type.ok()) {
      feature->set_value_type(feast::types::ValueType::STRING);  // any: it is not to be missed as well
      return Bad(node["dtype"], "feature \"" + feature->name() + "\": " + type.status().message());
    }
    feature->set_value_type(static_cast<feast::types::ValueType::Enum>(type->type));
    if (!type->struct_schema.empty()) (*feature->mutable_tags())["feast:struct_schema"] = type->struct_schema;
  }

  bool IsJoinKeyOf(const feast::core::FeatureViewSpec& view, const std::string& name) const {
    for (const auto& entity : to_->registry.entities()) {
      const auto& used = view.entities();
      if (entity.spec().join_key() == name &&
          std::find(used.begin(), used.end(), entity.spec().name()) != used.end())
        return true;
    }
    return false;
  }

  void ReadView(const YAML::Node& node) {
    if (!CheckKeys(node, "a feature view",
                   {"name", "entities", "ttl", "schema", "source", "source_views", "sink_source", "sql",
                    "online", "offline", "enabled", "aggregations", "description", "tags", "owner"}))
      return;
    auto* spec = to_->registry.add_feature_views()->mutable_spec();
    spec->set_name(Name(node, "feature_view"));
    Common(node, spec);
    for (const std::string& entity : Names(node["entities"], "entities")) spec->add_entities(entity);
    ReadTtl(node["ttl"], spec);
    spec->set_online(Flag(node, "online", true));
    spec->set_offline(Flag(node, "offline", false));
    spec->set_disabled(!Flag(node, "enabled", true));
    Each(node["schema"], "schema", [&](const YAML::Node& feature) {
      feast::core::FeatureSpecV2 read;
      ReadFeature(feature, spec->name(), &read);
      // A join key in the schema says its type; it is no feature.
      *(IsJoinKeyOf(*spec, read.name()) ? spec->add_entity_columns() : spec->add_features()) = read;
    });
    Each(node["aggregations"], "aggregations",
         [&](const YAML::Node& aggregation) { ReadAggregation(aggregation, spec->add_aggregations()); });
    ReadMaking(node, spec);
    const std::string source_name = Text(node, "source");
    if (source_name.empty()) return;  // validation says it
    const SourceProto* source = FindSource(node["source"], source_name);
    if (source == nullptr) return;
    if (source->type() == SourceProto::PUSH_SOURCE) {
      *spec->mutable_stream_source() = *source;
      if (source->has_batch_source()) *spec->mutable_batch_source() = source->batch_source();
    } else {
      *spec->mutable_batch_source() = *source;
    }
  }

  // What a view is made of and how: other views, where Feast keeps their rows, SQL.
  void ReadMaking(const YAML::Node& node, feast::core::FeatureViewSpec* spec) {
    for (const std::string& name : Names(node["source_views"], "source_views")) {
      auto* made_of = spec->add_source_views();
      made_of->set_name(name);
      for (const auto& view : to_->registry.feature_views()) {
        if (view.spec().name() == name && &view.spec() != spec) *made_of = view.spec();
      }
    }
    if (const std::string sink = Text(node, "sink_source"); !sink.empty()) {
      if (const SourceProto* source = FindSource(node["sink_source"], sink))
        *spec->mutable_batch_source() = *source;
    }
    const std::string sql = Text(node, "sql");
    if (sql.empty()) return;
    spec->set_mode("sql");
    auto* function = spec->mutable_feature_transformation()->mutable_user_defined_function();
    function->set_name(spec->name());
    function->set_mode("sql");
    function->set_body_text(sql);
  }

  void ReadTtl(const YAML::Node& node, feast::core::FeatureViewSpec* spec) {
    spec->mutable_ttl()->set_seconds(0);
    if (node && !node.IsNull()) ReadDuration(node, "ttl", spec->mutable_ttl());
  }

  void ReadDuration(const YAML::Node& node, const std::string& what, google::protobuf::Duration* duration) {
    const auto seconds = ParseWrittenDuration(node.IsScalar() ? node.Scalar() : "");
    if (!seconds.ok()) return Bad(node, what + " " + seconds.status().message());
    duration->set_seconds(*seconds);
  }

  void ReadAggregation(const YAML::Node& node, feast::core::Aggregation* aggregation) {
    if (!CheckKeys(node, "an aggregation", {"column", "function", "time_window", "slide_interval", "name"}))
      return;
    aggregation->set_column(Text(node, "column"));
    aggregation->set_function(Text(node, "function"));
    aggregation->set_name(Text(node, "name"));
    if (node["time_window"]) {
      ReadDuration(node["time_window"], "time_window", aggregation->mutable_time_window());
      *aggregation->mutable_slide_interval() =
          aggregation->time_window();  // as Feast, where nothing says more
    }
    if (node["slide_interval"])
      ReadDuration(node["slide_interval"], "slide_interval", aggregation->mutable_slide_interval());
  }

  void ReadService(const YAML::Node& node) {
    if (!CheckKeys(node, "a feature service",
                   {"name", "features", "precompute_online", "description", "tags", "owner"}))
      return;
    auto* spec = to_->registry.add_feature_services()->mutable_spec();
    spec->set_name(Name(node, "feature_service"));
    spec->set_precompute_online(Flag(node, "precompute_online", false));
    Common(node, spec);
    Each(node["features"], "features",
         [&](const YAML::Node& entry) { ReadProjection(entry, spec->add_features()); });
  }

  // view, or {view: [a, b]}, or {view: name, features: [a, b], alias: other, join_key_map: {key: column}}.
  void ReadProjection(const YAML::Node& node, feast::core::FeatureViewProjection* projection) {
    const auto add = [&](const YAML::Node& features) {
      for (const std::string& feature : Names(features, "features"))
        projection->add_feature_columns()->set_name(feature);
    };
    if (node.IsScalar()) return projection->set_feature_view_name(node.Scalar());
    if (node.IsMap() && node.size() == 1 && node.begin()->second.IsSequence()) {
      projection->set_feature_view_name(node.begin()->first.as<std::string>(""));
      return add(node.begin()->second);
    }
    if (!CheckKeys(node, "an entry of a feature service", {"view", "features", "alias", "join_key_map"}))
      return;
    projection->set_feature_view_name(Text(node, "view"));
    projection->set_feature_view_name_alias(Text(node, "alias"));
    add(node["features"]);
    Pairs(node["join_key_map"], "join_key_map", projection->mutable_join_key_map());
  }

  const std::string file_;
  Definitions* const to_;
};

// One file, read as far as YAML goes.
struct File {
  std::string name;
  YAML::Node root;
  bool readable = true;
};

// Calls read(reader, root) for each file that can still be read.
template <typename Read>
void ForEach(std::vector<File>* files, Definitions* definitions, Read read) {
  for (File& file : *files) {
    if (!file.readable) continue;
    try {
      YamlReader reader(file.name, definitions);
      file.readable = read(&reader, file.root);
    } catch (const YAML::Exception& error) {
      definitions->problems.push_back(
          {{file.name, error.mark.line + 1}, "this is not readable: " + error.msg + "."});
      file.readable = false;
    }
  }
}

const std::vector<std::string>& TopKeys() {
  static const std::vector<std::string> keys = {"entities", "sources", "push_sources", "feature_views",
                                                "feature_services"};
  return keys;
}

// Repositories hold YAML of other kinds too: configurations, manifests. Definitions are what has one of their
// keys, or one that is nearly so, on its own level, and no key of a configuration.
bool HoldsDefinitions(const std::string& text) {
  bool found = false;
  for (size_t start = 0; start < text.size();) {
    const size_t end = std::min(text.find('\n', start), text.size());
    const std::string line = text.substr(start, end - start);
    start = end + 1;
    const std::string key = line.substr(0, line.find(':'));
    if (key.size() == line.size() || key.empty() || key.find_first_of(" #-\t{[") != std::string::npos)
      continue;
    if (key == "registry" || key == "provider" || key == "online_store") return false;
    found = found || key == "project" || !NearestName(key, TopKeys()).empty();
  }
  return found;
}

}  // namespace

void ParseYamlDefinitions(const std::map<std::string, std::string>& texts, Definitions* definitions) {
  std::vector<File> files;
  for (const auto& [name, text] : texts) {
    try {
      files.push_back({name, YAML::Load(text)});
    } catch (const YAML::Exception& error) {
      definitions->problems.push_back({{name, error.mark.line + 1}, "this is not YAML: " + error.msg + "."});
    }
  }
  ForEach(&files, definitions,
          [](YamlReader* reader, const YAML::Node& root) { return reader->ReadSources(root); });
  ForEach(&files, definitions, [](YamlReader* reader, const YAML::Node& root) {
    reader->ReadPushSources(root);
    return true;
  });
  ForEach(&files, definitions, [](YamlReader* reader, const YAML::Node& root) {
    reader->ReadViews(root);
    return true;
  });
}

Status ReadYamlDefinitions(const std::string& repository, Definitions* definitions) {
  std::map<std::string, std::string> texts;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(repository, error)) {
    const std::string name = entry.path().filename().string();
    if (!entry.is_regular_file(error) || name.starts_with('.') || name == "feature_store.yaml") continue;
    if (!name.ends_with(".yaml") && !name.ends_with(".yml")) continue;
    SALVER_ASSIGN(const std::string text, Files::System()->Read(JoinPath(repository, name)));
    if (HoldsDefinitions(text)) texts[name] = text;
  }
  ParseYamlDefinitions(texts, definitions);
  return Status::OK();
}

}  // namespace salver
