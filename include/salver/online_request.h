// An online request and its answer, columns in and columns out, before any wire format.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "salver/online_rows.h"
#include "salver/value_type.h"

namespace salver {

// One value of an entity column as the caller wrote it; converted to the join key's type by serving:
// "1001", 1001.5 and true become 1001, 1001 and 1 for an integer key, as Feast does.
using EntityValue = std::variant<std::monostate /* null */, bool, int64_t, double, std::string_view>;

struct EntityColumn {
  std::string_view name;
  std::vector<EntityValue> values;
};

struct OnlineRequest {
  std::vector<std::string_view> features;  // "view:feature"; exclusive with feature_service
  std::string_view feature_service;
  std::vector<EntityColumn>
      entities;  // all of one length; the views below `features` stay alive during the call
  bool full_feature_names = false;
};

// Numbers of feast.serving.FieldStatus.
enum class FieldStatus : uint8_t {
  kInvalid = 0,
  kPresent = 1,
  kNullValue = 2,
  kNotFound = 3,
  kOutsideMaxAge = 4
};
const char* FieldStatusName(FieldStatus status);

// One column of the answer: N rows. OnlineResponse::owner has all that it points at.
struct OnlineColumn {
  std::string_view name;
  ValueType type = ValueType::kInvalid;
  const OnlineCell* cells = nullptr;      // N cells; expired ones are already null (config `expired_values`)
  std::span<const FieldStatus> statuses;  // N
  const int64_t* event_us = nullptr;      // N; null: all 1970-01-01 (join keys)
  std::string_view struct_schema;         // of a STRUCT: its fields, as Field has them
};

// Where the time of a request went.
struct OnlineTimes {
  using Time = std::chrono::steady_clock::time_point;
  Time planned;  // when the plan was found or compiled and the keys encoded: the store was asked
  Time read;     // when it had answered
};

// Join keys first, then features in request (or service) order.
struct OnlineResponse {
  OnlineTimes times;
  size_t row_count = 0;
  std::vector<OnlineColumn> columns;
  std::string_view
      names_json;  // the columns' names as a JSON array; most answers have the names of one before
  struct ViewVersion {
    std::string_view name;
    int version = 0;
    size_t column = 0;    // one of its features, among `columns`; they all share their statuses
    size_t features = 0;  // how many of them were asked for
  };
  std::vector<ViewVersion> views;     // in request order, for include_feature_view_version_metadata
  std::shared_ptr<const void> owner;  // keeps names, cells, statuses and bytes alive
};

}  // namespace salver
