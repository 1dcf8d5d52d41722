#pragma once

#include <string>
#include <variant>
#include <vector>

#include "app/screen.hpp"
#include "config/pipeline.hpp"
#include "os/disk.hpp"

namespace millrace::app {

/// A pipeline file that was read, or all that is wrong with it.
struct PipelineFile {
  std::string text;
  std::variant<config::Pipeline, std::vector<base::Error>> outcome;

  const config::Pipeline* pipeline() const { return std::get_if<config::Pipeline>(&outcome); }
};

enum class Check : std::uint8_t {
  Form,  ///< everything but the SQL
  All,   ///< SQL too: of tables, jobs and reports; lookups are loaded
};

/// Errors  the file itself cannot be read.
base::Result<std::string> read_pipeline_text(const os::Path& file);
/// Errors  the file itself cannot be read.
base::Result<PipelineFile> read_pipeline_file(const os::Path& file, Check check);

/// All that is wrong, each with its line of the file and a caret.
void print_problems(const PipelineFile& file, Screen& screen);

}  // namespace millrace::app
