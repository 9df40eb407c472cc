// A new folder for one test.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>

namespace salver {

// Goes, with all that is in it, when this does.
class TestFolder {
 public:
  TestFolder() : path_(std::filesystem::temp_directory_path() / "salver_test_XXXXXX") {
    if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("no new folder for a test: " + path_);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace salver
