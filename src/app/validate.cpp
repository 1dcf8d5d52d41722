#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "app/commands.hpp"
#include "app/engine_check.hpp"
#include "app/pipeline_file.hpp"
#include "config/schema.hpp"

namespace millrace::app {
namespace {

using base::Error;
using Json = nlohmann::ordered_json;

Json json_of(const Error& error) {
  return {{"code", base::name_of(error.code)}, {"message", error.message}, {"place", error.place}};
}

std::string count_of(std::size_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

base::Result<PipelineFile> checked_for_spark(PipelineFile file) {
  auto errors = TRY(check_for_spark(*file.pipeline()));
  if (!errors.empty()) file.outcome = std::move(errors);
  return file;
}

void print_json(const os::Path& path, const std::vector<Error>& errors, Screen& screen) {
  Json list = Json::array();
  for (const auto& error : errors) list.push_back(json_of(error));
  const Json document{{"file", path.string()}, {"is_valid", errors.empty()}, {"errors", list}};
  screen.line(document.dump(2, ' ', false, Json::error_handler_t::replace));
}

}  // namespace

Exit validate_file(const ValidateOptions& options, Screen& screen) {
  if (options.wants_schema || options.wants_reference) {
    screen.line(options.wants_schema ? config::json_schema() : config::reference_page());
    return Exit::Fine;
  }
  auto file = read_pipeline_file(options.file, Check::All);
  if (options.is_for_spark && file && file->pipeline()) file = checked_for_spark(std::move(*file));
  const auto* pipeline = file ? file->pipeline() : nullptr;
  if (options.output == Output::Json) {
    const auto errors = !file      ? std::vector<Error>{file.error()}
                        : pipeline ? std::vector<Error>()
                                   : std::get<std::vector<Error>>(file->outcome);
    print_json(options.file, errors, screen);
    return errors.empty() ? Exit::Fine : Exit::Usage;
  }
  if (!file) return fail(screen, file.error());
  if (!pipeline) {
    print_problems(*file, screen);
    return Exit::Usage;
  }
  screen.line(fmt::format(
      "{} {}: {}, {}, {}, {}, {}", screen.paint()(Colour::Green, "ok"), pipeline->name,
      count_of(pipeline->sources.size(), "source"), count_of(pipeline->tables.size(), "table"),
      count_of(pipeline->jobs.size(), "job"), count_of(pipeline->reports.size(), "report"),
      count_of(pipeline->tests.size(), "test")));
  return Exit::Fine;
}

}  // namespace millrace::app
