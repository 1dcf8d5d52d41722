#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "app/api_json.hpp"
#include "app/commands.hpp"
#include "app/companion.hpp"
#include "base/base64.hpp"
#include "base/text.hpp"
#include "http/url.hpp"

namespace millrace::app {
namespace {

using base::Result;
using Json = nlohmann::ordered_json;

constexpr std::size_t kRecordBytesShown = 4096;
constexpr std::size_t kRecordBytesListed = 120;

std::string record_of(const Json& reject, std::size_t bytes_max) {
  const auto encoded = cell(reject, "raw_base64");
  const auto raw =
      encoded ? base::decode_base64(*encoded).value_or("") : cell(reject, "raw").value_or("");
  return base::printable(raw, bytes_max);
}

void print_counts(const Json& answer, Screen& screen) {
  TextTable counts({{"table"}, {"stage"}, {"reason"}, {"count", Align::Right}});
  for (const auto& count : items_of(answer, "counts")) {
    counts.add({cell(count, "table"), cell(count, "stage"), cell(count, "reason"),
                count_cell(count, "count")});
  }
  if (counts.row_count() == 0) {
    screen.line("no rejects");
    return;
  }
  screen.print(counts.text(screen.paint(), screen.columns()));
}

void print_reject(const Json& reject, Screen& screen) {
  screen.line(screen.paint()(Colour::Bold, cell(reject, "id").value_or("?")));
  const auto print = [&](std::string_view name, const Cell& value) {
    if (value) screen.line(fmt::format("  {:<12}{}", name, *value));
  };
  print("table", cell(reject, "table"));
  print("source", cell(reject, "source"));
  print("position", fmt::format("shard {}, offset {}", cell(reject, "shard").value_or("?"),
                                cell(reject, "offset").value_or("?")));
  print("received", time_cell(reject, "received_at"));
  print("rejected", time_cell(reject, "rejected_at"));
  print("stage", cell(reject, "stage"));
  print("reason", cell(reject, "reason"));
  print("detail", cell(reject, "detail"));
  print("replay", cell(reject, "replay"));
  print("outcome", cell(reject, "outcome"));
  if (const auto found = reject.find("headers"); found != reject.end() && found->is_object()) {
    print("headers", base::printable(found->dump(), kRecordBytesShown));
  }
  print("record", record_of(reject, kRecordBytesShown));
}

}  // namespace

Exit list_rejects(const RejectsOptions& options, Screen& screen) {
  return with_companion(options.data, screen, [&](Companion& companion) -> Result<Exit> {
    const auto body =
        TRY(companion.send(get("/v1/rejects", {{"table", options.table},
                                               {"reason", options.reason},
                                               {"stage", options.stage},
                                               {"since", options.since},
                                               {"limit", std::to_string(options.limit)}})));
    if (options.data.output == Output::Json) {
      screen.print(body);
      return Exit::Fine;
    }
    const auto answer = TRY(parse_answer(body));
    print_counts(answer, screen);
    TextTable table({{"id"}, {"rejected"}, {"reason"}, {"detail"}, {"record"}});
    for (const auto& reject : items_of(answer, "rejects")) {
      table.add({cell(reject, "id"), time_cell(reject, "rejected_at"), cell(reject, "reason"),
                 cell(reject, "detail").value_or(""), record_of(reject, kRecordBytesListed)});
    }
    if (table.row_count() > 0) {
      screen.print("\n" + table.text(screen.paint(), screen.columns()));
    }
    return Exit::Fine;
  });
}

Exit show_rejects(const RejectsOptions& options, Screen& screen) {
  return with_companion(options.data, screen, [&](Companion& companion) -> Result<Exit> {
    for (const auto& id : options.ids) {
      const auto body = TRY(companion.send(get("/v1/rejects/" + http::percent_encode(id))));
      if (options.data.output == Output::Json) {
        screen.print(body);
      } else {
        print_reject(TRY(parse_answer(body)), screen);
      }
    }
    return Exit::Fine;
  });
}

Exit replay_rejects(const RejectsOptions& options, Screen& screen) {
  Json body = Json::object();
  if (!options.table.empty()) body["table"] = options.table;
  if (!options.reason.empty()) body["reason"] = options.reason;
  if (!options.since.empty()) body["since"] = options.since;
  if (!options.ids.empty()) body["ids"] = options.ids;
  if (options.has_duplicates) body["include_duplicates"] = true;
  return with_companion(options.data, screen, [&](Companion& companion) -> Result<Exit> {
    const auto text = TRY(companion.send(post("/v1/rejects/replay", body.dump())));
    if (options.data.output == Output::Json) {
      screen.print(text);
      return Exit::Fine;
    }
    const auto answer = TRY(parse_answer(text));
    const auto records = count_cell(answer, "records").value_or("0");
    screen.line(records == "0" ? "nothing to replay: no reject fits"
                               : fmt::format("{} records go through the stream once more; see what "
                                             "became of them with `millrace rejects list`",
                                             records));
    return Exit::Fine;
  });
}

}  // namespace millrace::app
