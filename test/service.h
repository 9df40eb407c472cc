// A server that a test program starts: a Python script that says of itself what there is to know as a line of
// JSON, takes commands on its input, and stops at the end of it, so that it ends with the program however
// that ends.
#pragma once

#include <memory>
#include <string>

namespace salver {

class TestService {
 public:
  // `script`: below test/, with its argument or "". What goes wrong is a defect of the test: it ends the
  // program.
  static std::unique_ptr<TestService> Start(const std::string& script, const std::string& argument);
  TestService(const TestService&) = delete;
  TestService& operator=(const TestService&) = delete;
  ~TestService();

  // What the server said of itself.
  std::string Text(const char* key) const;
  int Number(const char* key) const;
  // Returns when the server has done it.
  void Command(const std::string& word);

 private:
  TestService() = default;

  int to_ = -1, from_ = -1, process_ = -1;
  std::string said_;
};

}  // namespace salver
