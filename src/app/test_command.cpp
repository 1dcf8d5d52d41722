#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/commands.hpp"
#include "app/lookups.hpp"
#include "app/pipeline_file.hpp"
#include "app/scratch_folder.hpp"
#include "app/world.hpp"
#include "config/read.hpp"
#include "verify/pipeline_tests.hpp"

namespace millrace::app {
namespace {

using base::Result;
using verify::TestOutcome;
using Json = nlohmann::ordered_json;

Result<std::vector<TestOutcome>> run_tests(
    const config::Pipeline& pipeline, const TestOptions& options,
    const std::function<void(const TestOutcome&)>& on_outcome) {
  // The tests' records are wrong on purpose: what is said of them would only be in the way.
  World world(base::LogFormat::Text, base::Level::Error);
  const auto scratch = TRY(ScratchFolder::make(world.disk, world.random));
  return verify::run_pipeline_tests(pipeline,
                                    {.scratch = scratch.path() / "tables",
                                     .open_origin = origins_of(world, scratch.path() / "lookups"),
                                     .name_contains = options.name},
                                    world.disk, world.telemetry(), on_outcome);
}

void print_json(const std::vector<TestOutcome>& outcomes, Screen& screen) {
  Json tests = Json::array();
  for (const auto& outcome : outcomes) {
    tests.push_back({{"name", outcome.name},
                     {"place", outcome.place.text()},
                     {"has_passed", outcome.has_passed()},
                     {"failures", outcome.failures}});
  }
  screen.line(Json{{"tests", tests}}.dump(2, ' ', false, Json::error_handler_t::replace));
}

}  // namespace

Exit test_file(const TestOptions& options, Screen& screen) {
  const auto file = read_pipeline_file(options.file, Check::All);
  if (!file) return fail(screen, file.error());
  const auto* pipeline = file->pipeline();
  if (!pipeline) {
    print_problems(*file, screen);
    return Exit::Usage;
  }
  const bool is_table = options.output == Output::Table;
  const auto outcomes = run_tests(*pipeline, options, [&](const TestOutcome& outcome) {
    if (!is_table) return;
    auto text = verify::render_outcome(outcome, screen.paint().is_on());
    if (!text.ends_with('\n')) text += '\n';
    screen.print(text);
    screen.flush();
  });
  if (!outcomes) {
    const auto& error = outcomes.error();
    return fail(screen, {error.code, config::with_caret(error, file->text)});
  }
  const auto failed = static_cast<std::size_t>(
      std::ranges::count_if(*outcomes, [](const auto& outcome) { return !outcome.has_passed(); }));
  if (is_table) {
    screen.line(outcomes->empty()
                    ? "no tests"
                    : fmt::format("{} passed, {} failed", outcomes->size() - failed, failed));
  } else {
    print_json(*outcomes, screen);
  }
  return failed == 0 ? Exit::Fine : Exit::Failed;
}

}  // namespace millrace::app
