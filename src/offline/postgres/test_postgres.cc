#include "offline/test_postgres.h"

#include <arrow/table.h>
#include <arrow/type.h>
#include <fcntl.h>
#include <signal.h>
#include <simdjson.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "offline/postgres/connection.h"
#include "offline/postgres/copy_encoder.h"
#include "test/source_dir.h"

extern char** environ;

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

// A line of the server's answer, without its end; "" when it has ended.
std::string ReadLine(int from) {
  std::string line;
  for (char c; ::read(from, &c, 1) == 1 && c != '\n';) line += c;
  return line;
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
  static const std::unique_ptr<TestPostgres> server = [] {
    std::unique_ptr<TestPostgres> one(new TestPostgres());
    if (!IsInstalled()) {
      one.reset();
    } else if (!one->Launch()) {
      Die("test/postgres/server.py did not start (its words are above)");
    }
    return one;
  }();
  return server.get();
}

bool TestPostgres::Launch() {
  ::signal(SIGPIPE, SIG_IGN);
  int in[2], out[2];
  if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) return false;
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, in[0], 0);
  ::posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  std::string script = std::string(kSourceDir) + "/test/postgres/server.py", python = "/usr/bin/python3";
  char* arguments[] = {python.data(), script.data(), nullptr};
  const int error = ::posix_spawn(&process_, python.c_str(), &actions, nullptr, arguments, environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(in[0]);
  ::close(out[1]);
  to_ = in[1];
  from_ = out[0];
  const std::string line = ReadLine(from_);
  simdjson::dom::parser parser;
  simdjson::dom::element said;
  if (error != 0 || parser.parse(line).get(said) != simdjson::SUCCESS) return false;
  const auto text = [&](const char* key) { return std::string(said[key].get_string().value()); };
  options_.host = text("host");
  options_.port = static_cast<int>(said["port"].get_int64().value());
  options_.database = text("database");
  options_.user = text("user");
  options_.password = Secret(text("password"));
  tls_root_ = text("tls_root");
  return true;
}

TestPostgres::~TestPostgres() {
  // The end of its input is the sign to stop.
  if (to_ >= 0) ::close(to_);
  if (process_ > 0) ::waitpid(process_, nullptr, 0);
  if (from_ >= 0) ::close(from_);
}

void TestPostgres::Command(const std::string& word) {
  const std::string line = word + "\n";
  if (::write(to_, line.data(), line.size()) != static_cast<ssize_t>(line.size()) ||
      ReadLine(from_) != "done")
    Die("command \"" + word + "\" was not done");
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

void TestPostgres::Load(const std::string& schema, const std::string& table, const arrow::Table& rows) {
  const std::string name = postgres::QuoteIdentifier(schema) + "." + postgres::QuoteIdentifier(table);
  std::string columns;
  for (const auto& field : rows.schema()->fields()) {
    const auto type = postgres::DeclaredType(*field->type());
    if (!type) Die("no column type for " + field->ToString());
    columns += (columns.empty() ? "" : ", ") + postgres::QuoteIdentifier(field->name()) + " " + *type;
  }
  const auto connection = Connect(options_);
  Check(connection->Execute("CREATE TABLE " + name + " (" + columns + ")"));
  std::vector<postgres::Column> targets;
  for (const auto& described : Checked(connection->Describe("SELECT * FROM " + name)))
    targets.push_back({described.name, *postgres::ColumnTypeOfOid(described.oid), described.oid});
  auto encoder = Checked(postgres::CopyEncoder::Make("table " + table, std::move(targets), rows));
  Check(connection->CopyIn("COPY " + name + " FROM STDIN (FORMAT binary)",
                           [&](std::string* piece) { return encoder.Next(piece); }));
}

}  // namespace salver
