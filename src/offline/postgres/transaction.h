// One transaction on a connection of its own, with the settings that make answers the same on every server:
// times in UTC, dates as ISO, the configured schema first. What is not committed when it goes is undone.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "offline/postgres/relation.h"
#include "postgres/connection.h"

namespace salver::postgres {

// A column as the server describes it; `type` is empty when no Feast type can hold it.
struct FoundColumn {
  std::string name;
  uint32_t oid = 0;
  int modifier = -1;
  std::optional<ColumnType> type;
};

class Transaction {
 public:
  // All statements of a transaction see the rows of one moment.
  static Result<Transaction> Begin(const PostgresOptions& options, const CallLimits& limits);

  Connection* operator->() { return connection_.get(); }

  // The columns of a relation. Nothing is run. Errors: NotFound (kBadSource) for a table that is not there,
  // with the nearest name.
  Result<std::vector<FoundColumn>> ColumnsOf(const Relation& relation);
  // "interval(3)": how the server writes the column's type.
  std::string TypeName(const FoundColumn& column);
  // From here on nothing but temporary tables can be written.
  Status ReadOnly() { return connection_->Execute("SET TRANSACTION READ ONLY"); }

  // `status` of a statement about `relation`, with what was asked for in front.
  static Status About(const Relation& relation, const Status& status);

 private:
  Transaction(std::unique_ptr<Connection> connection, std::string schema)
      : connection_(std::move(connection)), schema_(std::move(schema)) {}
  Status NoTable(const Relation& relation, const Status& status);

  std::unique_ptr<Connection> connection_;
  std::string schema_;
};

}  // namespace salver::postgres
