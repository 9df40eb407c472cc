// salver._core's part for feature groups: schemas as dicts, tables as Arrow streams. No logic of its own.
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "python_core.h"
#include "salver/materialized_feature_store.h"
#include "salver/pipeline.h"
#include "salver/virtualized_feature_store.h"

namespace salver::python {
namespace {

using Names = std::vector<std::string>;
using Texts = std::map<std::string, std::string>;

template <typename T>
T Get(const nb::dict& dict, const char* key) {
  return nb::cast<T>(dict[key]);
}

FeatureSchema ToFeature(const nb::dict& dict) {
  return {.name = Get<std::string>(dict, "name"),
          .data_type = Take(DataTypeNamed(Get<std::string>(dict, "data_type"))),
          .feature_type = Take(FeatureTypeNamed(Get<std::string>(dict, "feature_type"))),
          .description = Get<std::string>(dict, "description"),
          .nullable = Get<bool>(dict, "nullable"),
          .metadata = Get<Texts>(dict, "metadata")};
}

FeatureGroupSchema ToSchema(const nb::dict& dict) {
  FeatureGroupSchema schema{.name = Get<std::string>(dict, "name"),
                            .version = Get<int>(dict, "version"),
                            .timestamp_key = Get<std::string>(dict, "timestamp_key"),
                            .description = Get<std::string>(dict, "description"),
                            .tags = Get<Texts>(dict, "tags")};
  for (nb::handle key : nb::list(dict["entity_keys"]))
    schema.entity_keys.push_back(ToFeature(nb::cast<nb::dict>(key)));
  for (nb::handle feature : nb::list(dict["features"]))
    schema.features.push_back(ToFeature(nb::cast<nb::dict>(feature)));
  return schema;
}

nb::dict ToDict(const FeatureSchema& feature) {
  nb::dict dict;
  dict["name"] = feature.name;
  dict["data_type"] = DataTypeName(feature.data_type);
  dict["feature_type"] = FeatureTypeName(feature.feature_type);
  dict["description"] = feature.description;
  dict["nullable"] = feature.nullable;
  dict["metadata"] = feature.metadata;
  return dict;
}

nb::list ToList(const std::vector<FeatureSchema>& features) {
  nb::list list;
  for (const FeatureSchema& feature : features) list.append(ToDict(feature));
  return list;
}

nb::dict ToDict(const FeatureGroup& group) {
  nb::dict schema;
  schema["name"] = group.schema.name;
  schema["version"] = group.schema.version;
  schema["entity_keys"] = ToList(group.schema.entity_keys);
  schema["timestamp_key"] = group.schema.timestamp_key;
  schema["description"] = group.schema.description;
  schema["features"] = ToList(group.schema.features);
  schema["tags"] = group.schema.tags;
  nb::dict dict;
  dict["schema"] = schema;
  dict["is_virtual"] = group.is_virtual;
  dict["path"] = group.path;
  dict["format"] = group.format;
  dict["sql"] = group.sql;
  dict["view"] = group.view;
  dict["created_us"] = group.created_us;
  dict["last_updated_us"] = group.last_updated_us;
  return dict;
}

nb::dict ToDict(const CacheStats& stats) {
  nb::dict dict;
  dict["hits"] = stats.hits;
  dict["misses"] = stats.misses;
  dict["evictions"] = stats.evictions;
  dict["entries"] = stats.entries;
  dict["bytes"] = stats.bytes;
  dict["capacity_bytes"] = stats.capacity_bytes;
  dict["hit_rate"] = stats.hit_rate();
  return dict;
}

nb::dict ToDict(const WriteReport& report) {
  nb::dict dict;
  dict["rows_written"] = report.rows_written;
  dict["rows_replaced"] = report.rows_replaced;
  dict["rows_total"] = report.rows_total;
  return dict;
}

nb::dict ToDict(const HealthReport& report) {
  nb::list checks;
  for (const HealthCheck& check : report.checks) {
    nb::dict one;
    one["name"] = check.name;
    one["subject"] = check.subject;
    one["ok"] = check.ok;
    one["message"] = check.message;
    one["duration_us"] = check.duration_us;
    checks.append(one);
  }
  nb::dict dict;
  dict["healthy"] = report.healthy();
  dict["checks"] = checks;
  return dict;
}

// Runs `work` without the interpreter's lock.
template <typename Work>
auto Unlocked(Work work) {
  nb::gil_scoped_release release;
  return work();
}

// A QueryExecutor that is written in Python: execute(query) gives a table, explain(query) a text; a query is
// a dict.
class PythonExecutor final : public QueryExecutor {
 public:
  PythonExecutor(std::string name, nb::object executor)
      : name_(std::move(name)), executor_(std::move(executor)) {}
  ~PythonExecutor() override {
    nb::gil_scoped_acquire acquire;
    executor_.reset();
  }
  const char* name() const override { return name_.c_str(); }
  Result<std::shared_ptr<arrow::Table>> Execute(const FeatureQuery& query) override {
    return Ask(query, [&](const nb::dict& dict) { return ToTable(executor_.attr("execute")(dict)); });
  }
  Result<std::string> Explain(const FeatureQuery& query) override {
    return Ask(query,
               [&](const nb::dict& dict) { return nb::cast<std::string>(executor_.attr("explain")(dict)); });
  }
  CacheStats cache_stats() const override { return {}; }

 private:
  static nb::object ToStream(const std::shared_ptr<arrow::Table>& table) {
    return table == nullptr ? nb::none() : nb::cast(TableStream(table));
  }
  static nb::dict ToDict(const FeatureQuery& query) {
    nb::list tables;
    for (const QueryTable& table : query.tables) {
      nb::dict one;
      one["name"] = table.name;
      one["sql"] = table.sql;
      one["rows"] = ToStream(table.rows);
      one["identity"] = table.identity;
      one["extension"] = table.extension;
      tables.append(one);
    }
    nb::dict dict;
    dict["sql"] = query.sql;
    dict["asked_by"] = query.asked_by;
    dict["columns"] = query.columns;
    dict["tables"] = tables;
    dict["keys"] = ToStream(query.keys);
    return dict;
  }
  template <typename Use>
  auto Ask(const FeatureQuery& query, Use use) -> Result<decltype(use(nb::dict()))> {
    nb::gil_scoped_acquire acquire;
    const auto failed = [&](const std::string& what) {
      return Status::InvalidArgument(query.asked_by + ": query executor \"" + name_ + "\": " + what,
                                     Reason::kVirtualizationQuery);
    };
    try {
      return use(ToDict(query));
    } catch (const Raised& raised) {
      return failed(raised.status.message());
    } catch (const nb::python_error& error) {
      return failed(std::string(nb::str(error.type().attr("__name__")).c_str()) + ": " +
                    nb::str(error.value()).c_str());
    } catch (const std::exception& error) {
      return failed(error.what());
    }
  }

  const std::string name_;
  nb::object executor_;
};

class Metadata {
 public:
  explicit Metadata(std::shared_ptr<FeatureStoreMetadata> metadata) : metadata_(std::move(metadata)) {}

  nb::dict Register(const nb::dict& schema, const std::string& path, const std::string& format,
                    const std::optional<Texts>& sql) {
    const FeatureGroup group{.schema = ToSchema(schema),
                             .is_virtual = sql.has_value(),
                             .path = path,
                             .format = format,
                             .sql = sql.value_or(Texts())};
    return ToDict(Unlocked([&] { return Take(metadata_->Register(group)); }));
  }
  nb::dict Get(const std::string& name, int version) {
    return ToDict(Unlocked([&] { return Take(metadata_->Get(name, version)); }));
  }
  nb::list List(bool all_versions) {
    nb::list list;
    for (const auto& group : Unlocked([&] { return Take(metadata_->ListFeatureGroups(all_versions)); }))
      list.append(ToDict(group));
    return list;
  }
  nb::list ListFeatures(const std::string& group) {
    nb::list list;
    for (const auto& feature : Unlocked([&] { return Take(metadata_->ListFeatures(group)); })) {
      nb::dict dict = ToDict(feature.schema);
      dict["group"] = feature.group;
      dict["version"] = feature.version;
      list.append(dict);
    }
    return list;
  }
  void SetLineage(const std::string& node, const Names& inputs) {
    Unlocked([&] { Check(metadata_->SetLineage(node, inputs)); });
  }
  nb::dict GetLineage(const std::string& node) {
    const auto lineage = Unlocked([&] { return Take(metadata_->GetLineage(node)); });
    nb::dict dict;
    dict["inputs"] = lineage.inputs;
    dict["all_inputs"] = lineage.all_inputs;
    dict["dependents"] = lineage.dependents;
    dict["all_dependents"] = lineage.all_dependents;
    return dict;
  }
  int64_t LastUpdated(const std::string& name) {
    return Unlocked([&] { return Take(metadata_->GetLastUpdated(name)); });
  }
  nb::dict Health() {
    return ToDict(Unlocked([&] { return metadata_->CheckHealth(); }));
  }

 private:
  std::shared_ptr<FeatureStoreMetadata> metadata_;
};

FeatureGroupRequest ToRequest(Names names, nb::object entity_ids, std::optional<int64_t> point_in_time,
                              bool full_names) {
  return {std::move(names), ToTable(std::move(entity_ids)), point_in_time, full_names};
}

// What both kinds of store do.
class Reader {
 public:
  explicit Reader(std::shared_ptr<FeatureGroupReader> reader) : reader_(std::move(reader)) {}
  TableStream Read(Names names, nb::object entity_ids, std::optional<int64_t> point_in_time,
                   bool full_names) {
    const auto request = ToRequest(std::move(names), std::move(entity_ids), point_in_time, full_names);
    return Unlocked([&] { return TableStream(Take(reader_->GetFeatures(request))); });
  }
  const std::shared_ptr<FeatureGroupReader>& reader() const { return reader_; }

 private:
  std::shared_ptr<FeatureGroupReader> reader_;
};

class Materialized : public Reader {
 public:
  Materialized(const std::string& repository, const std::string& path, const std::string& format, bool cache,
               int64_t cache_size_mb)
      : Materialized(std::shared_ptr<MaterializedFeatureStore>(
            Take(MaterializedFeatureStore::Open(repository, {path, format, cache, cache_size_mb})))) {}

  const std::shared_ptr<MaterializedFeatureStore>& store() const { return store_; }
  Metadata GetMetadata() const { return Metadata(store_->metadata()); }

  nb::dict Register(const nb::dict& dict) {
    const auto schema = ToSchema(dict);
    return ToDict(Unlocked([&] { return Take(store_->RegisterFeatureGroup(schema)); }));
  }
  nb::dict Write(const std::string& group, nb::object rows, bool overwrite, bool backfill, int version) {
    const auto table = ToTable(std::move(rows));
    const WriteOptions options{version, overwrite ? WriteMode::kOverwrite : WriteMode::kAppend, backfill};
    return ToDict(Unlocked([&] { return Take(store_->WriteFeatures(group, *table, options)); }));
  }
  nb::dict Backfill(const std::string& group, nb::object rows, int64_t start_us, int64_t end_us) {
    const auto table = ToTable(std::move(rows));
    return ToDict(Unlocked([&] { return Take(store_->Backfill(group, *table, start_us, end_us)); }));
  }
  nb::dict Cache() const { return ToDict(store_->cache_stats()); }
  nb::dict Lookups() const {
    const LookupStats stats = store_->lookup_stats();
    nb::dict dict;
    dict["row_groups"] = stats.row_groups;
    dict["row_groups_read"] = stats.row_groups_read;
    dict["bytes_read"] = stats.bytes_read;
    return dict;
  }
  nb::dict Health() {
    return ToDict(Unlocked([&] { return store_->CheckHealth(); }));
  }

 private:
  explicit Materialized(std::shared_ptr<MaterializedFeatureStore> store)
      : Reader(store), store_(std::move(store)) {}
  std::shared_ptr<MaterializedFeatureStore> store_;
};

class Virtualized : public Reader {
 public:
  Virtualized(const std::string& repository, double timeout_s, bool caching, int64_t cache_size_mb)
      : Virtualized(std::shared_ptr<VirtualizedFeatureStore>(
            Take(VirtualizedFeatureStore::Open(repository, {.duckdb = {.query_timeout_seconds = timeout_s,
                                                                       .enable_caching = caching,
                                                                       .cache_size_mb = cache_size_mb}})))) {}

  Virtualized(const std::string& repository, std::string executor_name, nb::object executor)
      : Virtualized(std::shared_ptr<VirtualizedFeatureStore>(Take(VirtualizedFeatureStore::Open(
            repository, {.executor = std::make_shared<PythonExecutor>(std::move(executor_name),
                                                                      std::move(executor))})))) {}

  Metadata GetMetadata() const { return Metadata(store_->metadata()); }
  nb::dict Define(const nb::dict& dict, const Texts& sql) {
    const auto schema = ToSchema(dict);
    return ToDict(Unlocked([&] { return Take(store_->DefineVirtualFeatures(schema, sql)); }));
  }
  std::string Explain(Names names, nb::object entity_ids, std::optional<int64_t> point_in_time) {
    const auto request = ToRequest(std::move(names), std::move(entity_ids), point_in_time, false);
    return Unlocked([&] { return Take(store_->Explain(request)); });
  }
  nb::dict Cache() const { return ToDict(store_->executor()->cache_stats()); }
  nb::dict Health() {
    return ToDict(Unlocked([&] { return store_->CheckHealth(); }));
  }

 private:
  explicit Virtualized(std::shared_ptr<VirtualizedFeatureStore> store)
      : Reader(store), store_(std::move(store)) {}
  std::shared_ptr<VirtualizedFeatureStore> store_;
};

class Steps {
 public:
  void AddTable(const std::string& name, nb::object rows) {
    pipeline_.Add(TableNode(name, ToTable(std::move(rows))));
  }
  void AddWrite(const std::string& name, const Materialized& store, const std::string& group,
                const std::string& input, bool overwrite, bool backfill) {
    const WriteOptions options{0, overwrite ? WriteMode::kOverwrite : WriteMode::kAppend, backfill};
    pipeline_.Add(WriteFeaturesNode(name, store.store(), group, input, options));
  }
  void AddRead(const std::string& name, const Reader& store, const Names& names,
               const std::string& entity_ids, const Names& after) {
    pipeline_.Add(ReadFeaturesNode(name, store.reader(), names, entity_ids, after));
  }
  // `function` gets the inputs' tables and gives one.
  void AddFunction(const std::string& name, const Names& inputs, nb::object function) {
    pipeline_.Add({name, inputs, {}, [function](const auto& tables) -> Result<PipelineNode::TablePtr> {
                     nb::gil_scoped_acquire acquire;
                     try {
                       nb::list arguments;
                       for (const auto& table : tables) arguments.append(nb::cast(TableStream(table)));
                       return ToTable(function(*nb::tuple(arguments)));
                     } catch (const Raised& raised) {
                       return raised.status;
                     } catch (const std::exception& error) {
                       return Status::InvalidArgument(error.what());
                     }
                   }});
  }
  Names Order() const { return Take(pipeline_.Order()); }
  nb::dict Run() const {
    const auto tables = Unlocked([&] { return Take(pipeline_.Run()); });
    nb::dict dict;
    for (const auto& [name, table] : tables) dict[name.c_str()] = TableStream(table);
    return dict;
  }

 private:
  Pipeline pipeline_;
};

}  // namespace

void RegisterFeatureGroups(nb::module_& m) {
  nb::class_<Metadata>(m, "FeatureStoreMetadata")
      .def_static("open",
                  [](const std::string& repository) {
                    return Metadata(Take(FeatureStoreMetadata::Open(repository)));
                  })
      .def("register", &Metadata::Register, nb::arg("schema"), nb::arg("path"), nb::arg("format"),
           nb::arg("sql").none())
      .def("get", &Metadata::Get)
      .def("list", &Metadata::List)
      .def("list_features", &Metadata::ListFeatures)
      .def("set_lineage", &Metadata::SetLineage)
      .def("get_lineage", &Metadata::GetLineage)
      .def("last_updated", &Metadata::LastUpdated)
      .def("health", &Metadata::Health);
  nb::class_<Reader>(m, "FeatureGroupReader")
      .def("read", &Reader::Read, nb::arg("names"), nb::arg("entity_ids"), nb::arg("point_in_time").none(),
           nb::arg("full_names"));
  nb::class_<Materialized, Reader>(m, "MaterializedFeatureStore")
      .def(nb::init<const std::string&, const std::string&, const std::string&, bool, int64_t>())
      .def("metadata", &Materialized::GetMetadata)
      .def("register", &Materialized::Register)
      .def("write", &Materialized::Write)
      .def("backfill", &Materialized::Backfill)
      .def("cache_stats", &Materialized::Cache)
      .def("lookup_stats", &Materialized::Lookups)
      .def("health", &Materialized::Health);
  nb::class_<Virtualized, Reader>(m, "VirtualizedFeatureStore")
      .def(nb::init<const std::string&, double, bool, int64_t>())
      .def(nb::init<const std::string&, std::string, nb::object>())
      .def("metadata", &Virtualized::GetMetadata)
      .def("define", &Virtualized::Define)
      .def("explain", &Virtualized::Explain, nb::arg("names"), nb::arg("entity_ids"),
           nb::arg("point_in_time").none())
      .def("cache_stats", &Virtualized::Cache)
      .def("health", &Virtualized::Health);
  nb::class_<Steps>(m, "Pipeline")
      .def(nb::init<>())
      .def("add_table", &Steps::AddTable)
      .def("add_write", &Steps::AddWrite)
      .def("add_read", &Steps::AddRead)
      .def("add_function", &Steps::AddFunction)
      .def("order", &Steps::Order)
      .def("run", &Steps::Run);
}

}  // namespace salver::python
