#include "offline/test_table.h"

#include <arrow/table.h>
#include <arrow/type.h>

#include <cstdio>
#include <cstdlib>

#include "offline/postgres/copy_encoder.h"
#include "postgres/connection.h"

namespace salver {
namespace {

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "test table: %s\n", what.c_str());
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

}  // namespace

void LoadTestTable(TestPostgres* server, const std::string& schema, const std::string& table,
                   const arrow::Table& rows) {
  const std::string name = postgres::QuoteIdentifier(schema) + "." + postgres::QuoteIdentifier(table);
  std::string columns;
  for (const auto& field : rows.schema()->fields()) {
    const auto type = postgres::DeclaredType(*field->type());
    if (!type) Die("no column type for " + field->ToString());
    columns += (columns.empty() ? "" : ", ") + postgres::QuoteIdentifier(field->name()) + " " + *type;
  }
  const auto connection = Checked(postgres::Connection::Open(server->Options(), {}));
  Check(connection->Execute("CREATE TABLE " + name + " (" + columns + ")"));
  std::vector<postgres::Column> targets;
  for (const auto& described : Checked(connection->Describe("SELECT * FROM " + name)))
    targets.push_back({described.name, *postgres::ColumnTypeOfOid(described.oid), described.oid});
  auto encoder = Checked(postgres::CopyEncoder::Make("table " + table, std::move(targets), rows));
  Check(connection->CopyIn("COPY " + name + " FROM STDIN (FORMAT binary)",
                           [&](std::string* piece) { return encoder.Next(piece); }));
}

}  // namespace salver
