// Which format a client gets, and what the Arrow one holds. test/e2e/arrow_answer_test.py compares every type
// with the JSON answer.
#include "server/http/arrow_answer.h"

#include <arrow/array.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <arrow/record_batch.h>

#include <gtest/gtest.h>

#include "server/serving_fixture.h"

namespace salver {
namespace {

TEST(ChooseFormatTest, TakesWhatTheClientRatesHigherThenWhatItNamesMoreExactly) {
  const struct {
    std::string_view accept;
    AnswerFormat format;
  } kCases[] = {
      {"", AnswerFormat::kJson},
      {"*/*", AnswerFormat::kJson},
      {"application/*", AnswerFormat::kJson},
      {"text/html, application/xhtml+xml, */*;q=0.8", AnswerFormat::kJson},
      {"application/json; charset=utf-8", AnswerFormat::kJson},
      {"application/vnd.apache.arrow.stream", AnswerFormat::kArrowStream},
      {"Application/VND.Apache.Arrow.Stream", AnswerFormat::kArrowStream},
      {"application/vnd.apache.arrow.stream, */*", AnswerFormat::kArrowStream},
      {"application/vnd.apache.arrow.stream, application/json", AnswerFormat::kJson},
      {"application/json;q=0.5,application/vnd.apache.arrow.stream", AnswerFormat::kArrowStream},
      {"application/vnd.apache.arrow.stream;q=0.5 , application/json ; q=0.6", AnswerFormat::kJson},
      {"application/json;q=0, */*", AnswerFormat::kArrowStream},
      {"text/csv", AnswerFormat::kNone},
      {"text/csv, */*;q=0", AnswerFormat::kNone},
      {"application/json;q=0", AnswerFormat::kNone},
      {"nonsense", AnswerFormat::kJson},
      {"application/json;q=high", AnswerFormat::kJson},
      {"application/vnd.apache.arrow.stream;q=7", AnswerFormat::kJson},
      {",,", AnswerFormat::kNone},
  };
  for (const auto& one : kCases) EXPECT_EQ(ChooseFormat(one.accept), one.format) << one.accept;
}

class ArrowAnswerTest : public ServingFixture {
 protected:
  TestAnswer Ask(std::string_view accept, std::string_view body) {
    return TestClient(port()).Exchange(
        "POST /get-online-features HTTP/1.1\r\nContent-Length: " + std::to_string(body.size()) +
        "\r\nAccept: " + std::string(accept) + "\r\n\r\n" + std::string(body));
  }
};

TEST_F(ArrowAnswerTest, HoldsValuesInTheirTypesWithTheirStates) {
  Serve();
  const TestAnswer answer =
      Ask(kArrowStreamType, R"({"feature_service":"ranking","entities":{"driver_id":[1,3]}})");
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.headers.at("content-type"), kArrowStreamType);
  const auto reader = arrow::ipc::RecordBatchStreamReader::Open(
                          std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(answer.body)))
                          .ValueOrDie();
  const auto batch = reader->Next().ValueOrDie();
  ASSERT_TRUE(batch != nullptr && batch->ValidateFull().ok());
  EXPECT_EQ(reader->Next().ValueOrDie(), nullptr);
  EXPECT_EQ(batch->schema()->field_names(),
            (std::vector<std::string>{"driver_id", "score", "trips", "city", "score__status", "score__ts",
                                      "trips__status", "trips__ts", "city__status", "city__ts"}));
  EXPECT_EQ(batch->column(2)->type()->ToString(), "int64");
  EXPECT_EQ(batch->column(3)->GetScalar(0).ValueOrDie()->ToString(), "Oslo");
  EXPECT_TRUE(batch->column(3)->IsNull(1));
  EXPECT_EQ(batch->column(8)->GetScalar(1).ValueOrDie()->ToString().find("NOT_FOUND") == std::string::npos,
            false);
  EXPECT_EQ(batch->column(9)->GetScalar(0).ValueOrDie()->ToString().substr(0, 10), "2026-01-01");
  EXPECT_TRUE(batch->column(9)->IsNull(1));
}

TEST_F(ArrowAnswerTest, ErrorsStayJsonAndAnUnknownTypeIsRefusedByName) {
  Serve();
  const TestAnswer wrong = Ask(kArrowStreamType, R"({"features":["none:x"],"entities":{"driver_id":[1]}})");
  EXPECT_EQ(wrong.status, 404);
  EXPECT_EQ(wrong.headers.at("content-type"), "application/json");
  const TestAnswer refused = Ask("text/csv", kRead);
  EXPECT_EQ(refused.status, 406);
  EXPECT_NE(refused.body.find("text/csv"), std::string::npos);
  EXPECT_NE(refused.body.find(kArrowStreamType), std::string::npos);
  EXPECT_EQ(Ask("*/*", kRead).body, kAnswer);
}

}  // namespace
}  // namespace salver
