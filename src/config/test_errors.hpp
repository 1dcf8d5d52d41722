#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "config/read.hpp"

namespace millrace::config {

/// The errors of a pipeline whose first line is right, a line each.
inline std::string errors(std::string_view text) {
  const std::filesystem::path file = "/test/p.yaml";
  const auto parsed = parse_pipeline("pipeline: p\n" + std::string(text), file);
  std::string out;
  if (const auto* problems = std::get_if<Problems>(&parsed)) {
    for (const auto& error : problems->errors) {
      out += error.place.substr(file.string().size() + 1) + " " + error.message + "\n";
    }
  }
  return out;
}

}  // namespace millrace::config
