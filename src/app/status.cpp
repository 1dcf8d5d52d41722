#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "app/api_json.hpp"
#include "app/commands.hpp"
#include "app/companion.hpp"
#include "base/text.hpp"

namespace millrace::app {
namespace {

using base::Code;
using base::Error;
using base::Result;
using Json = nlohmann::ordered_json;

void print_streams(const Json& answer, Screen& screen) {
  TextTable table({{"stream"},
                   {"shard", Align::Right},
                   {"oldest", Align::Right},
                   {"end", Align::Right},
                   {"size", Align::Right},
                   {"state"}});
  for (const auto& stream : items_of(answer, "streams")) {
    const bool is_full = cell(stream, "is_full").value_or("") == "true";
    for (const auto& shard : items_of(stream, "shards")) {
      table.add({cell(stream, "name"), cell(shard, "shard"), count_cell(shard, "oldest"),
                 count_cell(shard, "end"), bytes_cell(shard, "bytes"), is_full ? "full" : ""});
    }
  }
  if (table.row_count() > 0) screen.print("\n" + table.text(screen.paint(), screen.columns()));
}

// Of a table whose source several workers share: which are this one's.
std::string own_positions(const Json& table) {
  std::vector<std::string> own;
  std::size_t count = 0;
  for (const auto& position : table.value("positions", Json::array())) {
    if (!position.contains("is_own")) continue;
    ++count;
    if (position["is_own"] == true) own.push_back(position["shard"].dump());
  }
  if (count == 0) return "";
  return fmt::format("{} of {}", own.empty() ? "none" : base::join(own, ","), count);
}

void print_tables(const Json& answer, Screen& screen) {
  TextTable table({{"table"},
                   {"rows", Align::Right},
                   {"not yet committed", Align::Right},
                   {"behind", Align::Right},
                   {"partitions"},
                   {"last commit"},
                   {"state"}});
  for (const auto& item : items_of(answer, "tables")) {
    const auto halted = cell(item, "halted");
    const auto error = cell(item, "error") ? cell(item, "error") : cell(item, "source_error");
    table.add({cell(item, "name"), count_cell(item, "rows"),
               count_cell(item, "hot_rows").value_or(""),
               count_cell(item, "lag_records").value_or(""), own_positions(item),
               time_cell(item, "last_commit_at").value_or(""),
               halted ? "halted: " + *halted : error.value_or("")});
  }
  screen.print("\n" + table.text(screen.paint(), screen.columns()));
}

void print_lookups(const Json& answer, Screen& screen) {
  TextTable table({{"lookup"}, {"rows", Align::Right}, {"loaded"}, {"state"}});
  for (const auto& lookup : items_of(answer, "lookups")) {
    table.add({cell(lookup, "name"), count_cell(lookup, "rows"), time_cell(lookup, "loaded_at"),
               cell(lookup, "last_error").value_or("")});
  }
  if (table.row_count() > 0) screen.print("\n" + table.text(screen.paint(), screen.columns()));
}

Result<Exit> show(Companion& companion, Output output, Screen& screen) {
  Json all{{"address", companion.address()}};
  // What is not ready is said by an error: the status is shown all the same.
  const auto ready = companion.send(get("/readyz"));
  all["is_ready"] = ready.has_value();
  if (!ready) all["reason"] = ready.error().message;
  for (const auto* what : {"streams", "tables", "lookups", "jobs"}) {
    const auto body = TRY(companion.send(get(fmt::format("/v1/{}", what))));
    all[what] = items_of(TRY(parse_answer(body)), what);
  }
  // Not an instance of an older version.
  const auto alerts = companion.send(get("/v1/alerts", {{"limit", "0"}}));
  if (alerts) all["deliveries"] = items_of(TRY(parse_answer(*alerts)), "deliveries");
  if (output == Output::Json) {
    screen.line(all.dump(2, ' ', false, Json::error_handler_t::replace));
  } else {
    screen.line(fmt::format(
        "{}  {}",
        ready ? screen.paint()(Colour::Green, "ready") : screen.paint()(Colour::Red, "not ready"),
        companion.address()));
    if (!ready) screen.line("  " + ready.error().message);
    print_streams(all, screen);
    print_tables(all, screen);
    print_lookups(all, screen);
    print_deliveries(all, screen);
  }
  return ready ? Exit::Fine : Exit::Failed;
}

}  // namespace

Exit show_status(const DataOptions& options, Screen& screen) {
  const auto running = reach_running(options.data);
  if (!running) return fail(screen, running.error());
  if (!*running) {
    screen.error({Code::NotFound, fmt::format("nothing runs on {}", options.data.string())});
    return Exit::Failed;
  }
  const auto shown = show(**running, options.output, screen);
  return shown ? *shown : fail(screen, shown.error());
}

}  // namespace millrace::app
