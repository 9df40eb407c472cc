#include "postgres/test_postgres.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "postgres/connection.h"

namespace salver {
namespace {

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "test PostgreSQL: %s\n", what.c_str());
  std::abort();
}

void Check(const Status& status) {
  if (!status.ok()) Die(status.ToString());
}

template <typename T>
T Checked(Result<T> result) {
  Check(result.status());
  return std::move(result).value();
}

std::unique_ptr<postgres::Connection> Connect(const PostgresOptions& options) {
  return Checked(postgres::Connection::Open(options, {}));
}

}  // namespace

bool TestPostgres::IsInstalled() {
  const char* folder = std::getenv("SALVER_POSTGRES_BIN");
  const std::string bin = folder == nullptr ? "/usr/lib/postgresql/15/bin" : folder;
  return std::filesystem::exists(bin + "/initdb");
}

TestPostgres* TestPostgres::Shared() {
  static const std::unique_ptr<TestPostgres> server(IsInstalled() ? new TestPostgres() : nullptr);
  return server.get();
}

TestPostgres::TestPostgres() : service_(TestService::Start("postgres/server.py", "")) {
  options_.host = service_->Text("host");
  options_.port = service_->Number("port");
  options_.database = service_->Text("database");
  options_.user = service_->Text("user");
  options_.password = Secret(service_->Text("password"));
  tls_root_ = service_->Text("tls_root");
}

PostgresOptions TestPostgres::Options(const std::string& schema) const {
  PostgresOptions options = options_;
  options.db_schema = schema;
  return options;
}

std::string TestPostgres::NewSchema() {
  const std::string name = "test_" + std::to_string(++schemas_);
  Run("CREATE SCHEMA " + name);
  return name;
}

std::string TestPostgres::SchemaOf(const std::string& folder) {
  const std::string name = "of_" + std::filesystem::path(folder).filename().string();
  Run("CREATE SCHEMA IF NOT EXISTS " + postgres::QuoteIdentifier(name));
  return name;
}

void TestPostgres::Run(const std::string& sql) {
  Check(Connect(options_)->Execute(sql));
}

std::string TestPostgres::Ask(const std::string& sql) {
  const auto rows = Checked(Connect(options_)->Query(sql));
  return rows.empty() ? "" : rows[0].at(0).value_or("NULL");
}

}  // namespace salver
