#include "app/pipeline_file.hpp"

#include <fmt/format.h>

#include "app/sql_check.hpp"
#include "base/text.hpp"
#include "config/read.hpp"
#include "os/real_disk.hpp"

namespace millrace::app {

using base::Code;
using base::Error;
using base::Result;

namespace {
constexpr std::uint64_t kFileBytesMax = 16 << 20;
}  // namespace

Result<std::string> read_pipeline_text(const os::Path& path) {
  os::RealDisk disk;
  const auto info = TRY(disk.stat(path));
  if (!info) return Error{Code::NotFound, "no such pipeline file", path.string()};
  if (info->is_directory) {
    return Error{Code::Invalid, "a folder; name the pipeline file in it", path.string()};
  }
  return os::read_file(disk, path, kFileBytesMax);
}

Result<PipelineFile> read_pipeline_file(const os::Path& path, Check check) {
  PipelineFile file;
  file.text = TRY(read_pipeline_text(path));
  auto parsed = config::parse_pipeline(file.text, std::filesystem::absolute(path));
  if (auto* problems = std::get_if<config::Problems>(&parsed)) {
    file.outcome = check_sql(*problems);
    return file;
  }
  auto pipeline = std::get<config::Pipeline>(std::move(parsed));
  auto errors = check == Check::All ? check_sql(pipeline) : std::vector<Error>();
  if (errors.empty()) {
    file.outcome = std::move(pipeline);
  } else {
    file.outcome = std::move(errors);
  }
  return file;
}

void print_problems(const PipelineFile& file, Screen& screen) {
  const auto* errors = std::get_if<std::vector<Error>>(&file.outcome);
  if (!errors) return;
  for (const auto& error : *errors) screen.note(config::with_caret(error, file.text));
  screen.note(fmt::format("{} error{}", errors->size(), errors->size() == 1 ? "" : "s"));
}

}  // namespace millrace::app
