#include "test/fuzz/fuzz_client.h"
#include "test/fuzz/fuzz_targets.h"

namespace salver::fuzz {
namespace {

// "200 404 ", with what is said before a body. A request that is wrong in two ways may be refused for either,
// as its bytes come: too large is as good as malformed.
std::string Statuses(std::string_view answer) {
  constexpr std::string_view kStart = "HTTP/1.1 ";
  Check(answer.empty() || answer.starts_with(kStart), "an answer begins with its status");
  std::string statuses;
  for (size_t at = answer.find(kStart); at != std::string_view::npos; at = answer.find(kStart, at + 1)) {
    const std::string_view status = answer.substr(at + kStart.size(), 3);
    statuses += status == "431" || status == "413" ? "400" : status;
    statuses += ' ';
  }
  return statuses;
}

}  // namespace

void Http(std::string_view bytes) {
  if (bytes.empty()) return;
  const size_t piece = static_cast<uint8_t>(bytes[0]);
  bytes.remove_prefix(1);
  const std::string answer = AnswerOfServer(bytes, SIZE_MAX);
  // A frame of settings: it was HTTP/2's preface, and what comes after it is the target http2's.
  if (answer.size() > 3 && answer[0] == 0 && answer[3] == 4) return;
  const std::string whole = Statuses(answer);
  if (piece > 0 && piece < bytes.size())
    Check(Statuses(AnswerOfServer(bytes, piece)) == whole, "answers are the same however the bytes are cut");
}

}  // namespace salver::fuzz
