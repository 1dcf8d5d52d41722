#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "app/api_json.hpp"
#include "app/commands.hpp"
#include "app/companion.hpp"
#include "http/url.hpp"

namespace millrace::app {
namespace {

using base::Result;
using Json = nlohmann::ordered_json;

void print_alert(const Json& alert, Screen& screen) {
  screen.line(screen.paint()(Colour::Bold, fmt::format("{}  {}", cell(alert, "id").value_or("?"),
                                                       cell(alert, "outcome").value_or("?"))));
  const auto print = [&](std::string_view name, const Cell& value) {
    if (value) screen.line(fmt::format("  {:<12}{}", name, *value));
  };
  print("alert", cell(alert, "alert"));
  print("target", cell(alert, "target"));
  print("group", cell(alert, "group"));
  print("row", fmt::format("{}, shard {}, offset {}, row {}", cell(alert, "table").value_or("?"),
                           cell(alert, "shard").value_or("?"), cell(alert, "offset").value_or("?"),
                           cell(alert, "row").value_or("?")));
  print("received", time_cell(alert, "received_at"));
  print("settled", time_cell(alert, "settled_at"));
  print("message", cell(alert, "message_id"));
  print("attempts", cell(alert, "attempts"));
  print("error", cell(alert, "error"));
  if (alert.contains("data")) print("data", alert["data"].dump());
}

}  // namespace

void print_deliveries(const Json& answer, Screen& screen) {
  TextTable table({{"alert"},
                   {"target"},
                   {"queued", Align::Right},
                   {"behind", Align::Right},
                   {"sent", Align::Right},
                   {"dead", Align::Right},
                   {"suppressed", Align::Right},
                   {"last sent"},
                   {"state"}});
  for (const auto& one : items_of(answer, "deliveries")) {
    table.add({cell(one, "alert"), cell(one, "target"), count_cell(one, "queued_messages"),
               count_cell(one, "behind_records"), count_cell(one, "sent"), count_cell(one, "dead"),
               count_cell(one, "suppressed"), time_cell(one, "last_sent_at").value_or(""),
               cell(one, "error").value_or("")});
  }
  if (table.row_count() > 0) screen.print("\n" + table.text(screen.paint(), screen.columns()));
}

Exit list_alerts(const AlertsCommandOptions& options, Screen& screen) {
  return with_companion(options.data, screen, [&](Companion& companion) -> Result<Exit> {
    const auto body =
        TRY(companion.send(get("/v1/alerts", {{"alert", options.alert},
                                              {"target", options.target},
                                              {"outcome", options.outcome},
                                              {"since", options.since},
                                              {"limit", std::to_string(options.limit)}})));
    if (options.data.output == Output::Json) {
      screen.print(body);
      return Exit::Fine;
    }
    const auto answer = TRY(parse_answer(body));
    print_deliveries(answer, screen);
    TextTable table({{"id"}, {"alert"}, {"target"}, {"outcome"}, {"settled"}, {"data"}, {"error"}});
    for (const auto& alert : items_of(answer, "alerts")) {
      table.add({cell(alert, "id"), cell(alert, "alert"), cell(alert, "target"),
                 cell(alert, "outcome"), time_cell(alert, "settled_at"),
                 alert.contains("data") ? alert["data"].dump() : "",
                 cell(alert, "error").value_or("")});
    }
    screen.print("\n");
    if (table.row_count() == 0) {
      screen.line("no alerts");
    } else {
      screen.print(table.text(screen.paint(), screen.columns()));
    }
    return Exit::Fine;
  });
}

Exit show_alerts(const AlertsCommandOptions& options, Screen& screen) {
  return with_companion(options.data, screen, [&](Companion& companion) -> Result<Exit> {
    for (const auto& id : options.ids) {
      const auto body = TRY(companion.send(get("/v1/alerts/" + http::percent_encode(id))));
      if (options.data.output == Output::Json) {
        screen.print(body);
        continue;
      }
      const auto answer = TRY(parse_answer(body));
      for (const auto& alert : items_of(answer, "alerts")) print_alert(alert, screen);
    }
    return Exit::Fine;
  });
}

Exit retry_alerts(const AlertsCommandOptions& options, Screen& screen) {
  Json body = Json::object();
  if (!options.alert.empty()) body["alert"] = options.alert;
  if (!options.ids.empty()) body["ids"] = options.ids;
  body["limit"] = options.limit;
  return with_companion(options.data, screen, [&](Companion& companion) -> Result<Exit> {
    const auto text = TRY(companion.send(post("/v1/alerts/retry", body.dump())));
    const auto answer = TRY(parse_answer(text));
    const auto dead = cell(answer, "dead").value_or("0");
    if (options.data.output == Output::Json) {
      screen.print(text);
    } else if (cell(answer, "sent").value_or("0") == "0" && dead == "0") {
      screen.line("nothing to send: no dead alert fits");
    } else {
      screen.line(fmt::format("{} sent, {} still dead", count_cell(answer, "sent").value_or("0"),
                              count_cell(answer, "dead").value_or("0")));
      if (const auto error = cell(answer, "error")) screen.line("  " + *error);
    }
    return dead == "0" ? Exit::Fine : Exit::Failed;
  });
}

}  // namespace millrace::app
