#include "online/value_text.h"

#include <gtest/gtest.h>

#include <limits>

namespace salver {
namespace {

std::string TextOf(const OnlineCell& cell, ValueType type) {
  std::string text;
  return ValueText(cell, type, &text) ? text : "none";
}

// The expected texts are what Python's str() gives.
TEST(ValueText, NumbersAreWrittenAsPythonWritesThem) {
  const std::pair<double, const char*> cases[] = {{0.0, "0.0"},
                                                  {-0.0, "-0.0"},
                                                  {1.0, "1.0"},
                                                  {0.1, "0.1"},
                                                  {-2.5, "-2.5"},
                                                  {100.0, "100.0"},
                                                  {0.0001, "0.0001"},
                                                  {0.00001, "1e-05"},
                                                  {1.5e-7, "1.5e-07"},
                                                  {123456789.125, "123456789.125"},
                                                  {1e15, "1000000000000000.0"},
                                                  {1e16, "1e+16"},
                                                  {1.7976931348623157e308, "1.7976931348623157e+308"},
                                                  {5e-324, "5e-324"},
                                                  {double(0.3f), "0.30000001192092896"},
                                                  {std::numeric_limits<double>::quiet_NaN(), "nan"},
                                                  {-std::numeric_limits<double>::infinity(), "-inf"}};
  for (const auto& [value, text] : cases)
    EXPECT_EQ(TextOf(OnlineCell::Real(value), ValueType::kDouble), text);
  EXPECT_EQ(TextOf(OnlineCell::Integer(-7), ValueType::kInt64), "-7");
  EXPECT_EQ(TextOf(OnlineCell::Integer(1), ValueType::kBool), "True");
  EXPECT_EQ(TextOf(OnlineCell::Bytes("x"), ValueType::kString), "x");
  EXPECT_EQ(TextOf(OnlineCell::Integer(1), ValueType::kUnixTimestamp), "none");
  EXPECT_EQ(TextOf(OnlineCell(), ValueType::kDouble), "none");
}

}  // namespace
}  // namespace salver
