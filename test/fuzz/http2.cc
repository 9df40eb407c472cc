#include "test/fuzz/fuzz_client.h"
#include "test/fuzz/fuzz_targets.h"

namespace salver::fuzz {

void Http2(std::string_view bytes) {
  const std::string answer =
      AnswerOfServer("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + std::string(bytes), SIZE_MAX);
  constexpr size_t kFrameHead = 9;
  constexpr char kSettings = 4;
  Check(answer.size() >= kFrameHead && answer[3] == kSettings, "the server begins with its settings");
}

}  // namespace salver::fuzz
