#include "postgres/connection.h"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/one_line.h"
#include "base/socket_wait.h"
#include "postgres/libpq.h"

namespace salver::postgres {
namespace {

// How long a wait goes on before it looks whether it was cancelled.
constexpr std::chrono::milliseconds kLookTime{50};

struct FreeResult {
  void operator()(PGresult* result) const { Pq().clear(result); }
};
using PgResult = std::unique_ptr<PGresult, FreeResult>;

// libpq's messages have lines and indentation; ours have sentences, whose end is ours.
std::string OneLine(const char* message) {
  std::string text = OnOneLine(message == nullptr ? "" : message);
  while (!text.empty() && (text.back() == ' ' || text.back() == '.')) text.pop_back();
  return text;
}

std::string FieldOf(const PGresult* result, int field) {
  const char* text = Pq().resultErrorField(result, field);
  return text == nullptr ? "" : text;
}

StatusCode CodeOfState(const std::string& state) {
  struct Class {
    std::string_view prefix;
    StatusCode code;
  };
  static constexpr Class kClasses[] = {
      {"42P01", StatusCode::kNotFound},          // no such table
      {"3D000", StatusCode::kNotFound},          // no such database
      {"3F000", StatusCode::kNotFound},          // no such schema
      {"42501", StatusCode::kPermissionDenied},  // the role may not
      {"28", StatusCode::kPermissionDenied},     // user, password
      {"57014", StatusCode::kDeadlineExceeded},  // statement timeout; the message tells it from a cancel
      {"57P", StatusCode::kUnavailable},         // the server stops, starts or has dropped us
      {"08", StatusCode::kUnavailable},          // connection
      {"53", StatusCode::kResourceExhausted},    // disk, memory, connections
      {"54", StatusCode::kResourceExhausted},    // too complex
      {"40", StatusCode::kAborted},              // serialization, deadlock
      {"55", StatusCode::kFailedPrecondition},   // lock not available, object in use
      {"25", StatusCode::kFailedPrecondition},   // read-only transaction
      {"0A", StatusCode::kUnimplemented},        // not in this server
      {"58", StatusCode::kUnavailable},          // the server's own files
      {"XX", StatusCode::kInternal},             // the server's own defects
  };
  for (const Class& one : kClasses) {
    if (state.starts_with(one.prefix)) return one.code;
  }
  return StatusCode::kInvalidArgument;
}

StatusCode CodeOfConnectFailure(const std::string& message) {
  // Before the first message of a session libpq keeps no SQLSTATE, only the server's words.
  if (message.find("password authentication failed") != std::string::npos ||
      message.find("no pg_hba.conf entry") != std::string::npos ||
      message.find("role \"") != std::string::npos ||
      message.find("no password supplied") != std::string::npos)
    return StatusCode::kPermissionDenied;
  if (message.find("database \"") != std::string::npos && message.find("does not exist") != std::string::npos)
    return StatusCode::kNotFound;
  if (message.find("invalid sslmode") != std::string::npos ||
      message.find("does not support SSL") != std::string::npos ||
      message.find("certificate") != std::string::npos)
    return StatusCode::kFailedPrecondition;
  return StatusCode::kUnavailable;
}

std::string AdviceFor(StatusCode code, const std::string& section) {
  switch (code) {
    case StatusCode::kPermissionDenied:
      return " Check " + section + "'s user and password.";
    case StatusCode::kNotFound:
      return " Check " + section + "'s database.";
    case StatusCode::kFailedPrecondition:
      return " Check " + section + "'s sslmode and certificates; sslmode: disable speaks without TLS.";
    default:
      return " Check " + section + "'s host and port, and that the server runs.";
  }
}

std::string Quoted(std::string_view text, char quote) {
  std::string quoted(1, quote);
  for (const char c : text) {
    if (c == quote) quoted += quote;
    quoted += c;
  }
  return quoted + quote;
}

}  // namespace

std::string QuoteIdentifier(std::string_view name) {
  return Quoted(name, '"');
}

std::string QuoteLiteral(std::string_view text) {
  // An E'' literal means the same with and without standard_conforming_strings.
  std::string doubled;
  for (const char c : text) {
    if (c == '\\') doubled += '\\';
    doubled += c;
  }
  return (doubled.size() == text.size() ? "" : " E") + Quoted(doubled, '\'');
}

class Connection::Handle {
 public:
  explicit Handle(PGconn* connection) : connection_(connection) {}
  ~Handle() { Close(); }
  PGconn* get() const { return connection_; }

  void Close() {
    if (connection_ != nullptr) Pq().finish(connection_);
    connection_ = nullptr;
  }

  // Tells the server to give up the statement, then closes. The request has a connection of its own, and
  // libpq waits for it without an end: when the server hangs, the caller must not.
  void CancelAndClose() {
    if (connection_ == nullptr) return;
    if (PGcancel* cancel = Pq().getCancel(connection_)) {
      std::thread([cancel] {
        char problem[256];
        Pq().cancel(cancel, problem, sizeof(problem));
        Pq().freeCancel(cancel);
      }).detach();
    }
    Close();
  }

 private:
  PGconn* connection_;
};

Connection::Connection(std::unique_ptr<Handle> handle, const CallLimits& limits, std::string where)
    : handle_(std::move(handle)), limits_(limits), where_(std::move(where)) {}

Connection::~Connection() = default;

namespace {

// Until the socket is ready. OK, DeadlineExceeded or Cancelled.
Status WaitFor(int socket, bool to_write, const CallLimits& limits, const std::string& where) {
  const auto is_cancelled = [&] {
    return limits.cancelled != nullptr && limits.cancelled->load(std::memory_order_relaxed);
  };
  const auto events = static_cast<short>(to_write ? POLLIN | POLLOUT : POLLIN);
  while (!is_cancelled()) {
    auto until = limits.deadline.at();
    if (limits.cancelled != nullptr) until = std::min(until, std::chrono::steady_clock::now() + kLookTime);
    if (WaitForSocket(socket, events, until)) return Status::OK();
    if (limits.deadline.Passed())
      return Status::DeadlineExceeded(where + ": no answer in time. Nothing was changed; try again.");
  }
  return Status::Cancelled(where + ": the call was cancelled. Nothing was changed.");
}

// libpq's keywords and values. `texts` keeps what the pointers point at.
PGconn* StartConnecting(const PostgresOptions& options) {
  const std::vector<std::pair<const char*, std::string>> parameters = {
      {"host", options.host},
      {"port", std::to_string(options.port)},
      {"dbname", options.database},
      {"user", options.user},
      {"password", options.password.Reveal()},
      {"sslmode", options.sslmode},
      {"sslkey", options.sslkey_path},
      {"sslcert", options.sslcert_path},
      {"sslrootcert", options.sslrootcert_path},
      {"keepalives_idle", options.keepalives_idle_s > 0 ? std::to_string(options.keepalives_idle_s) : ""},
      {"client_encoding", "UTF8"},
      {"application_name", "salver"}};
  std::vector<const char*> keywords, values;
  for (const auto& [keyword, value] : parameters) {
    if (value.empty()) continue;
    keywords.push_back(keyword);
    values.push_back(value.c_str());
  }
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  return Pq().connectStartParams(keywords.data(), values.data(), /*expand_dbname=*/0);
}

}  // namespace

Result<std::unique_ptr<Connection>> Connection::Open(const PostgresOptions& options,
                                                     const CallLimits& limits) {
  const std::string where = "postgres server \"" + options.host + ":" + std::to_string(options.port) + "\"";
  CallLimits connecting = limits;
  if (options.connect_timeout_s > 0) {
    const auto own = Deadline::After(std::chrono::seconds(options.connect_timeout_s));
    if (own.at() < limits.deadline.at()) connecting.deadline = own;
  }
  SALVER_RETURN_NOT_OK(LoadLibpq());
  auto handle = std::make_unique<Handle>(StartConnecting(options));
  if (handle->get() == nullptr) return Status::ResourceExhausted(where + ": no memory for a connection.");
  PostgresPollingStatusType state = PGRES_POLLING_WRITING;
  while (Pq().status(handle->get()) != CONNECTION_BAD && state != PGRES_POLLING_OK &&
         state != PGRES_POLLING_FAILED) {
    SALVER_RETURN_NOT_OK(
        WaitFor(Pq().socket(handle->get()), state == PGRES_POLLING_WRITING, connecting, where));
    state = Pq().connectPoll(handle->get());
  }
  if (Pq().status(handle->get()) != CONNECTION_OK) {
    const std::string message = OneLine(Pq().errorMessage(handle->get()));
    const StatusCode code = CodeOfConnectFailure(message);
    return Status(code, where + " can not be used: " + message + "." + AdviceFor(code, options.section),
                  Reason::kBadSource);
  }
  Pq().setnonblocking(handle->get(), 1);
  // Notices of the server would go to stderr.
  Pq().setNoticeProcessor(handle->get(), [](void*, const char*) {}, nullptr);
  return std::unique_ptr<Connection>(new Connection(std::move(handle), limits, where));
}

Status Connection::Wait(bool to_write) {
  const Status status = WaitFor(Pq().socket(handle_->get()), to_write, limits_, where_);
  if (!status.ok()) handle_->CancelAndClose();
  return status;
}

Status Connection::Lost() {
  const std::string message = OneLine(Pq().errorMessage(handle_->get()));
  handle_->Close();
  return Status::Unavailable(where_ + ": the connection was lost: " + message +
                                 ". What was not committed is undone; try again when the server is back.",
                             Reason::kBadSource);
}

Status Connection::Refused(const void* opaque) {
  const auto* result = static_cast<const PGresult*>(opaque);
  sqlstate_ = FieldOf(result, PG_DIAG_SQLSTATE);
  if (sqlstate_.empty()) return Lost();  // libpq's own words: the server sent no more
  StatusCode code = CodeOfState(sqlstate_);
  std::string text = where_ + ": " + OneLine(FieldOf(result, PG_DIAG_MESSAGE_PRIMARY).c_str());
  for (const int field : {PG_DIAG_MESSAGE_DETAIL, PG_DIAG_MESSAGE_HINT, PG_DIAG_CONTEXT}) {
    if (const std::string more = OneLine(FieldOf(result, field).c_str()); !more.empty()) text += ". " + more;
  }
  text += " (" + sqlstate_ + ").";
  if (sqlstate_ == "57014" && text.find("statement timeout") == std::string::npos)
    code = StatusCode::kCancelled;
  if (code == StatusCode::kDeadlineExceeded) text += " Raise statement_timeout_seconds, or ask for less.";
  return Status(code, text, Reason::kBadSource);
}

Status Connection::Flush() {
  for (;;) {
    const int left = Pq().flush(handle_->get());
    if (left == 0) return Status::OK();
    if (left < 0) return Lost();
    SALVER_RETURN_NOT_OK(Wait(/*to_write=*/true));
    // The server may have something to say before it takes more.
    if (Pq().consumeInput(handle_->get()) == 0) return Lost();
  }
}

Status Connection::Ready() {
  sqlstate_.clear();
  if (handle_->get() != nullptr) return Status::OK();
  return Status::Unavailable(where_ + ": the connection was closed by an earlier error.");
}

Status Connection::Start(const std::string& sql) {
  SALVER_RETURN_NOT_OK(Ready());
  // With parameters, even none, the server takes one statement only.
  if (Pq().sendQueryParams(handle_->get(), sql.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 0) == 0)
    return Lost();
  return Flush();
}

namespace {

bool IsError(const PGresult* result) {
  const auto status = Pq().resultStatus(result);
  return status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE;
}

void AppendRows(const PGresult* result, TextRows* rows) {
  for (int row = 0; row < Pq().ntuples(result); ++row) {
    auto& cells = rows->emplace_back();
    for (int column = 0; column < Pq().nfields(result); ++column) {
      if (Pq().getisnull(result, row, column) != 0) {
        cells.emplace_back();
      } else {
        cells.emplace_back(std::string(Pq().getvalue(result, row, column),
                                       static_cast<size_t>(Pq().getlength(result, row, column))));
      }
    }
  }
}

}  // namespace

// Reads answers until the statement is over; the first error is the one that counts.
Status Connection::ReadAll(TextRows* rows) {
  Status status;
  for (;;) {
    while (Pq().isBusy(handle_->get()) != 0) {
      SALVER_RETURN_NOT_OK(Wait(/*to_write=*/false));
      if (Pq().consumeInput(handle_->get()) == 0) return status.ok() ? Lost() : status;
    }
    const PgResult result(Pq().getResult(handle_->get()));
    if (result == nullptr) return status;
    if (IsError(result.get()) && status.ok()) status = Refused(result.get());
    if (handle_->get() == nullptr) return status;
    if (Pq().resultStatus(result.get()) == PGRES_COPY_IN ||
        Pq().resultStatus(result.get()) == PGRES_COPY_OUT) {
      handle_->Close();
      return Status::Internal(where_ + ": a statement began a COPY where none was asked for.");
    }
    if (rows != nullptr) AppendRows(result.get(), rows);
  }
}

Result<TextRows> Connection::Query(const std::string& sql) {
  SALVER_RETURN_NOT_OK(Start(sql));
  TextRows rows;
  SALVER_RETURN_NOT_OK(ReadAll(&rows));
  return rows;
}

Status Connection::Execute(const std::string& sql) {
  SALVER_RETURN_NOT_OK(Start(sql));
  return ReadAll(nullptr);
}

std::optional<std::string_view> ResultRow::operator[](int column) const {
  const auto* result = static_cast<const PGresult*>(result_);
  if (Pq().getisnull(result, row_, column) != 0) return std::nullopt;
  return std::string_view(Pq().getvalue(result, row_, column),
                          static_cast<size_t>(Pq().getlength(result, row_, column)));
}

bool Connection::usable() const {
  return handle_->get() != nullptr;
}

Status Connection::SendStatement(const Statement& statement, bool* prepares) {
  const auto [found, is_new] = prepared_.try_emplace(statement.sql, "s" + std::to_string(prepared_.size()));
  const std::string& name = found->second;
  const int count = static_cast<int>(statement.parameters.size());
  *prepares = is_new;
  if (is_new && Pq().sendPrepare(handle_->get(), name.c_str(), statement.sql.c_str(), count,
                                 statement.types.data()) == 0)
    return Lost();
  std::vector<const char*> values;
  std::vector<int> lengths;
  const std::vector<int> formats(statement.parameters.size(), 1);
  for (const std::string& parameter : statement.parameters) {
    values.push_back(parameter.data());
    lengths.push_back(static_cast<int>(parameter.size()));
  }
  return Pq().sendQueryPrepared(handle_->get(), name.c_str(), count, values.data(), lengths.data(),
                                formats.data(),
                                /*resultFormat=*/1) == 0
             ? Lost()
             : Status::OK();
}

// The answers to one message, up to the null that ends them.
Status Connection::TakeResults(size_t statement,
                               const std::function<Status(size_t, const ResultRow&)>& take) {
  Status status;
  for (;;) {
    SALVER_RETURN_NOT_OK(WaitForResult());
    const PgResult result(Pq().getResult(handle_->get()));
    if (result == nullptr) return status;
    if (IsError(result.get()) && status.ok()) status = Refused(result.get());
    if (handle_->get() == nullptr) return status;
    for (int row = 0; status.ok() && row < Pq().ntuples(result.get()); ++row)
      status = take(statement, ResultRow(result.get(), row));
  }
}

Status Connection::Run(std::span<const Statement> statements,
                       const std::function<Status(size_t, const ResultRow&)>& take, size_t* first_failed) {
  SALVER_RETURN_NOT_OK(Ready());
  if (Pq().enterPipelineMode(handle_->get()) == 0) return Lost();
  std::vector<size_t> answers;  // of which statement each will be
  for (size_t i = 0; i < statements.size(); ++i) {
    bool prepares = false;
    SALVER_RETURN_NOT_OK(SendStatement(statements[i], &prepares));
    answers.insert(answers.end(), prepares ? 2 : 1, i);
  }
  if (Pq().pipelineSync(handle_->get()) == 0) return Lost();
  SALVER_RETURN_NOT_OK(Flush());
  Status status;
  std::string sqlstate;
  for (const size_t statement : answers) {
    // Behind an error the server passes over the rest.
    const Status taken = TakeResults(statement, take);
    if (handle_->get() == nullptr) return status.ok() ? taken : status;
    if (!status.ok() || taken.ok()) continue;
    status = taken;
    sqlstate = sqlstate_;
    if (first_failed != nullptr) *first_failed = statement;
  }
  SALVER_RETURN_NOT_OK(WaitForResult());
  const PgResult end(Pq().getResult(handle_->get()));  // of the pipeline
  sqlstate_ = sqlstate;
  if (!status.ok()) prepared_.clear();  // nobody knows which of them are there; unused names do no harm
  if (Pq().exitPipelineMode(handle_->get()) == 0 || !status.ok()) handle_->Close();
  return status;
}

Result<std::vector<ColumnDescription>> Connection::Describe(const std::string& sql) {
  SALVER_RETURN_NOT_OK(Ready());
  if (Pq().sendPrepare(handle_->get(), "", sql.c_str(), 0, nullptr) == 0) return Lost();
  SALVER_RETURN_NOT_OK(Flush());
  SALVER_RETURN_NOT_OK(ReadAll(nullptr));
  if (Pq().sendDescribePrepared(handle_->get(), "") == 0) return Lost();
  SALVER_RETURN_NOT_OK(Flush());
  std::vector<ColumnDescription> columns;
  for (;;) {
    SALVER_RETURN_NOT_OK(WaitForResult());
    const PgResult result(Pq().getResult(handle_->get()));
    if (result == nullptr) return columns;
    if (IsError(result.get())) {
      const Status status = Refused(result.get());
      if (handle_->get() != nullptr) (void)ReadAll(nullptr);
      return status;
    }
    for (int i = 0; i < Pq().nfields(result.get()); ++i)
      columns.push_back(
          {Pq().fname(result.get(), i), Pq().ftype(result.get(), i), Pq().fmod(result.get(), i)});
  }
}

Status Connection::WaitForResult() {
  while (Pq().isBusy(handle_->get()) != 0) {
    SALVER_RETURN_NOT_OK(Wait(/*to_write=*/false));
    if (Pq().consumeInput(handle_->get()) == 0) return Lost();
  }
  return Status::OK();
}

Status Connection::BeginCopy(const std::string& sql, int expected) {
  SALVER_RETURN_NOT_OK(Start(sql));
  SALVER_RETURN_NOT_OK(WaitForResult());
  const PgResult begun(Pq().getResult(handle_->get()));
  if (Pq().resultStatus(begun.get()) == expected) return Status::OK();
  const Status status =
      IsError(begun.get()) ? Refused(begun.get()) : Status::Internal(where_ + ": COPY did not begin.");
  if (handle_->get() != nullptr) (void)ReadAll(nullptr);
  return status;
}

// One message of COPY OUT, or the wait for it.
Status Connection::CopyRow(bool* more, const std::function<Status(std::span<const uint8_t>)>& take) {
  char* buffer = nullptr;
  const int size = Pq().getCopyData(handle_->get(), &buffer, /*async=*/1);
  if (size == 0) {
    SALVER_RETURN_NOT_OK(Wait(/*to_write=*/false));
    return Pq().consumeInput(handle_->get()) == 0 ? Lost() : Status::OK();
  }
  if (size < 0) {
    *more = false;
    return size == -1 ? Status::OK() : Lost();
  }
  const Status status =
      take(std::span<const uint8_t>(reinterpret_cast<const uint8_t*>(buffer), static_cast<size_t>(size)));
  Pq().freemem(buffer);
  return status;
}

namespace {

constexpr int kRowsBetweenLooks = 1024;

}  // namespace

Status Connection::CopyOut(const std::string& sql,
                           const std::function<Status(std::span<const uint8_t>)>& take) {
  SALVER_RETURN_NOT_OK(BeginCopy(sql, PGRES_COPY_OUT));
  bool more = true;
  for (int64_t row = 1; more; ++row) {
    // Rows that come without a wait must not keep a cancelled call going.
    const bool look = row % kRowsBetweenLooks == 0;
    Status status =
        look && ((limits_.cancelled != nullptr && limits_.cancelled->load()) || limits_.deadline.Passed())
            ? Wait(/*to_write=*/false)
            : CopyRow(&more, take);
    if (!status.ok()) {
      handle_->CancelAndClose();
      return status;
    }
  }
  return ReadAll(nullptr);
}

Status Connection::Send(const std::string& piece) {
  for (;;) {
    const int sent = Pq().putCopyData(handle_->get(), piece.data(), static_cast<int>(piece.size()));
    if (sent > 0) return Flush();
    if (sent < 0) return Lost();
    SALVER_RETURN_NOT_OK(Wait(/*to_write=*/true));
    if (Pq().consumeInput(handle_->get()) == 0) return Lost();
  }
}

Status Connection::EndCopyIn(const char* problem) {
  for (;;) {
    const int ended = Pq().putCopyEnd(handle_->get(), problem);
    if (ended < 0) return Lost();
    if (ended > 0) break;
    SALVER_RETURN_NOT_OK(Wait(/*to_write=*/true));
  }
  SALVER_RETURN_NOT_OK(Flush());
  return ReadAll(nullptr);
}

Status Connection::CopyIn(const std::string& sql, const std::function<Result<bool>(std::string*)>& give) {
  SALVER_RETURN_NOT_OK(BeginCopy(sql, PGRES_COPY_IN));
  for (std::string piece;;) {
    const auto more = give(&piece);
    if (!more.ok()) {
      (void)EndCopyIn("the client has no more rows to give");
      return more.status();
    }
    if (!*more) return EndCopyIn(nullptr);
    SALVER_RETURN_NOT_OK(Send(piece));
  }
}

}  // namespace salver::postgres
