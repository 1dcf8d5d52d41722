#pragma once

#include <unistd.h>

#include <cstdlib>
#include <string>

#include "base/result.hpp"
#include "os/disk.hpp"

namespace millrace::os {

/// A folder of its own for a test, gone with its end.
class TestFolder {
 public:
  TestFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "millrace-test-XXXXXX").string();
    CHECK(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const Path& path() const { return path_; }

 private:
  Path path_;
};

}  // namespace millrace::os
