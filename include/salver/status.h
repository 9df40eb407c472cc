// Status and Result<T>: what every function that can fail returns across a public boundary.
//
// A Status has a canonical code (the gRPC ones), a Reason that programs branch on, and a message for people:
// what was asked, what was found, where, and what to do. Exceptions of other libraries stop in the adapter
// that calls them and become a Status there.
//
// Thread safety: values; safe to copy and to read from any thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace salver {

enum class StatusCode {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
};

// Spelled as in messages: "NotFound".
const char* StatusCodeName(StatusCode code);

// Finer than the code, stable, and what src/server/feast_errors.cc maps to Feast's classes and texts.
enum class Reason {
  kNone,
  kViewNotFound,
  kServiceNotFound,
  kFeatureNotFound,
  kObjectNotFound,
  kPushSourceNotFound,
  kBadFeatureReference,
  kNoFeatures,
  kNameCollision,
  kMissingJoinKey,
  kRaggedRows,
  kNullJoinKey,
  kBadKeyValue,
  kBadFeatureValue,
  kMissingColumns,
  kMissingRequestData,
  kBadPushMode,
  kBadTimestamp,
  kBadTimeRange,
  kViewState,
  kViewNotMaterializable,
  kVersionedReference,
  kNotExecutedYet,
  kBadDefinition,
  kBadConfig,
  kBadSource,
  kRegistryConflict,
  kCorrupt,
  kLimit,
  kReadOnly,
  kFeatureGroupNotFound,
  kSchemaValidation,       // written rows do not fit their feature group's schema
  kMaterializationFailed,  // rows of a feature group could not be written
  kVirtualizationQuery,    // the SQL of a virtual feature failed, or took too long
  kMetadata,               // what is known of a feature group contradicts what was asked
  kFeatureRegistry,        // the registry behind the feature groups can not be read or written
};

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code, std::string message, Reason reason = Reason::kNone)
      : state_(std::make_shared<const State>(State{code, reason, std::move(message)})) {}

  static Status OK() { return {}; }
  static Status Cancelled(std::string m, Reason r = Reason::kNone) {
    return {StatusCode::kCancelled, std::move(m), r};
  }
  static Status InvalidArgument(std::string m, Reason r = Reason::kNone) {
    return {StatusCode::kInvalidArgument, std::move(m), r};
  }
  static Status DeadlineExceeded(std::string m, Reason r = Reason::kNone) {
    return {StatusCode::kDeadlineExceeded, std::move(m), r};
  }
  static Status NotFound(std::string m, Reason r = Reason::kNone) {
    return {StatusCode::kNotFound, std::move(m), r};
  }
  static Status AlreadyExists(std::string m, Reason r = Reason::kNone) {
    return {StatusCode::kAlreadyExists, std::move(m), r};
  }
  static Status ResourceExhausted(std::string m, Reason r = Reason::kNone) {
    return {StatusCode::kResourceExhausted, std::move(m), r};
  }
  static Status FailedPrecondition(std::string m, Reason r = Reason::kNone) {
    return {StatusCode::kFailedPrecondition, std::move(m), r};
  }
  static Status Aborted(std::string m, Reason r = Reason::kNone) {
    return {StatusCode::kAborted, std::move(m), r};
  }
  static Status Unimplemented(std::string m, Reason r = Reason::kNone) {
    return {StatusCode::kUnimplemented, std::move(m), r};
  }
  static Status Internal(std::string m, Reason r = Reason::kNone) {
    return {StatusCode::kInternal, std::move(m), r};
  }
  static Status Unavailable(std::string m, Reason r = Reason::kNone) {
    return {StatusCode::kUnavailable, std::move(m), r};
  }
  static Status DataLoss(std::string m, Reason r = Reason::kCorrupt) {
    return {StatusCode::kDataLoss, std::move(m), r};
  }

  bool ok() const { return state_ == nullptr; }
  StatusCode code() const { return state_ ? state_->code : StatusCode::kOk; }
  Reason reason() const { return state_ ? state_->reason : Reason::kNone; }
  const std::string& message() const;
  // "NotFound: feature view ..."; "OK" when ok.
  std::string ToString() const;

 private:
  struct State {
    StatusCode code;
    Reason reason;
    std::string message;
  };
  std::shared_ptr<const State> state_;  // null is OK, so the happy path allocates nothing
};

// A value or the Status that says why there is none. Reading the value of an error is a bug (asserts).
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<1>, std::move(value)) {}         // NOLINT(implicit by design)
  Result(Status status) : state_(std::in_place_index<0>, std::move(status)) {}  // NOLINT(implicit by design)

  bool ok() const { return state_.index() == 1; }
  Status status() const { return ok() ? Status() : std::get<0>(state_); }
  T& value() & { return std::get<1>(state_); }
  const T& value() const& { return std::get<1>(state_); }
  T&& value() && { return std::get<1>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<Status, T> state_;
};

}  // namespace salver

#define SALVER_CONCAT_(a, b) a##b
#define SALVER_CONCAT(a, b) SALVER_CONCAT_(a, b)
// Returns the error of `expression`, if it is one, from the calling function.
#define SALVER_RETURN_NOT_OK(expression)                                                 \
  do {                                                                                   \
    if (auto salver_status_ = (expression); !salver_status_.ok()) return salver_status_; \
  } while (false)
// SALVER_ASSIGN(auto rows, Read(...)): declares `rows`, or returns the error.
#define SALVER_ASSIGN_IMPL(result, declaration, ...) \
  auto result = (__VA_ARGS__);                       \
  if (!result.ok()) return result.status();          \
  declaration = std::move(result).value()
#define SALVER_ASSIGN(declaration, ...) \
  SALVER_ASSIGN_IMPL(SALVER_CONCAT(salver_result_, __LINE__), declaration, __VA_ARGS__)
