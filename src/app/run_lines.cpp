#include "app/run_lines.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "app/api_json.hpp"
#include "app/companion.hpp"
#include "app/text_table.hpp"

namespace millrace::app {
namespace {

using base::Result;
using Json = nlohmann::ordered_json;

std::string status_text(const Json& run, const Paint& paint) {
  const auto status = cell(run, "status").value_or("?");
  const auto colour = status == "succeeded" ? Colour::Green
                      : status == "failed"  ? Colour::Red
                                            : Colour::Yellow;
  return paint(colour, status);
}

// `, 801 rows, 28 ms`
std::string amounts_of(const Json& run) {
  const auto rows = count_cell(run, "rows");
  const auto time = ms_cell(run, "duration_ms");
  const auto unit = rows == "1" ? " row" : " rows";
  return (rows ? ", " + *rows + unit : "") + (time ? ", " + *time : "");
}

// A reason of several lines stays below its run.
std::string indented(std::string text) {
  for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 3) {
    text.replace(at, 1, "\n  ");
  }
  return "  " + text;
}

// What a proof compared, a line for each shard.
void print_shards(const Json& runs, Screen& screen) {
  TextTable table({{"table"},
                   {"source"},
                   {"life"},
                   {"shard", Align::Right},
                   {"from", Align::Right},
                   {"up to", Align::Right},
                   {"records", Align::Right},
                   {"with rows", Align::Right},
                   {"rejected", Align::Right},
                   {"both", Align::Right},
                   {"filtered", Align::Right},
                   {"rows", Align::Right},
                   {"removed", Align::Right},
                   {"found", Align::Right},
                   {""}});
  for (const auto& run : runs) {
    const auto job = cell(run, "job").value_or("?");
    for (const auto& shard : items_of(run, "shards")) {
      const auto outcome = cell(shard, "outcome").value_or("?");
      const auto number = [&](const char* key) { return count_cell(shard, key).value_or(""); };
      const auto found = shard.find("found");
      table.add({job.substr(job.find('@') + 1), cell(shard, "source"), cell(shard, "incarnation"),
                 cell(shard, "shard"), cell(shard, "from").value_or(""),
                 cell(shard, "position").value_or(""), number("records"), number("with_rows"),
                 number("rejected"), number("both"), number("filtered"), number("rows"),
                 number("rows_removed"),
                 found == shard.end() ? "" : count_cell(*found, "rows").value_or(""),
                 outcome == "passed"         ? "holds"
                 : outcome == "failed"       ? "does not hold"
                 : outcome == "not_compared" ? "not compared"
                                             : "is counted from now on"});
    }
  }
  if (table.row_count() > 0) screen.print("\n" + table.text(screen.paint(), screen.columns()));
}

// One line a run; a failure's reason below it.
Exit print_runs(const Json& answer, std::string_view none, Screen& screen) {
  Exit exit = Exit::Fine;
  const auto& runs = items_of(answer, "runs");
  for (const auto& run : runs) {
    const auto partition = cell(run, "partition");
    const auto status = cell(run, "status").value_or("?");
    const bool has_run = status == "succeeded" || status == "failed";
    screen.line(fmt::format("{}{} {}{}", cell(run, "job").value_or("?"),
                            partition ? " " + *partition : "", status_text(run, screen.paint()),
                            has_run ? amounts_of(run) : ""));
    const auto error = cell(run, "error");
    if (error) screen.line(indented(*error));
    if (status == "failed") exit = Exit::Failed;
  }
  if (runs.empty()) screen.line(none);
  print_shards(runs, screen);
  return exit;
}

}  // namespace

Exit show_runs(const DataOptions& options, const http::Request& request, std::string_view none,
               Screen& screen) {
  return with_companion(options, screen, [&](Companion& companion) -> Result<Exit> {
    const auto answer = TRY(companion.send(request));
    const auto document = TRY(parse_answer(answer));
    if (options.output == Output::Table) return print_runs(document, none, screen);
    screen.print(answer);
    for (const auto& run : items_of(document, "runs")) {
      if (cell(run, "status").value_or("") == "failed") return Exit::Failed;
    }
    return Exit::Fine;
  });
}

}  // namespace millrace::app
