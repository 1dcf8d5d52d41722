// `millrace plan`: what a file would change, before it does.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "app/api_json.hpp"
#include "app/commands.hpp"
#include "app/pipeline_change.hpp"
#include "base/text.hpp"
#include "base/units.hpp"

namespace millrace::app {
namespace {

using base::Code;
using base::Result;
using Json = nlohmann::ordered_json;
using Kind = PipelineChange::Kind;

// Less is read in no time.
constexpr std::int64_t kBytesToldMin = std::int64_t{1} << 20;

std::string size_of(std::int64_t bytes) {
  return base::format_bytes(static_cast<std::uint64_t>(std::max<std::int64_t>(bytes, 0)));
}

std::string count_of(std::size_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", grouped(static_cast<std::int64_t>(count)), count == 1 ? one : many);
}

std::string range_of(const std::vector<batch::Partition>& partitions) {
  if (partitions.front().each == config::Each::None) return "the whole table";
  const auto first = batch::label_of(partitions.front());
  const auto count = count_of(partitions.size(), "partition", "partitions");
  if (partitions.size() == 1) return fmt::format("{}, {}", count, first);
  return fmt::format("{}, {} to {}", count, first, batch::label_of(partitions.back()));
}

// What is computed.
void add_runs(const batch::JobForecast& runs, std::vector<std::string>& lines) {
  if (!runs.anew.empty()) lines.push_back("computed anew: " + range_of(runs.anew));
  if (!runs.waiting.empty()) {
    lines.push_back(fmt::format("{}: {}", runs.is_new ? "to be computed" : "stale anyway",
                                range_of(runs.waiting)));
  }
  if (runs.bytes >= kBytesToldMin) lines.push_back("reads " + size_of(runs.bytes));
}

// What its warehouse gets.
void add_load(const PipelineChange& change, std::vector<std::string>& lines) {
  const bool has_moved =
      change.kind == Kind::Changed && std::ranges::find(change.keys, "load") != change.keys.end();
  if (has_moved) lines.emplace_back("what was loaded before stays where it is");
  if (!change.load) return;
  const auto& load = *change.load;
  const auto place = fmt::format("{} of the warehouse {}", load.table, load.warehouse);
  if (!load.unknown.empty()) {
    lines.push_back(
        fmt::format("the warehouse {} could not be asked: {}", load.warehouse, load.unknown));
    return;
  }
  if (load.steps.is_new) lines.push_back("+ table " + place);
  for (const auto& [name, type, is_new] : load.steps.columns) {
    lines.push_back(is_new ? fmt::format("+ column {} {} in {}", name, type, place)
                           : fmt::format("column {} becomes {} in {}", name, type, place));
  }
  if (load.partitions.empty()) return;
  lines.push_back(fmt::format("to be loaded into {}: {}", place, range_of(load.partitions)));
}

// What becomes of the rows, a line each.
std::vector<std::string> effects_of(const PipelineChange& change) {
  std::vector<std::string> lines;
  const bool is_job = change.what == "job";
  for (const auto& column : change.columns) {
    const bool has_rows = !is_job && change.stored && change.stored->rows > 0;
    lines.push_back(fmt::format(
        "+ column {} {}{}", column.name, column.type.text(),
        has_rows ? fmt::format(", NULL in the {} rows that are there", grouped(change.stored->rows))
                 : ""));
  }
  if (change.kind == Kind::Removed && change.stored) {
    lines.push_back(fmt::format("its {} rows ({}) stay in the lake; nothing writes them any more",
                                grouped(change.stored->rows), size_of(change.stored->bytes)));
  }
  const bool has_other_sql = std::ranges::find(change.keys, "sql") != change.keys.end();
  if (has_other_sql && change.what == "table" && change.stored && change.refusals.empty()) {
    lines.emplace_back("the SQL holds for records from now on; rows that are there stay");
  }
  if (change.unkept) {
    lines.push_back(change.unkept->rows == 0
                        ? "nothing that is there is older than `keep`"
                        : fmt::format("maintenance will remove {} rows ({}) for ever: they are "
                                      "older than `keep`",
                                      grouped(change.unkept->rows), size_of(change.unkept->bytes)));
  }
  if (change.runs) add_runs(*change.runs, lines);
  add_load(change, lines);
  return lines;
}

bool has_failing_loads(const PipelineChange& change) {
  return change.load && !change.load->refusal.empty();
}

void draw(const PipelineChange& change, Screen& screen) {
  const auto& paint = screen.paint();
  const bool is_refused = !change.refusals.empty() || has_failing_loads(change);
  const auto [sign, colour] = is_refused                     ? std::pair('!', Colour::Red)
                              : change.kind == Kind::Added   ? std::pair('+', Colour::Green)
                              : change.kind == Kind::Removed ? std::pair('-', Colour::Red)
                                                             : std::pair('~', Colour::Yellow);
  screen.line(fmt::format("{} {}{}{}", paint(colour, std::string(1, sign)), change.what,
                          change.name.empty() ? "" : " " + change.name,
                          change.keys.empty() ? "" : ": " + base::join(change.keys, ", ")));
  for (const auto& line : effects_of(change)) screen.line("    " + line);
  for (const auto& refusal : change.refusals) screen.line("    refused: " + refusal);
  if (has_failing_loads(change)) screen.line("    loads would fail: " + change.load->refusal);
}

std::string_view word_of(Kind kind) {
  return kind == Kind::Added ? "added" : kind == Kind::Removed ? "removed" : "changed";
}

Json labels_of(const std::vector<batch::Partition>& partitions) {
  Json labels = Json::array();
  for (const auto& partition : partitions) labels.push_back(batch::label_of(partition));
  return labels;
}

Json json_of(const batch::LoadForecast& load) {
  Json json{{"warehouse", load.warehouse},
            {"table", load.table},
            {"unknown", load.unknown.empty() ? Json() : Json(load.unknown)}};
  if (!load.unknown.empty()) return json;
  json["refused"] = load.refusal.empty() ? Json() : Json(load.refusal);
  json["is_new"] = load.steps.is_new;
  json["partitions"] = labels_of(load.partitions);
  json["columns"] = Json::array();
  for (const auto& [name, type, is_new] : load.steps.columns) {
    json["columns"].push_back({{"name", name}, {"type", type}, {"is_new", is_new}});
  }
  return json;
}

Json json_of(const PipelineChange& change) {
  Json json{{"what", change.what},
            {"name", change.name.empty() ? Json() : Json(change.name)},
            {"change", word_of(change.kind)},
            {"keys", change.keys},
            {"refused", change.refusals}};
  json["columns_added"] = Json::array();
  for (const auto& column : change.columns) {
    json["columns_added"].push_back({{"name", column.name}, {"type", column.type.text()}});
  }
  if (change.stored) {
    json["rows"] = change.stored->rows;
    json["bytes"] = change.stored->bytes;
  }
  if (change.unkept) {
    json["rows_unkept"] = change.unkept->rows;
    json["bytes_unkept"] = change.unkept->bytes;
  }
  if (change.runs) {
    json["partitions_anew"] = labels_of(change.runs->anew);
    json["partitions_waiting"] = labels_of(change.runs->waiting);
    json["bytes_read"] = change.runs->bytes;
  }
  if (change.load) json["load"] = json_of(*change.load);
  return json;
}

void print_json(const PlanOptions& options, const std::vector<PipelineChange>& changes,
                bool is_applicable, Screen& screen) {
  Json list = Json::array();
  for (const auto& change : changes) list.push_back(json_of(change));
  const Json document{{"file", options.file.string()},
                      {"data", options.data.string()},
                      {"is_applicable", is_applicable},
                      {"changes", list}};
  screen.line(document.dump(2, ' ', false, Json::error_handler_t::replace));
}

void print(const std::vector<PipelineChange>& changes, Screen& screen) {
  std::size_t refused = 0, failing = 0;
  for (const auto& change : changes) {
    draw(change, screen);
    refused += change.refusals.empty() ? 0 : 1;
    failing += has_failing_loads(change) ? 1 : 0;
  }
  if (changes.empty()) screen.line("nothing changes");
  if (refused > 0) {
    screen.line(fmt::format("{} refused: this file would not start here",
                            count_of(refused, "change is", "changes are")));
  }
  if (failing > 0) {
    screen.line(fmt::format("the loads of {} would fail", count_of(failing, "job", "jobs")));
  }
}

Result<std::optional<PipelineRecord>> last_record(os::Disk& disk, const os::Path& data) {
  auto record = read_pipeline_record(disk, data);
  if (record) return std::optional(std::move(*record));
  if (record.error().code == Code::NotFound) return std::optional<PipelineRecord>();
  return record.error();
}

}  // namespace

Exit show_plan(const PlanOptions& options, Screen& screen) {
  const auto file = read_pipeline_file(options.file, Check::All);
  if (!file) return fail(screen, file.error());
  if (!file->pipeline()) {
    print_problems(*file, screen);
    return Exit::Usage;
  }
  World world(base::LogFormat::Text, base::Level::Warn);
  const auto before = last_record(world.disk, options.data);
  if (!before) return fail(screen, before.error());
  const auto changes = changes_of(*file, *before, options.data, world);
  if (!changes) return fail(screen, changes.error());
  const bool is_applicable = std::ranges::all_of(*changes, [](const PipelineChange& change) {
    return change.refusals.empty() && !has_failing_loads(change);
  });
  if (options.output == Output::Json) {
    print_json(options, *changes, is_applicable, screen);
  } else {
    if (!*before) {
      screen.note(fmt::format("nothing has run in {} yet: all is new", options.data.string()));
    }
    print(*changes, screen);
  }
  return is_applicable ? Exit::Fine : Exit::Failed;
}

}  // namespace millrace::app
