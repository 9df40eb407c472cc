#include "offline/offline_stores.h"

#include <algorithm>
#include <functional>
#include <map>

#include "base/nearest.h"
#include "offline/sql_source.h"

namespace salver {
namespace {

// A store of this build: what sources call it, and what the configuration may call it.
struct BuiltIn {
  std::string name;
  std::vector<std::string> types;
  std::function<std::unique_ptr<OfflineStore>(const OfflineStoreOptions&,
                                              const std::shared_ptr<SharedSqlDatabase>&)>
      make;
};

const std::vector<BuiltIn>& AllStores() {
  static const std::vector<BuiltIn> stores = {
      {"file",
       {},
       [](const OfflineStoreOptions& options, const auto&) { return NewFileOfflineStore(options.folder); }},
      {"duckdb",
       {"file", "dask", "duckdb"},
       [](const OfflineStoreOptions&, const auto& sql) { return NewDuckDbOfflineStore(sql); }},
      {"delta", {}, [](const OfflineStoreOptions&, const auto& sql) { return NewDeltaOfflineStore(sql); }},
#ifdef SALVER_WITH_POSTGRES
      {"postgres",
       {"postgres"},
       [](const OfflineStoreOptions& options, const auto&) {
         return NewPostgresOfflineStore(options.postgres);
       }},
#endif
  };
  return stores;
}

class OfflineStores final : public OfflineStore {
 public:
  explicit OfflineStores(const OfflineStoreOptions& options) {
    const auto sql = std::make_shared<SharedSqlDatabase>(options);
    for (const BuiltIn& store : AllStores()) {
      stores_[store.name] = store.make(options, sql);
      if (std::find(store.types.begin(), store.types.end(), options.type) != store.types.end())
        main_ = stores_[store.name].get();
    }
  }

  Result<std::shared_ptr<arrow::Schema>> ReadSchema(const DataSource& source) override {
    SALVER_ASSIGN(const Routed to, Route(source));
    return to.store->ReadSchema(*to.source);
  }
  Result<std::unique_ptr<SourceReader>> Open(const DataSource& source, const SourceNeeds& needs) override {
    SALVER_ASSIGN(const Routed to, Route(source));
    return to.store->Open(*to.source, needs);
  }
  Status Append(const DataSource& source, const arrow::Table& rows) override {
    SALVER_ASSIGN(const Routed to, Route(source));
    return to.store->Append(*to.source, rows);
  }
  Status Create(const DataSource& source, const arrow::Table& rows, bool overwrite) override {
    SALVER_ASSIGN(const Routed to, Route(source));
    return to.store->Create(*to.source, rows, overwrite);
  }
  Status Drop(const DataSource& source) override {
    SALVER_ASSIGN(const Routed to, Route(source));
    return to.store->Drop(*to.source);
  }
  Result<std::shared_ptr<arrow::Table>> Query(const std::string& sql) override { return main_->Query(sql); }
  Result<std::shared_ptr<arrow::Table>> RunSql(const SqlRequest& request) override {
    return stores_["duckdb"]->RunSql(request);
  }
  Result<std::shared_ptr<arrow::Schema>> DescribeSql(const SqlRequest& request) override {
    return stores_["duckdb"]->DescribeSql(request);
  }
  Result<std::string> SelectOf(const DataSource& source) override {
    SALVER_ASSIGN(const Routed to, Route(source));
    return to.store->SelectOf(*to.source);
  }

 private:
  struct Routed {
    OfflineStore* store;
    const DataSource* source;
  };

  Result<Routed> Route(const DataSource& source) const {
    if (const auto found = stores_.find(source.store); found != stores_.end())
      return Routed{found->second.get(), &source};
    if (source.batch_source != nullptr) return Route(*source.batch_source);
    std::vector<std::string> names;
    for (const auto& [name, store] : stores_) names.push_back(name);
    return Status::Unimplemented(
        "data source \"" + source.name + "\" is " +
            (source.store.empty() ? "of a kind that has no history that this build reads."
                                  : "kept in \"" + source.store + "\", which is not in this build.") +
            NearestNameHint(source.store, names),
        Reason::kBadSource);
  }

  std::map<std::string, std::unique_ptr<OfflineStore>> stores_;
  OfflineStore* main_ = nullptr;
};

}  // namespace

Status OfflineStore::Create(const DataSource& source, const arrow::Table&, bool) {
  return Status::Unimplemented("data source \"" + source.name + "\": its offline store (" + source.store +
                               ") keeps no new tables. Give a file.");
}

Status OfflineStore::Drop(const DataSource& source) {
  return Status::Unimplemented("data source \"" + source.name + "\": its offline store (" + source.store +
                               ") drops no tables.");
}

Result<std::shared_ptr<arrow::Table>> OfflineStore::RunSql(const SqlRequest& request) {
  return Status::Unimplemented(request.asked_by + ": this offline store runs no SQL.");
}
Result<std::shared_ptr<arrow::Schema>> OfflineStore::DescribeSql(const SqlRequest& request) {
  return Status::Unimplemented(request.asked_by + ": this offline store runs no SQL.");
}
Result<std::string> OfflineStore::SelectOf(const DataSource& source) {
  return Status::Unimplemented("data source \"" + source.name + "\" can not be named in SQL.");
}

std::vector<std::string> OfflineStoreTypes() {
  std::vector<std::string> types;
  for (const BuiltIn& store : AllStores()) types.insert(types.end(), store.types.begin(), store.types.end());
  return types;
}

std::unique_ptr<OfflineStore> NewOfflineStores(const OfflineStoreOptions& options) {
  return std::make_unique<OfflineStores>(options);
}

}  // namespace salver
