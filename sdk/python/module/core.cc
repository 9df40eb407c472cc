// salver._core: the FeatureStore of include/salver for Python. Tables cross through the Arrow C stream
// interface without a copy; the interpreter's lock is released while C++ works. No logic of its own.
#include <arrow/array.h>
#include <arrow/table.h>
#include <google/protobuf/util/json_util.h>
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "feast/core/Registry.pb.h"
#include "model/value_codec.h"
#include "python_core.h"
#include "salver/feature_store.h"
#include "serving/filter_json.h"
#include "store/report_json.h"

namespace nb = nanobind;

namespace salver::python {
namespace {

DataSource FileAt(const std::string& path, const std::string& format, const std::string& endpoint) {
  DataSource source{.name = path, .kind = DataSourceKind::kFile, .store = "file", .path = path};
  source.file_format = format;
  if (!endpoint.empty()) source.options["s3_endpoint_override"] = endpoint;
  return source;
}

class Job {
 public:
  explicit Job(std::unique_ptr<RetrievalJob> job) : job_(std::move(job)) {}
  std::string Explain(bool analyze) {
    nb::gil_scoped_release release;
    return Take(job_->Explain(analyze));
  }
  TableStream Run() {
    nb::gil_scoped_release release;
    return TableStream(Take(job_->Run()));
  }
  void Persist(const std::string& path, const std::string& format, const std::string& endpoint,
               bool allow_overwrite) {
    nb::gil_scoped_release release;
    Check(job_->Persist(FileAt(path, format, endpoint), allow_overwrite));
  }
  RetrievalJob* get() const { return job_.get(); }

 private:
  std::unique_ptr<RetrievalJob> job_;
};

std::string Quoted(std::string_view text) {
  std::string json;
  AppendJsonString(text, &json);
  return json;
}

std::string ToJson(const ApplyReport& report) {
  static constexpr const char* kVerbs[] = {"created", "updated", "deleted"};
  std::string json = "{\"changes\": [";
  for (size_t i = 0; i < report.changes.size(); ++i) {
    const auto& change = report.changes[i];
    json += std::string(i > 0 ? ", " : "") + "{\"change\": \"" + kVerbs[static_cast<int>(change.kind)] +
            "\", \"type\": " + Quoted(change.type) + ", \"name\": " + Quoted(change.name) + "}";
  }
  return json + "]}";
}

// Entity values out of Python lists. Text is kept alive by `texts`.
EntityColumn ToColumn(const std::string& name, nb::list values,
                      std::vector<std::unique_ptr<std::string>>* texts) {
  EntityColumn column;
  column.name = name;
  for (nb::handle value : values) {
    EntityValue& to = column.values.emplace_back();
    if (value.is_none()) {
      to = std::monostate();
    } else if (PyBool_Check(value.ptr())) {
      to = value.ptr() == Py_True;
    } else if (PyLong_Check(value.ptr())) {
      to = nb::cast<int64_t>(value);
    } else if (PyFloat_Check(value.ptr())) {
      to = nb::cast<double>(value);
    } else {
      texts->push_back(std::make_unique<std::string>(nb::cast<std::string>(nb::str(value))));
      to = std::string_view(*texts->back());
    }
  }
  return column;
}

// The answer of an online request: columns as a table, and their statuses and times.
struct OnlineAnswer {
  std::vector<std::string> names;
  std::vector<std::vector<int>> statuses;
  std::vector<std::vector<int64_t>> event_us;
  std::shared_ptr<arrow::Table> table;
};

OnlineAnswer ToAnswer(const OnlineResponse& response) {
  OnlineAnswer answer;
  arrow::FieldVector fields;
  std::vector<std::shared_ptr<arrow::Array>> columns;
  for (const OnlineColumn& column : response.columns) {
    Field field{.name = std::string(column.name), .type = column.type};
    if (!column.struct_schema.empty()) field.tags["feast:struct_schema"] = column.struct_schema;
    auto array = Take(CellsToArray(std::span(column.cells, response.row_count), field));
    answer.names.push_back(field.name);
    fields.push_back(arrow::field(field.name, array->type()));
    columns.push_back(std::move(array));
    auto& statuses = answer.statuses.emplace_back();
    for (const FieldStatus status : column.statuses) statuses.push_back(static_cast<int>(status));
    auto& times = answer.event_us.emplace_back(response.row_count, 0);
    if (column.event_us != nullptr) times.assign(column.event_us, column.event_us + response.row_count);
  }
  answer.table =
      arrow::Table::Make(arrow::schema(std::move(fields)), columns, static_cast<int64_t>(response.row_count));
  return answer;
}

class Store {
 public:
  Store(const std::string& repository, const std::string& config_file)
      : store_(Take(FeatureStore::Open(repository, {.config_file = config_file}))) {}

  std::string Project() const { return store_->project(); }

  // Of the project's other objects only `deletes` ("kind:name") are changed.
  std::string Apply(const std::string& definitions_json, const std::vector<std::string>& deletes,
                    bool plan_only) {
    nb::gil_scoped_release release;
    const ApplyOptions options{
        .definitions_json = definitions_json, .partial = true, .deletes = {deletes.begin(), deletes.end()}};
    return ToJson(Take(plan_only ? store_->Plan(options) : store_->Apply(options)));
  }

  std::string RegistryJson() {
    nb::gil_scoped_release release;
    const auto snapshot = Take(store_->Reload());
    google::protobuf::util::JsonPrintOptions options;
    options.preserve_proto_field_names = true;
    std::string json;
    const auto status = google::protobuf::util::MessageToJsonString(snapshot->proto(), &json, options);
    if (!status.ok()) throw Raised(Status::Internal(status.ToString()));
    return json;
  }

  Job Historical(nb::object entities, const std::string& entity_source, std::vector<std::string> features,
                 const std::string& service, bool full_names, std::optional<int64_t> start_us,
                 std::optional<int64_t> end_us, bool created_cut) {
    HistoricalRequest request;
    if (!entities.is_none()) request.entities = ToTable(entities);
    request.entity_source = entity_source;
    request.features = std::move(features);
    request.feature_service = service;
    request.full_feature_names = full_names;
    request.start_us = start_us;
    request.end_us = end_us;
    request.filter_by_created_timestamp = created_cut;
    nb::gil_scoped_release release;
    return Job(Take(store_->GetHistoricalFeatures(request)));
  }

  OnlineAnswer Online(const std::vector<std::string>& features, const std::string& service, nb::dict entities,
                      bool full_names) {
    std::vector<std::unique_ptr<std::string>> texts;
    std::vector<std::unique_ptr<std::string>> names;
    OnlineRequest request;
    for (auto [name, values] : entities) {
      names.push_back(std::make_unique<std::string>(nb::cast<std::string>(name)));
      request.entities.push_back(ToColumn(*names.back(), nb::list(values), &texts));
    }
    request.features.assign(features.begin(), features.end());
    request.feature_service = service;
    request.full_feature_names = full_names;
    nb::gil_scoped_release release;
    return ToAnswer(Take(store_->GetOnlineFeatures(request, Deadline::After(std::chrono::seconds(60)))));
  }

  OnlineAnswer Documents(const std::vector<std::string>& features, const std::string& service,
                         const std::vector<float>& query, const std::string& query_string, size_t top_k,
                         const std::string& metric, const std::string& filters, bool first_version) {
    DocumentRequest request{.feature_service = service,
                            .query = query,
                            .query_string = query_string,
                            .top_k = top_k,
                            .distance_metric = metric,
                            .first_version = first_version};
    request.features.assign(features.begin(), features.end());
    if (!filters.empty()) request.filters = Take(FilterFromJson(filters));
    nb::gil_scoped_release release;
    return ToAnswer(
        Take(store_->RetrieveOnlineDocuments(request, Deadline::After(std::chrono::seconds(60)))));
  }

  std::string Materialize(std::optional<int64_t> start_us, int64_t end_us, std::vector<std::string> views,
                          bool all_rows, nb::object progress) {
    MaterializeOptions options{.start_us = start_us,
                               .end_us = end_us,
                               .views = std::move(views),
                               .disable_event_timestamp = all_rows};
    if (!progress.is_none()) {
      options.on_progress = [&progress](const MaterializeProgress& p) {
        nb::gil_scoped_acquire acquire;
        progress(p.view, p.rows_done, p.rows_total, p.view_done);
      };
    }
    nb::gil_scoped_release release;
    return ToJson(Take(store_->Materialize(options)));
  }

  void Push(const std::string& source, nb::object rows, const std::string& to) {
    const auto table = ToTable(rows);
    const PushTarget target = to == "offline"              ? PushTarget::kOffline
                              : to == "online_and_offline" ? PushTarget::kOnlineAndOffline
                                                           : PushTarget::kOnline;
    nb::gil_scoped_release release;
    Check(store_->Push(source, *table, target));
  }

  void WriteOnline(const std::string& view, nb::object rows) {
    const auto table = ToTable(rows);
    nb::gil_scoped_release release;
    Check(store_->WriteToOnlineStore(view, *table));
  }

  void WriteOffline(const std::string& view, nb::object rows) {
    const auto table = ToTable(rows);
    nb::gil_scoped_release release;
    Check(store_->WriteToOfflineStore(view, *table));
  }

  TableStream Pull(bool latest, const std::string& source, std::vector<std::string> join_keys,
                   std::vector<std::string> features, std::optional<int64_t> start_us,
                   std::optional<int64_t> end_us) {
    const PullRequest request{source, std::move(join_keys), std::move(features), start_us, end_us};
    nb::gil_scoped_release release;
    return TableStream(Take(latest ? store_->PullLatest(request) : store_->PullAll(request)));
  }

  void CreateSavedDataset(const Job& job, const std::string& name, const std::string& path,
                          const std::string& format, const std::string& endpoint,
                          const std::vector<std::pair<std::string, std::string>>& tags,
                          const std::string& service, bool allow_overwrite) {
    SavedDataset dataset{.name = name, .storage = FileAt(path, format, endpoint)};
    dataset.tags = {tags.begin(), tags.end()};
    dataset.feature_service = service;
    nb::gil_scoped_release release;
    Check(store_->CreateSavedDataset(job.get(), dataset, allow_overwrite).status());
  }
  TableStream ReadSavedDataset(const std::string& name) {
    nb::gil_scoped_release release;
    return TableStream(Take(store_->ReadSavedDataset(name)));
  }
  void DeleteSavedDataset(const std::string& name) {
    nb::gil_scoped_release release;
    Check(store_->DeleteSavedDataset(name));
  }

  void Teardown() {
    nb::gil_scoped_release release;
    Check(store_->Teardown());
  }

 private:
  std::unique_ptr<FeatureStore> store_;
};

}  // namespace
}  // namespace salver::python

NB_MODULE(_core, m) {
  using namespace salver::python;
  static nb::object error = nb::steal(PyErr_NewException("salver._core.Error", PyExc_Exception, nullptr));
  m.attr("Error") = error;
  nb::register_exception_translator([](const std::exception_ptr& p, void*) {
    try {
      std::rethrow_exception(p);
    } catch (const Raised& raised) {
      nb::object value = error(salver::StatusCodeName(raised.status.code()),
                               static_cast<int>(raised.status.reason()), raised.status.message());
      PyErr_SetObject(error.ptr(), value.ptr());
    }
  });
  nb::class_<TableStream>(m, "TableStream")
      .def("__arrow_c_stream__", &TableStream::ArrowCStream, nb::arg("requested_schema") = nb::none());
  nb::class_<Job>(m, "Job").def("explain", &Job::Explain).def("run", &Job::Run).def("persist", &Job::Persist);
  nb::class_<OnlineAnswer>(m, "OnlineAnswer")
      .def_ro("names", &OnlineAnswer::names)
      .def_ro("statuses", &OnlineAnswer::statuses)
      .def_ro("event_us", &OnlineAnswer::event_us)
      .def("table", [](const OnlineAnswer& answer) { return TableStream(answer.table); });
  nb::class_<Store>(m, "Store")
      .def(nb::init<const std::string&, const std::string&>())
      .def("project", &Store::Project)
      .def("apply", &Store::Apply)
      .def("registry_json", &Store::RegistryJson)
      .def("historical", &Store::Historical, nb::arg("entities").none(), nb::arg("entity_source"),
           nb::arg("features"), nb::arg("service"), nb::arg("full_names"), nb::arg("start_us").none(),
           nb::arg("end_us").none(), nb::arg("created_cut"))
      .def("online", &Store::Online)
      .def("documents", &Store::Documents)
      .def("materialize", &Store::Materialize, nb::arg("start_us").none(), nb::arg("end_us"),
           nb::arg("views"), nb::arg("all_rows"), nb::arg("progress").none())
      .def("push", &Store::Push)
      .def("write_online", &Store::WriteOnline)
      .def("write_offline", &Store::WriteOffline)
      .def("pull", &Store::Pull, nb::arg("latest"), nb::arg("source"), nb::arg("join_keys"),
           nb::arg("features"), nb::arg("start_us").none(), nb::arg("end_us").none())
      .def("create_saved_dataset", &Store::CreateSavedDataset)
      .def("read_saved_dataset", &Store::ReadSavedDataset)
      .def("delete_saved_dataset", &Store::DeleteSavedDataset)
      .def("teardown", &Store::Teardown);
  RegisterFeatureGroups(m);
}
