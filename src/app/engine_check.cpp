#include "app/engine_check.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "app/scratch_folder.hpp"
#include "app/world.hpp"
#include "base/text.hpp"
#include "os/child.hpp"

namespace millrace::app {
namespace {

using base::Code;
using base::Error;
using base::Result;
using Json = nlohmann::json;

constexpr auto kTimeMax = std::chrono::minutes(2);
constexpr std::uint64_t kOutputBytesMax = 16 << 20;

std::string python_of(const config::Pipeline& pipeline) {
  const auto& spark = pipeline.engines.spark;
  if (spark && !spark->python.empty()) return spark->python;
  const char* set = std::getenv("PYSPARK_PYTHON");
  return set != nullptr && *set != '\0' ? set : "python3";
}

std::optional<std::vector<Error>> errors_in(const std::string& line) {
  const auto list = Json::parse(line, nullptr, false);
  if (!list.is_array()) return std::nullopt;
  std::vector<Error> errors;
  for (const auto& one : list) {
    if (!one.is_object()) return std::nullopt;
    errors.push_back({Code::Invalid, one.value("message", ""), one.value("place", "")});
  }
  return errors;
}

Error no_answer(const std::string& python, const std::string& last, std::string_view how) {
  const bool is_missing = last.find("No module named") != std::string::npos;
  return {Code::NotFound,
          fmt::format("what Spark can run says the package millrace_spark, and '{} -m "
                      "millrace_spark' {}{}{}",
                      python, how, last.empty() ? "" : ": " + base::printable(last, 500),
                      is_missing ? "; `pip install` the wheel of spark/ for this Python, with "
                                   "duckdb, pyarrow, pyyaml and xxhash, or name another: "
                                   "`engines: {spark: {python: …}}`, PYSPARK_PYTHON"
                                 : "")};
}

}  // namespace

Result<std::vector<Error>> check_for_spark(const config::Pipeline& pipeline) {
  World world(base::LogFormat::Text, base::Level::Error);
  const auto scratch = TRY(ScratchFolder::make(world.disk, world.random));
  const auto output = scratch.path() / "output";
  const auto python = python_of(pipeline);
  auto child = os::Child::start(
      {.command = {python, "-m", "millrace_spark", "validate", pipeline.file.string(), "--json"},
       .environment = {},
       .output = output});
  if (!child) return no_answer(python, child.error().text(), "cannot be started");
  const auto end = TRY(child->wait(kTimeMax));
  if (!end) return no_answer(python, "", "was not done after 2 minutes");
  std::istringstream lines(os::last_lines(output, kOutputBytesMax));
  std::string last;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('[')) {
      if (auto errors = errors_in(line)) return std::move(*errors);
    }
    if (!base::trimmed(line).empty()) last = line;
  }
  return no_answer(python, last, end->text());
}

}  // namespace millrace::app
