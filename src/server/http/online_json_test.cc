// What stands around the values of an answer: the same for columns of one view, else not. The golden answers
// and test/e2e compare values of every type with Feast's.
#include "server/http/online_json.h"

#include <array>
#include <vector>

#include <gtest/gtest.h>

namespace salver {
namespace {

class OnlineJsonTest : public testing::Test {
 protected:
  // Of the view whose statuses and times these are.
  void Add(std::vector<OnlineCell> cells, std::span<const FieldStatus> statuses, const int64_t* event_us) {
    cells_.push_back(std::move(cells));
    response_.columns.push_back({.name = "a",
                                 .type = ValueType::kInt64,
                                 .cells = cells_.back().data(),
                                 .statuses = statuses,
                                 .event_us = event_us});
  }
  std::string Results(size_t rows) {
    response_.row_count = rows;
    response_.names_json = "[]";
    const std::string text = EncodeOnlineJson(response_, false);
    constexpr std::string_view kBefore = "{\"results\":", kBehind = ",\"metadata\":{\"feature_names\":[]}}";
    EXPECT_TRUE(text.starts_with(kBefore) && text.ends_with(kBehind)) << text;
    return text.substr(kBefore.size(), text.size() - kBefore.size() - kBehind.size());
  }

 private:
  OnlineResponse response_;
  std::vector<std::vector<OnlineCell>> cells_;
};

constexpr std::array kPresent = {FieldStatus::kPresent, FieldStatus::kPresent};
constexpr std::array kMixed = {FieldStatus::kNotFound, FieldStatus::kOutsideMaxAge};
constexpr std::array<int64_t, 2> kTimes = {1'000'000, 2'500'000};

std::string Column(std::string_view values, std::string_view statuses, std::string_view times) {
  std::string text = "{\"values\":[";
  ((((text += values) += "],\"statuses\":[") += statuses) += "],\"event_timestamps\":[") += times;
  return text += "]}";
}

TEST_F(OnlineJsonTest, ColumnsOfViewsThatAlternateHaveTheStatesOfTheirOwn) {
  const auto cells = [](int64_t value) { return std::vector{OnlineCell::Integer(value), OnlineCell()}; };
  Add(cells(1), kPresent, nullptr);
  Add(cells(2), kPresent, kTimes.data());
  Add(cells(3), kMixed, kTimes.data());
  Add(cells(4), kMixed, kTimes.data());
  Add(cells(5), kPresent, kTimes.data());
  const std::string present = "\"PRESENT\",\"PRESENT\"", mixed = "\"NOT_FOUND\",\"OUTSIDE_MAX_AGE\"";
  const std::string first = "\"1970-01-01T00:00:00Z\",\"1970-01-01T00:00:00Z\"";
  const std::string times = "\"1970-01-01T00:00:01Z\",\"1970-01-01T00:00:02.500000Z\"";
  EXPECT_EQ(Results(2), "[" + Column("1,null", present, first) + "," + Column("2,null", present, times) +
                            "," + Column("3,null", mixed, times) + "," + Column("4,null", mixed, times) +
                            "," + Column("5,null", present, times) + "]");
}

TEST_F(OnlineJsonTest, ColumnsWithoutRowsAreWhole) {
  Add({}, {}, nullptr);
  Add({}, {}, nullptr);
  EXPECT_EQ(Results(0), "[" + Column("", "", "") + "," + Column("", "", "") + "]");
}

TEST_F(OnlineJsonTest, NoColumnsAreAnEmptyArray) {
  EXPECT_EQ(Results(0), "[]");
}

}  // namespace
}  // namespace salver
