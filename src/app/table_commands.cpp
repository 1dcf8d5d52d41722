#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "app/api_json.hpp"
#include "app/commands.hpp"
#include "app/companion.hpp"
#include "app/run_lines.hpp"
#include "base/text.hpp"
#include "http/url.hpp"

namespace millrace::app {
namespace {

using base::Result;
using Json = nlohmann::ordered_json;

std::string path_of(const TableOptions& options, std::string_view what) {
  return fmt::format("/v1/tables/{}/{}", http::percent_encode(options.table), what);
}

// The answer as it is for machines, else what `draw` makes of it.
Exit ask(const DataOptions& options, Screen& screen, const http::Request& request,
         const std::function<void(const Json&)>& draw) {
  return with_companion(options, screen, [&](Companion& companion) -> Result<Exit> {
    const auto body = TRY(companion.send(request));
    if (options.output == Output::Json) {
      screen.print(body);
      return Exit::Fine;
    }
    draw(TRY(parse_answer(body)));
    return Exit::Fine;
  });
}

void draw_tables(const Json& answer, Screen& screen) {
  TextTable table({{"table"},
                   {"version", Align::Right},
                   {"rows", Align::Right},
                   {"not yet committed", Align::Right},
                   {"size", Align::Right},
                   {"files", Align::Right},
                   {"last commit"},
                   {"behind", Align::Right},
                   {"state"}});
  for (const auto& item : items_of(answer, "tables")) {
    const auto halted = cell(item, "halted");
    const auto error = cell(item, "error") ? cell(item, "error") : cell(item, "source_error");
    table.add({cell(item, "name"), cell(item, "version"), count_cell(item, "rows"),
               count_cell(item, "hot_rows").value_or(""), bytes_cell(item, "bytes"),
               count_cell(item, "files"), time_cell(item, "last_commit_at").value_or(""),
               count_cell(item, "lag_records").value_or(""),
               halted ? "halted: " + *halted : error.value_or("")});
  }
  screen.print(table.text(screen.paint(), screen.columns()));
}

// `rows 100, rejects 2`
std::string pairs_of(const Json& commit, const char* key) {
  std::string out;
  const auto object = commit.find(key);
  if (object == commit.end() || !object->is_object()) return out;
  for (const auto& [name, value] : object->items()) {
    if (value.is_null() || value == "") continue;
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", name,
                       value.is_string() ? value.get<std::string>() : value.dump());
  }
  return out;
}

void draw_history(const Json& answer, Screen& screen) {
  TextTable table({{"version", Align::Right}, {"at"}, {"operation"}, {"counts"}, {"parameters"}});
  for (const auto& commit : items_of(answer, "history")) {
    table.add({cell(commit, "version"), time_cell(commit, "at"), cell(commit, "operation"),
               pairs_of(commit, "counts"), pairs_of(commit, "parameters")});
  }
  screen.print(table.text(screen.paint(), screen.columns()));
}

}  // namespace

Exit list_tables(const TableOptions& options, Screen& screen) {
  return ask(options.data, screen, get("/v1/tables"),
             [&](const Json& answer) { draw_tables(answer, screen); });
}

Exit show_history(const TableOptions& options, Screen& screen) {
  const auto request = get(path_of(options, "history"), {{"limit", std::to_string(options.limit)}});
  return ask(options.data, screen, request,
             [&](const Json& answer) { draw_history(answer, screen); });
}

Exit compact_table(const TableOptions& options, Screen& screen) {
  Json body = Json::object();
  if (!options.target_bytes.empty()) {
    const auto bytes = base::parse_bytes(options.target_bytes);
    if (!bytes) return fail(screen, bytes.error());
    body["target_bytes"] = *bytes;
  }
  return ask(options.data, screen, post(path_of(options, "compact"), body.dump()),
             [&](const Json& answer) {
               const auto before = count_cell(answer, "files_before").value_or("0");
               screen.line(before == "0"
                               ? "nothing to do: no partition has several small files"
                               : fmt::format("{} files became {}, {} rewritten", before,
                                             count_cell(answer, "files_after").value_or("0"),
                                             bytes_cell(answer, "bytes").value_or("nothing")));
             });
}

Exit maintain_tables(const TableOptions& options, Screen& screen) {
  Json body = Json::object();
  if (!options.table.empty()) body["table"] = options.table;
  return show_runs(options.data, post("/v1/maintenance/runs", body.dump()), "there are no tables",
                   screen);
}

Exit vacuum_table(const TableOptions& options, Screen& screen) {
  const Json body{{"retention", options.retention}, {"dry_run", options.is_dry_run}};
  return ask(
      options.data, screen, post(path_of(options, "vacuum"), body.dump()), [&](const Json& answer) {
        for (const auto& path : items_of(answer, "paths")) {
          if (path.is_string()) screen.line(path.get<std::string>());
        }
        screen.line(fmt::format("{} {} files, {}", options.is_dry_run ? "would delete" : "deleted",
                                items_of(answer, "paths").size(),
                                bytes_cell(answer, "bytes").value_or("0 B")));
      });
}

}  // namespace millrace::app
