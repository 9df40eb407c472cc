// A PostgreSQL server for the tests of one program: test/postgres/server.py, started when first asked for and
// stopped when the program ends, however it ends.
#pragma once

#include <memory>
#include <string>

#include "postgres/postgres_options.h"
#include "test/service.h"

namespace salver {

class TestPostgres {
 public:
  // Whether this machine has PostgreSQL 15.
  static bool IsInstalled();
  // Null when it has not: the test that asks is then to be skipped.
  static TestPostgres* Shared();

  // How to reach it; db_schema is `schema`, which the test creates.
  PostgresOptions Options(const std::string& schema = "public") const;
  // A schema of a name that no test has had, empty.
  std::string NewSchema();
  // The schema that belongs to a folder of a test, made when first asked for.
  std::string SchemaOf(const std::string& folder);
  // Path of the certificate that signs the server's own.
  const std::string& tls_root() const { return tls_root_; }

  // Runs one statement. What goes wrong here is a defect of the test: it ends the program.
  void Run(const std::string& sql);
  // The first column of the first row; "NULL" for null, "" when there is no row.
  std::string Ask(const std::string& sql);
  // As a machine that fails: at once, clients cut off. Start brings it back with what was committed.
  void Stop() { service_->Command("stop"); }
  void Start() { service_->Command("start"); }

 private:
  TestPostgres();

  const std::unique_ptr<TestService> service_;
  int schemas_ = 0;
  PostgresOptions options_;
  std::string tls_root_;
};

}  // namespace salver
