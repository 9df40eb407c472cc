// History in PostgreSQL: read as binary COPY straight into Arrow, added to by binary COPY in one transaction.
#include <arrow/array.h>
#include <arrow/compute/api_vector.h>
#include <arrow/datum.h>
#include <arrow/extension_type.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <algorithm>
#include <numeric>

#include "base/arrow_status.h"
#include "base/nearest.h"
#include "offline/offline_stores.h"
#include "offline/postgres/copy_decoder.h"
#include "offline/postgres/copy_encoder.h"
#include "offline/postgres/pushed_keys.h"
#include "offline/postgres/transaction.h"
#include "source/table_reader.h"

namespace salver {
namespace postgres {
namespace {

// Stands in a schema for a column that no Feast type can hold. Whoever needs the column refuses it by this
// name, whoever does not never meets it.
class UnreadType final : public arrow::ExtensionType {
 public:
  explicit UnreadType(std::string sql_name) : ExtensionType(arrow::null()), sql_name_(std::move(sql_name)) {}
  std::string extension_name() const override { return "PostgreSQL " + sql_name_; }
  bool ExtensionEquals(const ExtensionType& other) const override {
    return other.extension_name() == extension_name();
  }
  std::shared_ptr<arrow::Array> MakeArray(std::shared_ptr<arrow::ArrayData> data) const override {
    return std::make_shared<arrow::ExtensionArray>(std::move(data));
  }
  arrow::Result<std::shared_ptr<arrow::DataType>> Deserialize(std::shared_ptr<arrow::DataType>,
                                                              const std::string&) const override {
    return arrow::Status::NotImplemented("a type that is not read is not written either");
  }
  std::string Serialize() const override { return ""; }

 private:
  const std::string sql_name_;
};

// A numeric that is declared DECIMAL is read as its text, with all its digits.
bool IsDecimal(const DataSource& source, const FoundColumn& column) {
  const auto declared = source.column_types.find(column.name);
  return column.type == ColumnType{WireType::kNumeric, false} && declared != source.column_types.end() &&
         declared->second == ValueType::kDecimal;
}

constexpr uint32_t kTextOid = 25;

Column ReadAs(const DataSource& source, const FoundColumn& found) {
  if (IsDecimal(source, found)) return {found.name, {WireType::kText, false}, kTextOid};
  return {found.name, *found.type, found.oid};
}

std::string SelectList(const DataSource& source, const std::vector<FoundColumn>& columns) {
  std::string list;
  for (const FoundColumn& column : columns) {
    const std::string name = "source." + QuoteIdentifier(column.name);
    list += (list.empty() ? "" : ", ") + name + (IsDecimal(source, column) ? "::text" : "");
  }
  return list;
}

const FoundColumn* Find(const std::vector<FoundColumn>& columns, const std::string& name) {
  const auto found =
      std::find_if(columns.begin(), columns.end(), [&](const auto& one) { return one.name == name; });
  return found == columns.end() ? nullptr : &*found;
}

// Rows as they lie in the table, wherever the server found them: the last column is their place, and goes.
Result<std::shared_ptr<arrow::Table>> InPlaceOrder(std::shared_ptr<arrow::Table> table,
                                                   const std::string& what) {
  const int last = table->num_columns() - 1;
  const auto places = table->column(last);
  SALVER_ASSIGN(const auto rows, FromArrow(table->RemoveColumn(last), what));
  std::vector<int64_t> place;
  for (const auto& chunk : places->chunks()) {
    const auto& values = static_cast<const arrow::Int64Array&>(*chunk);
    place.insert(place.end(), values.raw_values(), values.raw_values() + values.length());
  }
  if (std::is_sorted(place.begin(), place.end())) return rows;
  std::vector<int64_t> order(place.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return place[static_cast<size_t>(a)] < place[static_cast<size_t>(b)];
  });
  const arrow::Int64Array indices(static_cast<int64_t>(order.size()), arrow::Buffer::Wrap(order));
  SALVER_ASSIGN(const auto taken, FromArrow(arrow::compute::Take(rows, arrow::Datum(indices.data())), what));
  return taken.table();
}

Status CheckConfigured(const PostgresOptions& options, const Relation& relation) {
  if (!options.host.empty()) return Status::OK();
  return Status::FailedPrecondition(
      relation.subject +
          " lies in PostgreSQL, and feature_store.yaml does not say where that is. Write "
          "offline_store: {type: postgres, host: ..., database: ..., user: ..., password: ...}.",
      Reason::kBadConfig);
}

// One read of one source.
class Reading {
 public:
  Reading(const DataSource& source, Relation relation, Transaction transaction)
      : source_(source), relation_(std::move(relation)), transaction_(std::move(transaction)) {}

  static Result<Reading> Begin(const PostgresOptions& options, const DataSource& source,
                               const std::atomic<bool>* cancelled) {
    SALVER_ASSIGN(auto relation, RelationOf(source));
    SALVER_RETURN_NOT_OK(CheckConfigured(options, relation));
    auto transaction = Transaction::Begin(options, {.cancelled = cancelled});
    if (!transaction.ok()) return Transaction::About(relation, transaction.status());
    Reading reading(source, std::move(relation), std::move(transaction).value());
    SALVER_ASSIGN(reading.columns_, reading.transaction_.ColumnsOf(reading.relation_));
    return reading;
  }

  std::shared_ptr<arrow::Schema> Schema() {
    arrow::FieldVector fields;
    for (const FoundColumn& column : columns_) {
      fields.push_back(arrow::field(
          column.name, column.type ? ArrowTypeOf(ReadAs(source_, column).type)
                                   : std::make_shared<UnreadType>(transaction_.TypeName(column))));
    }
    return arrow::schema(std::move(fields));
  }

  Result<std::shared_ptr<arrow::Table>> Rows(const SourceNeeds& needs, const PostgresKeyRule& rule) {
    SALVER_ASSIGN(const auto wanted, Wanted(needs.columns));
    SALVER_ASSIGN(const std::string condition, Condition(needs, rule));
    SALVER_RETURN_NOT_OK(About(transaction_.ReadOnly()));
    SALVER_ASSIGN(const bool placed, HasPlaces());
    std::string list = SelectList(source_, wanted);
    std::vector<Column> columns;
    for (const FoundColumn& one : wanted) columns.push_back(ReadAs(source_, one));
    if (placed) {
      list += (list.empty() ? "" : ", ") + std::string("source.ctid");
      columns.push_back(kRowPlaceColumn);
    }
    SALVER_ASSIGN(auto table, Copy("SELECT " + list + " FROM " + relation_.from +
                                       (condition.empty() ? "" : " WHERE " + condition),
                                   std::move(columns)));
    return placed ? InPlaceOrder(std::move(table), relation_.subject) : std::move(table);
  }

 private:
  Status About(const Status& status) const { return Transaction::About(relation_, status); }

  // Those of `names` that the source has, each once; all of them for none.
  Result<std::vector<FoundColumn>> Wanted(const std::vector<std::string>& names) {
    std::vector<FoundColumn> wanted;
    if (names.empty()) wanted = columns_;
    for (const std::string& name : names) {
      const FoundColumn* found = Find(columns_, name);
      if (found != nullptr && Find(wanted, name) == nullptr) wanted.push_back(*found);
    }
    for (const FoundColumn& column : wanted) {
      if (column.type) continue;
      const std::string name = QuoteIdentifier(column.name);
      return Status::InvalidArgument(
          relation_.subject + ": column " + name + " has PostgreSQL's type " + transaction_.TypeName(column) +
              ", which no Feast type can hold. Cast it in a query, such as SELECT " + name + "::text AS " +
              name + ", or leave it out.",
          Reason::kBadSource);
    }
    return wanted;
  }

  Result<std::string> Condition(const SourceNeeds& needs, const PostgresKeyRule& rule) {
    std::string condition;
    const FoundColumn* event = Find(columns_, source_.timestamp_field);
    if (event != nullptr && event->type)
      condition =
          TimeCondition({event->name, *event->type, event->oid}, needs.min_event_us, needs.max_event_us);
    if (needs.keys == nullptr || needs.keys->num_columns() == 0) return condition;
    std::vector<Column> key_columns;
    for (const std::string& name : needs.keys->schema()->field_names()) {
      const FoundColumn* key = Find(columns_, name);
      if (key == nullptr || !key->type) return condition;
      key_columns.push_back({key->name, *key->type, key->oid});
    }
    auto keys = PushKeys(&transaction_, relation_, key_columns, *needs.keys, condition, rule);
    if (!keys.ok()) return About(keys.status());
    if (keys->empty()) return condition;
    return condition + (condition.empty() ? "" : " AND ") + *keys;
  }

  // Whether rows have a place that tells their order: those of an ordinary table do.
  Result<bool> HasPlaces() {
    if (relation_.table.empty()) return false;
    const auto kinds = transaction_->Query("SELECT relkind IN ('r', 'm') FROM pg_class WHERE oid = " +
                                           QuoteLiteral(relation_.table) + "::regclass");
    if (!kinds.ok()) return About(kinds.status());
    return !kinds->empty() && (*kinds)[0][0] == "t";
  }

  Result<std::shared_ptr<arrow::Table>> Copy(const std::string& select, std::vector<Column> columns) {
    CopyDecoder decoder(relation_.subject, std::move(columns));
    Status decoded;
    const Status copied = transaction_->CopyOut("COPY (" + select + ") TO STDOUT (FORMAT binary)",
                                                [&](std::span<const uint8_t> bytes) {
                                                  decoded = decoder.Append(bytes);
                                                  return decoded;
                                                });
    SALVER_RETURN_NOT_OK(decoded);
    SALVER_RETURN_NOT_OK(About(copied));
    return decoder.Finish();
  }

  const DataSource& source_;
  Relation relation_;
  Transaction transaction_;
  std::vector<FoundColumn> columns_;
};

// One addition of rows to one table.
class Appending {
 public:
  Appending(const DataSource& source, const arrow::Table& rows) : source_(source), rows_(rows) {}

  Status Run(const PostgresOptions& options) {
    SALVER_ASSIGN(relation_, RelationOf(source_));
    if (relation_.table.empty()) {
      return Status::FailedPrecondition(
          relation_.subject + " is a query, so rows can not be added to it. Name the table instead.",
          Reason::kBadSource);
    }
    SALVER_RETURN_NOT_OK(CheckConfigured(options, relation_));
    auto begun = Transaction::Begin(options, {});
    if (!begun.ok()) return Transaction::About(relation_, begun.status());
    Transaction transaction = std::move(begun).value();
    SALVER_ASSIGN(const auto columns, transaction.ColumnsOf(relation_));
    SALVER_ASSIGN(const auto targets, Targets(&transaction, columns));
    std::string list;
    arrow::ChunkedArrayVector arrays;
    arrow::FieldVector fields;
    for (const Column& target : targets) {
      list += (list.empty() ? "" : ", ") + QuoteIdentifier(target.name);
      arrays.push_back(rows_.GetColumnByName(target.name));
      fields.push_back(rows_.schema()->GetFieldByName(target.name));
    }
    SALVER_ASSIGN(auto encoder,
                  CopyEncoder::Make("rows for " + relation_.subject, targets,
                                    *arrow::Table::Make(arrow::schema(fields), arrays, rows_.num_rows())));
    SALVER_RETURN_NOT_OK(About(Durably(&transaction)));
    SALVER_RETURN_NOT_OK(
        About(transaction->CopyIn("COPY " + relation_.table + " (" + list + ") FROM STDIN (FORMAT binary)",
                                  [&](std::string* piece) { return encoder.Next(piece); })));
    return Commit(&transaction);
  }

 private:
  Status About(const Status& status) const { return Transaction::About(relation_, status); }

  // A server that acknowledges before it has written does not do so here.
  static Status Durably(Transaction* transaction) {
    return (*transaction)
        ->Execute(
            "SELECT set_config('synchronous_commit', 'on', true) "
            "WHERE current_setting('synchronous_commit') = 'off'");
  }

  Status Commit(Transaction* transaction) const {
    const Status status = (*transaction)->Execute("COMMIT");
    if (status.code() != StatusCode::kUnavailable && status.code() != StatusCode::kDeadlineExceeded)
      return About(status);
    return Status::Unavailable(
        relation_.subject +
            ": the connection was lost while the rows were being committed, so it is not "
            "known whether they are there. Look before adding them again.",
        Reason::kBadSource);
  }

  // Where each column of the rows goes. Every column has one, and what the table has besides fills itself in.
  Result<std::vector<Column>> Targets(Transaction* transaction, const std::vector<FoundColumn>& columns) {
    std::vector<std::string> names;
    for (const FoundColumn& column : columns) names.push_back(column.name);
    for (const std::string& name : rows_.schema()->field_names()) {
      if (std::find(names.begin(), names.end(), name) != names.end()) continue;
      return Status::InvalidArgument("rows have column \"" + name + "\", which " + relation_.subject +
                                         " (table " + relation_.table + ") has not." +
                                         NearestNameHint(name, names),
                                     Reason::kMissingColumns);
    }
    const auto filled =
        (*transaction)
            ->Query("SELECT attname FROM pg_attribute WHERE attrelid = " + QuoteLiteral(relation_.table) +
                    "::regclass AND attnum > 0 AND NOT attisdropped AND (atthasdef OR attidentity <> '' OR "
                    "attgenerated <> '')");
    if (!filled.ok()) return About(filled.status());
    std::vector<Column> targets;
    for (const FoundColumn& column : columns) {
      if (rows_.schema()->GetFieldIndex(column.name) >= 0) {
        if (!column.type) return Unwritable(transaction, column);
        targets.push_back({column.name, *column.type, column.oid});
        continue;
      }
      const auto fills_itself = [&](const auto& row) { return row[0] == column.name; };
      if (std::any_of(filled->begin(), filled->end(), fills_itself)) continue;
      return Status::InvalidArgument("rows have no column \"" + column.name + "\", which " +
                                         relation_.subject + " (table " + relation_.table +
                                         ") has, without a default. Rows need all of them.",
                                     Reason::kMissingColumns);
    }
    return targets;
  }

  Status Unwritable(Transaction* transaction, const FoundColumn& column) const {
    return Status::InvalidArgument(relation_.subject + ": column \"" + column.name +
                                       "\" has PostgreSQL's type " + transaction->TypeName(column) +
                                       ", which no Feast type can hold, so rows can not be added.",
                                   Reason::kBadSource);
  }

  const DataSource& source_;
  const arrow::Table& rows_;
  Relation relation_;
};

class PostgresOfflineStore final : public OfflineStore {
 public:
  explicit PostgresOfflineStore(PostgresOptions options) : options_(std::move(options)) {}

  Result<std::shared_ptr<arrow::Schema>> ReadSchema(const DataSource& source) override {
    SALVER_ASSIGN(auto reading, Reading::Begin(options_, source, nullptr));
    return reading.Schema();
  }

  Result<std::unique_ptr<SourceReader>> Open(const DataSource& source, const SourceNeeds& needs) override {
    SALVER_ASSIGN(auto reading, Reading::Begin(options_, source, needs.cancelled));
    SALVER_ASSIGN(auto table, reading.Rows(needs, options_.keys));
    return NewTableReader(std::move(table), source.timestamp_field);
  }

  Status Append(const DataSource& source, const arrow::Table& rows) override {
    return Appending(source, rows).Run(options_);
  }

  Result<std::shared_ptr<arrow::Table>> Query(const std::string& sql) override {
    DataSource query{.name = "SQL text"};
    query.query = sql;
    SALVER_ASSIGN(auto reading, Reading::Begin(options_, query, nullptr));
    return reading.Rows({}, options_.keys);
  }

 private:
  const PostgresOptions options_;
};

}  // namespace
}  // namespace postgres

std::unique_ptr<OfflineStore> NewPostgresOfflineStore(const PostgresOptions& options) {
  return std::make_unique<postgres::PostgresOfflineStore>(options);
}

}  // namespace salver
