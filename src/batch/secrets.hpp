#pragma once

#include <string>
#include <vector>

#include "aws/settings.hpp"
#include "config/pipeline.hpp"

namespace millrace::batch {

/// Values that must not be seen in what other programs write: of variables and settings whose names
/// tell of secrets, and passwords within URLs.
class Secrets {
 public:
  Secrets(const config::Pipeline& pipeline, const aws::Environment& environment);

  /// `text`, with `***` in place of each of them.
  std::string hidden_in(std::string text) const;

 private:
  void add(const std::string& value);
  void add_password_of(const std::string& url);

  std::vector<std::string> values_;  // the longest first
};

}  // namespace millrace::batch
