// Redis: one hash an entity key, all views and keys of a read in one pipelined write, and newest-wins in a
// script that runs inside the server. Feast reads what is written here in its layout, and the reverse.
//
// The store connects when it is first asked, so a server that is down is an error of the call and not of
// opening; a call after it came back connects anew.
#include <map>
#include <utility>

#include "online/batch_rows.h"
#include "online/online_stores.h"
#include "online/redis/redis_keys.h"
#include "online/redis/redis_layout.h"
#include "online/redis/redis_nodes.h"
#include "online/redis/redis_read.h"
#include "online/row_packer.h"
#include "salver/entity_key.h"

namespace salver {
namespace redis {
namespace {

enum Script : size_t { kWriteScript, kDropScript };

// Commands are sent in pieces of about this size, so that the server works while the next piece is made.
constexpr size_t kPieceBytes = 256 * 1024;

// Counts replies of the scripts: 1 is done, 0 is not.
class CountTaker final : public ReplyTaker {
 public:
  explicit CountTaker(std::string where) : where_(std::move(where)) {}
  void Take(const ReplyValue& value) override {
    if (value.kind == ReplyValue::Kind::kInteger) {
      ++(value.integer != 0 ? done_ : not_done_);
    } else if (status_.ok()) {
      status_ = value.kind == ReplyValue::Kind::kError
                    ? ErrorOf(where_, value.text)
                    : Status::DataLoss(where_ + ": a script answered with what it never answers.");
    }
  }
  int64_t done() const { return done_; }
  int64_t not_done() const { return not_done_; }
  const Status& status() const { return status_; }

 private:
  const std::string where_;
  int64_t done_ = 0, not_done_ = 0;
  Status status_;
};

// Runs of a script on one server, pipelined: a piece is on its way while the next is made.
class ScriptRuns {
 public:
  ScriptRuns(std::unique_ptr<Connection> connection, std::string script_name, Deadline deadline)
      : connection_(std::move(connection)),
        script_name_(std::move(script_name)),
        deadline_(deadline),
        taker_(connection_->where()) {}

  // `arguments` are `count` parts after the key.
  Status Add(std::string_view key, std::string_view arguments, size_t count) {
    AppendCommandHead(4 + count, &piece_);
    AppendPart("EVALSHA", &piece_);
    AppendPart(script_name_, &piece_);
    AppendPart("1", &piece_);
    AppendPart(key, &piece_);
    piece_ += arguments;
    ++in_piece_;
    return piece_.size() < kPieceBytes ? Status::OK() : SendPiece();
  }

  // Until every run has answered. The first error of a run, if there was one.
  Status Finish() {
    SALVER_RETURN_NOT_OK(SendPiece());
    SALVER_RETURN_NOT_OK(connection_->Receive(std::exchange(on_its_way_, 0), &taker_, deadline_));
    return taker_.status();
  }

  const CountTaker& counts() const { return taker_; }
  std::unique_ptr<Connection> TakeConnection() { return std::move(connection_); }

 private:
  Status SendPiece() {
    SALVER_RETURN_NOT_OK(connection_->Send(piece_, in_piece_, deadline_));
    piece_.clear();
    SALVER_RETURN_NOT_OK(connection_->Receive(on_its_way_, &taker_, deadline_));
    on_its_way_ = std::exchange(in_piece_, 0);
    return taker_.status();
  }

  std::unique_ptr<Connection> connection_;
  const std::string script_name_;
  const Deadline deadline_;
  CountTaker taker_;
  std::string piece_;
  size_t in_piece_ = 0, on_its_way_ = 0;
};

class RedisOnlineStore final : public OnlineStore {
 public:
  explicit RedisOnlineStore(const RedisOptions& options)
      : options_(options),
        layout_(options.packed ? NewPackedLayout(options.key_ttl_s, &schemas_)
                               : NewFeastLayout(options.key_ttl_s)),
        nodes_(options) {}

  Result<std::vector<OnlineRows>> Read(std::span<const OnlineRead> reads, Deadline deadline) override {
    if (reads.empty()) return std::vector<OnlineRows>();
    if (deadline.Passed()) return DeadlinePassed(*reads[0].view, "reading");
    const ReadPlan plan(reads, layout_.get(), &whole_hashes_);
    std::vector<OnlineRows> answers;
    const auto arena = std::make_shared<ByteArena>();
    const auto read_all = [&](bool* may_be_stale) {
      answers.clear();
      for (const OnlineRead& read : reads)
        answers.push_back(OnlineRows::Absent(read.keys.size(), read.columns.size(), arena));
      return ReadOnce(plan, Bounded(deadline), &answers, may_be_stale);
    };
    Status status = WithRetry(read_all);
    if (status.code() == StatusCode::kAborted) {  // rows of features as they once were
      SALVER_RETURN_NOT_OK(WithRetry([&](bool* stale) { return LoadSchemas(stale); }));
      status = WithRetry(read_all);
      if (status.code() == StatusCode::kAborted) return Status::DataLoss(status.message());
    }
    if (!status.ok()) return status;
    return answers;
  }

  Result<WriteCounts> Write(const FeatureView& view, const OnlineBatch& batch, Deadline deadline) override {
    SALVER_ASSIGN(const BatchRows newest, NewestRows(view, batch));
    SALVER_ASSIGN(const PackedBatch packed, PackRows(view, batch, newest.rows));
    if (deadline.Passed()) return DeadlinePassed(view, "writing");
    SALVER_ASSIGN(WriteCounts counts, WriteRows(view, packed.view(), deadline));
    counts.older += newest.older;
    return counts;
  }

  Result<std::unique_ptr<OnlineLoad>> BeginLoad(
      std::span<const std::shared_ptr<const FeatureView>>) override {
    return std::unique_ptr<OnlineLoad>(new Load(this));
  }

  Status Apply(std::span<const std::shared_ptr<const FeatureView>>,
               std::span<const std::shared_ptr<const FeatureView>> drop) override {
    return options_.delete_on_drop ? Drop(drop) : Status::OK();
  }

  Status Teardown(std::span<const std::shared_ptr<const FeatureView>> views) override {
    SALVER_RETURN_NOT_OK(Drop(views));
    if (!options_.packed) return Status::OK();
    return WithRetry([&](bool* stale) { return AskAboutSchemas({"DEL", SchemasKey()}, stale, nullptr); });
  }

  OnlineCapabilities capabilities() const override {
    return {.persistent = true,
            .created_times = options_.packed,
            .atomic_rows = true,
            .drop = true,
            .time_to_live = true};
  }
  std::string_view durability() const override {
    return "an acknowledged row is in the memory of the Redis server; it survives power loss where the "
           "server runs with appendonly yes and appendfsync always";
  }
  std::string_view type() const override { return "redis"; }

 private:
  // Rows go to the server as they come: there is no transaction over many keys.
  class Load final : public OnlineLoad {
   public:
    explicit Load(RedisOnlineStore* store) : store_(store) {}
    Result<WriteCounts> Write(const FeatureView& view, const PackedRows& rows) override {
      return store_->WriteRows(view, rows, Deadline::Never());
    }
    Status SetMark(const FeatureView&, std::string_view) override { return Status::OK(); }
    int64_t bytes_held() const override { return 0; }
    Status Commit() override { return Status::OK(); }

   private:
    RedisOnlineStore* const store_;
  };

  Deadline Bounded(Deadline deadline) const {
    return Earlier(deadline, Deadline::After(std::chrono::milliseconds(options_.call_timeout_ms)));
  }

  // `once` says whether what it used may have been out of date: a connection from before a restart, a map
  // from before a failover. Then it is run a second time, with nothing old. All that is run here may be run
  // twice.
  template <typename Once>
  Status WithRetry(const Once& once) {
    bool may_be_stale = false;
    const Status status = once(&may_be_stale);
    if (status.code() != StatusCode::kUnavailable) return status;
    nodes_.Forget();
    return may_be_stale ? once(&may_be_stale) : status;
  }

  Result<std::unique_ptr<Connection>> Take(const NodeMap& map, size_t node, Deadline deadline,
                                           bool* may_be_stale) {
    bool pooled = false;
    auto connection = nodes_.Take(map.servers[node], deadline, &pooled);
    *may_be_stale = *may_be_stale || pooled || options_.deployment != RedisDeployment::kSingle;
    return connection;
  }

  Status ReadOnce(const ReadPlan& plan, Deadline deadline, std::vector<OnlineRows>* answers,
                  bool* may_be_stale) {
    SALVER_ASSIGN(const auto map, nodes_.Map(deadline));
    const std::vector<ReadPlan::Share> shares = plan.Compose(*map, options_.project);
    std::vector<std::unique_ptr<Connection>> connections(shares.size());
    // All servers work at the same time.
    for (size_t node = 0; node < shares.size(); ++node) {
      if (shares[node].targets.empty()) continue;
      SALVER_ASSIGN(connections[node], Take(*map, node, deadline, may_be_stale));
      SALVER_RETURN_NOT_OK(
          connections[node]->Send(shares[node].commands, shares[node].targets.size(), deadline));
    }
    Status status;
    for (size_t node = 0; node < shares.size(); ++node) {
      if (connections[node] == nullptr) continue;
      ReadTaker taker(plan, shares[node], connections[node]->where(), answers);
      SALVER_RETURN_NOT_OK(connections[node]->Receive(shares[node].targets.size(), &taker, deadline));
      if (status.ok()) status = taker.status();
      nodes_.Return(map->servers[node], std::move(connections[node]));
    }
    return status;
  }

  Result<std::unique_ptr<ScriptRuns>> Begin(const NodeMap& map, size_t node, Script script, Deadline deadline,
                                            bool* may_be_stale) {
    SALVER_ASSIGN(auto connection, Take(map, node, deadline, may_be_stale));
    std::string& name = connection->script_name(script);
    if (name.empty()) {
      const std::string_view text = script == kWriteScript ? layout_->write_script() : layout_->drop_script();
      SALVER_ASSIGN(Reply reply, connection->Ask({"SCRIPT", "LOAD", text}, deadline));
      name = std::move(reply.text);
    }
    std::string copy = name;
    return std::make_unique<ScriptRuns>(std::move(connection), std::move(copy), deadline);
  }

  Result<WriteCounts> WriteRows(const FeatureView& view, const PackedRows& rows, Deadline deadline) {
    WriteCounts counts;
    SALVER_RETURN_NOT_OK(WithRetry([&](bool* may_be_stale) {
      counts = {};
      return WriteOnce(view, rows, Bounded(deadline), &counts, may_be_stale);
    }));
    return counts;
  }

  // Schemas of packed rows: a hash of its own, id -> schema.
  std::string SchemasKey() const { return "salver:schemas:" + options_.project; }

  Status AskAboutSchemas(std::initializer_list<std::string_view> command, bool* may_be_stale, Reply* reply) {
    const Deadline deadline = Bounded(Deadline::Never());
    SALVER_ASSIGN(const auto map, nodes_.Map(deadline));
    const size_t node = map->NodeOf(SchemasKey());
    SALVER_ASSIGN(auto connection, Take(*map, node, deadline, may_be_stale));
    SALVER_ASSIGN(Reply answer, connection->Ask(command, deadline));
    nodes_.Return(map->servers[node], std::move(connection));
    if (reply != nullptr) *reply = std::move(answer);
    return Status::OK();
  }

  Status LoadSchemas(bool* may_be_stale) {
    Reply all;
    SALVER_RETURN_NOT_OK(AskAboutSchemas({"HVALS", SchemasKey()}, may_be_stale, &all));
    for (const Reply& one : all.elements) SALVER_RETURN_NOT_OK(schemas_.Add(one.text));
    return Status::OK();
  }

  // Before the rows: a reader that does not know the schema finds it. Asked for with every call, since a
  // server may forget it at any time.
  Status KeepSchema(const StoredSchema& stored, bool* may_be_stale) {
    return AskAboutSchemas({"HSET", SchemasKey(), std::to_string(stored.schema.id), stored.bytes},
                           may_be_stale, nullptr);
  }

  Status WriteOnce(const FeatureView& view, const PackedRows& rows, Deadline deadline, WriteCounts* counts,
                   bool* may_be_stale) {
    SALVER_ASSIGN(const auto map, nodes_.Map(deadline));
    const auto schema = schemas_.Of(view);
    if (options_.packed) SALVER_RETURN_NOT_OK(KeepSchema(*schema, may_be_stale));
    std::vector<std::unique_ptr<ScriptRuns>> runs(map->servers.size());
    std::string key, arguments;
    for (size_t i = 0; i < rows.rows.size(); ++i) {
      key.assign(rows.keys[i]);
      key.append(options_.project);
      std::unique_ptr<ScriptRuns>& run = runs[map->NodeOf(key)];
      if (run == nullptr) {
        SALVER_ASSIGN(run, Begin(*map, map->NodeOf(key), kWriteScript, deadline, may_be_stale));
      }
      arguments.clear();
      SALVER_ASSIGN(const size_t count, layout_->AppendRow(view, schema->schema, rows.rows[i], &arguments));
      SALVER_RETURN_NOT_OK(run->Add(key, arguments, count));
    }
    for (size_t node = 0; node < runs.size(); ++node) {
      if (runs[node] == nullptr) continue;
      SALVER_RETURN_NOT_OK(runs[node]->Finish());
      counts->written += runs[node]->counts().done();
      counts->older += runs[node]->counts().not_done();
      nodes_.Return(map->servers[node], runs[node]->TakeConnection());
    }
    return Status::OK();
  }

  // Every key of the views' entities is looked at once, however many views there are.
  Status Drop(std::span<const std::shared_ptr<const FeatureView>> views) {
    std::map<std::pair<std::string, size_t>, std::vector<const FeatureView*>> by_prefix;
    for (const auto& view : views) {
      SALVER_ASSIGN(const auto encoder, EntityKeyEncoder::Make(view->join_keys, options_.entity_key_version));
      by_prefix[{encoder.prefix(), std::max<size_t>(view->join_keys.size(), 1)}].push_back(view.get());
    }
    for (const auto& [keys, dropped] : by_prefix) {
      SALVER_RETURN_NOT_OK(WithRetry([&](bool* may_be_stale) -> Status {
        SALVER_ASSIGN(const auto map, nodes_.Map(Bounded(Deadline::Never())));
        for (size_t node = 0; node < map->servers.size(); ++node)
          SALVER_RETURN_NOT_OK(DropFrom(*map, node, keys.first, keys.second, dropped, may_be_stale));
        return Status::OK();
      }));
    }
    return Status::OK();
  }

  Status DropFrom(const NodeMap& map, size_t node, const std::string& prefix, size_t values,
                  const std::vector<const FeatureView*>& views, bool* may_be_stale) {
    const std::string pattern = ScanPattern(prefix, options_.project);
    std::string cursor = "0", arguments;
    do {
      const Deadline deadline = Bounded(Deadline::Never());
      SALVER_ASSIGN(auto connection, Take(map, node, deadline, may_be_stale));
      SALVER_ASSIGN(const Reply found,
                    connection->Ask({"SCAN", cursor, "MATCH", pattern, "COUNT", "1000"}, deadline));
      nodes_.Return(map.servers[node], std::move(connection));
      if (found.elements.size() != 2) return Status::DataLoss("the answer of Redis to SCAN can not be read.");
      cursor = found.elements[0].text;
      SALVER_ASSIGN(const auto runs, Begin(map, node, kDropScript, deadline, may_be_stale));
      for (const Reply& key : found.elements[1].elements) {
        if (!IsEntityKey(key.text, prefix, values, options_.project)) continue;
        for (const FeatureView* view : views) {
          arguments.clear();
          const size_t count = layout_->AppendDropped(*view, &arguments);
          SALVER_RETURN_NOT_OK(runs->Add(key.text, arguments, count));
        }
      }
      SALVER_RETURN_NOT_OK(runs->Finish());
      nodes_.Return(map.servers[node], runs->TakeConnection());
    } while (cursor != "0");
    return Status::OK();
  }

  const RedisOptions options_;
  PackedSchemas schemas_;
  const std::unique_ptr<Layout> layout_;
  WholeHashes whole_hashes_;
  Nodes nodes_;
};

}  // namespace
}  // namespace redis

std::unique_ptr<OnlineStore> NewRedisOnlineStore(const RedisOptions& options) {
  return std::make_unique<redis::RedisOnlineStore>(options);
}

}  // namespace salver
