#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/pipeline.hpp"

namespace millrace::config {

/// Parts of a file that are wrong: of what builds on them nothing can be said.
struct Gaps {
  std::vector<std::string> names;  ///< of sources, tables, lookups and jobs
  bool has_unnamed = false;        ///< there may be more, whose names could not be read
};

/// Everything that is wrong with a file, in the order of its lines; each error has its place.
struct Problems {
  std::vector<base::Error> errors;
  Pipeline sound;  ///< what is right of it, so that its SQL can be checked all the same
  Gaps gaps;       ///< what is left out there
};

/// The value of an environment variable, or none.
using Environment = std::function<std::optional<std::string>(const std::string&)>;
/// This process's environment.
std::optional<std::string> system_environment(const std::string& name);

/// Reads and checks a pipeline file: everything but its SQL.
std::variant<Pipeline, Problems> read_pipeline(const std::filesystem::path& file,
                                               const Environment& environment = system_environment);
/// The same of a text; `file` names it in places and is where relative paths start.
std::variant<Pipeline, Problems> parse_pipeline(
    std::string_view text, const std::filesystem::path& file,
    const Environment& environment = system_environment);

/// An error as people see it: the message, the line of the file, and a caret below the place.
std::string with_caret(const base::Error& error, std::string_view text);

}  // namespace millrace::config
