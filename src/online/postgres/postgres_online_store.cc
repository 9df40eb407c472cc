// PostgreSQL: one pipelined round trip a read, with one statement a view, and newest-wins in the upsert's
// WHERE clause, so it is decided under the server's row locks.
//
// The store connects when it is first asked, so a server that is down is an error of the call and not of
// opening; a call after it came back connects anew.
#include <algorithm>
#include <functional>
#include <mutex>
#include <unordered_map>

#include "online/batch_rows.h"
#include "online/online_stores.h"
#include "online/postgres/postgres_layout.h"
#include "online/row_packer.h"
#include "postgres/binary_form.h"
#include "salver/write_rule.h"

namespace salver {
namespace postgres {
namespace {

constexpr size_t kIdleMax = 64;
// Rows of one INSERT.
constexpr size_t kRowsPerStatement = 1000;
// PostgreSQL cuts longer names without a word, and two views could end in one table.
constexpr size_t kNameMax = 63;
// Of a call that has no deadline of its own, and of one call of a load, which writes many rows.
constexpr std::chrono::seconds kCallTimeout{60}, kLoadTimeout{600};

// Where a user's rights or a database are missing, it is the configuration of the server that is wrong and
// not the request.
Status AsConfiguration(const Status& status) {
  if (status.code() != StatusCode::kPermissionDenied) return status;
  return Status::FailedPrecondition(status.message(), status.reason());
}

using Connected = std::unique_ptr<Connection>;

class PostgresOnlineStore final : public OnlineStore {
 public:
  explicit PostgresOnlineStore(const PostgresOnlineOptions& options)
      : options_(options),
        layout_(options.packed ? NewPackedLayout(options.project, options.server.db_schema, &schemas_)
                               : NewFeastLayout(options.project, options.server.db_schema)) {}

  Result<std::vector<OnlineRows>> Read(std::span<const OnlineRead> reads, Deadline deadline) override {
    if (reads.empty()) return std::vector<OnlineRows>();
    if (deadline.Passed()) return DeadlinePassed(*reads[0].view, "reading");
    std::vector<KeyIndex> keys;
    std::vector<Statement> statements;
    for (const OnlineRead& read : reads) {
      keys.emplace_back(read.keys);
      statements.push_back(layout_->Read(read, keys.back()));
    }
    std::vector<OnlineRows> answers;
    const auto arena = std::make_shared<ByteArena>();
    size_t failed = 0;
    const auto read_all = [&](Connection* connection) {
      answers.clear();
      std::vector<RowFiller> fillers;
      for (const OnlineRead& read : reads) {
        answers.push_back(OnlineRows::Absent(read.keys.size(), read.columns.size(), arena));
        fillers.emplace_back(&read);
      }
      const auto take = [&](size_t i, const ResultRow& row) {
        return layout_->Take(reads[i], row, &keys[i], &fillers[i], &answers[i]);
      };
      const Status run = connection->Run(statements, take, &failed);
      return AboutView(*reads[failed].view, *connection, run);
    };
    Status status = WithRetry(deadline, read_all);
    for (const OnlineRead& read : reads) {
      if (status.code() != StatusCode::kAborted) break;  // not a row of features as they once were
      SALVER_RETURN_NOT_OK(LoadSchemas(*read.view, deadline));
      status = WithRetry(deadline, read_all);
    }
    if (status.code() == StatusCode::kAborted) return Status::DataLoss(status.message());
    if (!status.ok()) return status;
    return answers;
  }

  Result<WriteCounts> Write(const FeatureView& view, const OnlineBatch& batch, Deadline deadline) override {
    SALVER_ASSIGN(const BatchRows newest, NewestRows(view, batch));
    SALVER_ASSIGN(const PackedBatch packed, PackRows(view, batch, newest.rows));
    if (deadline.Passed()) return DeadlinePassed(view, "writing");
    WriteCounts counts;
    SALVER_RETURN_NOT_OK(WithRetry(deadline, [&](Connection* connection) {
      counts = {.older = newest.older};
      return WriteRows(connection, view, packed.view(), &counts);
    }));
    return counts;
  }

  Result<std::unique_ptr<OnlineLoad>> BeginLoad(
      std::span<const std::shared_ptr<const FeatureView>>) override {
    // What is run again when the connection was from before a restart: nothing is lost with it yet.
    Connected held;
    SALVER_RETURN_NOT_OK(WithConnection(Deadline::Never(), [&](Connected* connection) {
      SALVER_RETURN_NOT_OK((*connection)->Execute("BEGIN"));
      held = std::move(*connection);
      return Status::OK();
    }));
    return std::unique_ptr<OnlineLoad>(new Load(this, std::move(held)));
  }

  Result<std::string> ReadMark(const FeatureView& view) override {
    std::string mark;
    const Statement statement = layout_->ReadMark(view);
    SALVER_RETURN_NOT_OK(WithRetry(Deadline::Never(), [&](Connection* connection) {
      mark.clear();
      return AboutView(view, *connection,
                       connection->Run(std::span(&statement, 1), [&](size_t, const ResultRow& row) {
                         mark = row[0].value_or("");
                         return Status::OK();
                       }));
    }));
    return mark;
  }

  Status Apply(std::span<const std::shared_ptr<const FeatureView>> keep,
               std::span<const std::shared_ptr<const FeatureView>> drop) override {
    SALVER_ASSIGN(const std::vector<std::string> statements, Definitions(keep, drop));
    if (statements.empty()) return Status::OK();
    return WithRetry(Deadline::Never(), [&](Connection* connection) -> Status {
      connection->SetLimits({});  // an index over many rows takes its time
      SALVER_ASSIGN(const TextRows schema,
                    connection->Query("SELECT 1 FROM information_schema.schemata WHERE schema_name = " +
                                      QuoteLiteral(options_.server.db_schema)));
      SALVER_RETURN_NOT_OK(connection->Execute("BEGIN"));
      if (schema.empty())
        SALVER_RETURN_NOT_OK(
            connection->Execute("CREATE SCHEMA IF NOT EXISTS " + QuoteIdentifier(options_.server.db_schema)));
      // No notices for what is there already.
      SALVER_RETURN_NOT_OK(connection->Execute("SET LOCAL client_min_messages = error"));
      for (const std::string& sql : statements) SALVER_RETURN_NOT_OK(connection->Execute(sql));
      return connection->Execute("COMMIT");
    });
  }

  Status Teardown(std::span<const std::shared_ptr<const FeatureView>> views) override {
    return Apply({}, views);
  }

  OnlineCapabilities capabilities() const override {
    return {.persistent = true,
            .views = true,
            .created_times = true,
            .transactions = true,
            .atomic_rows = true,
            .drop = true};
  }
  std::string_view durability() const override {
    return "an acknowledged row was committed by the PostgreSQL server; it survives power loss where the "
           "server runs with fsync and synchronous_commit on, as it does by default";
  }
  std::string_view type() const override { return "postgres"; }

 private:
  class Load final : public OnlineLoad {
   public:
    Load(PostgresOnlineStore* store, Connected connection)
        : store_(store), connection_(std::move(connection)) {}
    ~Load() override = default;  // closing the connection gives up the transaction

    Result<WriteCounts> Write(const FeatureView& view, const PackedRows& rows) override {
      WriteCounts counts;
      connection_->SetLimits({.deadline = Deadline::After(kLoadTimeout)});
      SALVER_RETURN_NOT_OK(store_->WriteRows(connection_.get(), view, rows, &counts));
      for (size_t i = 0; i < rows.rows.size(); ++i)
        bytes_ += static_cast<int64_t>(rows.keys[i].size() + rows.rows[i].size());
      return counts;
    }
    Status SetMark(const FeatureView& view, std::string_view mark) override {
      const Statement statement = store_->layout_->SetMark(view, mark);
      return AboutView(view, *connection_, connection_->Run(std::span(&statement, 1), NoRows));
    }
    // The server holds them; what was sent decides when to commit, so that a killed run goes on from there.
    int64_t bytes_held() const override { return bytes_; }
    Status Commit() override {
      connection_->SetLimits({.deadline = Deadline::After(kLoadTimeout)});
      SALVER_RETURN_NOT_OK(connection_->Execute("COMMIT"));
      store_->Return(std::move(connection_));
      return Status::OK();
    }

   private:
    PostgresOnlineStore* const store_;
    Connected connection_;
    int64_t bytes_ = 0;
  };

  static Status NoRows(size_t, const ResultRow&) { return Status::OK(); }

  static Status AboutView(const FeatureView& view, const Connection& connection, const Status& status) {
    if (connection.sqlstate() == "42P01") return UnknownView(view, "postgres");
    return AsConfiguration(status);
  }

  Status LoadSchemas(const FeatureView& view, Deadline deadline) {
    const Statement statement = layout_->ReadSchemas(view);
    if (statement.sql.empty()) return Status::OK();
    return WithRetry(deadline, [&](Connection* connection) {
      return AboutView(view, *connection,
                       connection->Run(std::span(&statement, 1), [&](size_t, const ResultRow& row) {
                         return schemas_.Add(row[0].value_or(""));
                       }));
    });
  }

  Result<std::vector<std::string>> Definitions(
      std::span<const std::shared_ptr<const FeatureView>> keep,
      std::span<const std::shared_ptr<const FeatureView>> drop) const {
    std::vector<std::string> statements;
    for (const auto& view : drop) {
      statements.push_back("DROP TABLE IF EXISTS " + QuoteIdentifier(options_.server.db_schema) + "." +
                           QuoteIdentifier(layout_->TableName(*view)));
    }
    for (const auto& view : keep) {
      const std::string name = layout_->TableName(*view);
      if (name.size() > kNameMax) {
        return Status::InvalidArgument(
            "feature view \"" + view->name + "\": its table would be \"" + name +
                "\", longer than the 63 bytes that a name in PostgreSQL has. Rename the view.",
            Reason::kBadDefinition);
      }
      for (std::string& sql : layout_->Create(*view)) statements.push_back(std::move(sql));
    }
    return statements;
  }

  // Rows whose keys are distinct go out together; of rows with the same key the newest is written.
  Status WriteRows(Connection* connection, const FeatureView& view, const PackedRows& rows,
                   WriteCounts* counts) const {
    std::vector<uint32_t> positions;
    std::unordered_map<std::string_view, size_t> by_key;
    for (uint32_t i = 0; i < rows.rows.size(); ++i) {
      const auto [at, is_new] = by_key.try_emplace(rows.keys[i], positions.size());
      if (is_new) {
        positions.push_back(i);
        continue;
      }
      SALVER_ASSIGN(const RowHeader row, DecodeRowHeader(rows.rows[i]));
      SALVER_ASSIGN(const RowHeader kept, DecodeRowHeader(rows.rows[positions[at->second]]));
      if (IsNewer(row.event_us, row.created_us, kept.event_us, kept.created_us)) positions[at->second] = i;
      ++counts->older;
    }
    // One order for all writers, or two would wait for each other's rows.
    std::sort(positions.begin(), positions.end(),
              [&](uint32_t a, uint32_t b) { return rows.keys[a] < rows.keys[b]; });
    for (size_t at = 0; at < positions.size(); at += kRowsPerStatement) {
      const auto part = std::span(positions).subspan(at, std::min(kRowsPerStatement, positions.size() - at));
      SALVER_ASSIGN(const Statement statement, layout_->Write(view, rows, part));
      int64_t written = 0;
      const Status run = connection->Run(std::span(&statement, 1), [&](size_t, const ResultRow& row) {
        written = Int8Of(row[0].value_or("")).value_or(0);
        return Status::OK();
      });
      SALVER_RETURN_NOT_OK(AboutView(view, *connection, run));
      counts->written += written;
      counts->older += static_cast<int64_t>(part.size()) - written;
    }
    return Status::OK();
  }

  Connected TakeIdle() {
    std::lock_guard lock(mutex_);
    if (idle_.empty()) return nullptr;
    Connected connection = std::move(idle_.back());
    idle_.pop_back();
    return connection;
  }
  void Return(Connected connection) {
    if (connection == nullptr || !connection->usable()) return;
    std::lock_guard lock(mutex_);
    if (idle_.size() < kIdleMax) idle_.push_back(std::move(connection));
  }

  // `call` may take the connection for itself. It is run a second time on a new connection when an idle one
  // turned out to be from before a restart; all that is run here may be run twice.
  Status WithConnection(Deadline deadline, const std::function<Status(Connected*)>& call) {
    const Deadline own = Deadline::After(kCallTimeout);
    const CallLimits limits{.deadline = deadline.at() < own.at() ? deadline : own};
    if (Connected connection = TakeIdle(); connection != nullptr) {
      connection->SetLimits(limits);
      const Status status = call(&connection);
      if (status.ok()) Return(std::move(connection));
      if (status.code() != StatusCode::kUnavailable) return status;
      std::lock_guard lock(mutex_);
      idle_.clear();
    }
    auto opened = Connection::Open(options_.server, limits);
    if (!opened.ok()) return AsConfiguration(opened.status());
    Connected connection = std::move(opened).value();
    const Status status = call(&connection);
    if (status.ok()) Return(std::move(connection));
    return status;
  }
  template <typename Call>
  Status WithRetry(Deadline deadline, const Call& call) {
    return WithConnection(deadline, [&](Connected* connection) -> Status { return call(connection->get()); });
  }

  const PostgresOnlineOptions options_;
  PackedSchemas schemas_;
  const std::unique_ptr<Layout> layout_;
  std::mutex mutex_;
  std::vector<Connected> idle_;
};

}  // namespace
}  // namespace postgres

std::unique_ptr<OnlineStore> NewPostgresOnlineStore(const PostgresOnlineOptions& options) {
  return std::make_unique<postgres::PostgresOnlineStore>(options);
}

}  // namespace salver
