#include "serve/rejects.hpp"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "base/base64.hpp"
#include "base/text.hpp"
#include "serve/answer.hpp"
#include "serve/events.hpp"
#include "serve/request.hpp"
#include "sql/render.hpp"

namespace millrace::serve {
namespace {

using base::Code;
using base::Error;
using base::Result;
using Json = nlohmann::ordered_json;

constexpr std::int64_t kLimitDefault = 100;
constexpr std::int64_t kLimitMax = 10'000;
constexpr std::size_t kRawShown = 2'000;  // bytes, in lists
constexpr std::size_t kIncarnationShown = 8;
constexpr std::size_t kIdsMax = 1'000;

// The columns that make an object, in their order; `raw` is the last.
constexpr std::string_view kColumns =
    R"("table", source, incarnation, _shard, _offset, partition_key, _received_at, rejected_at,
       stage, reason, detail, replay, outcome, headers, raw)";
constexpr std::size_t kRawColumn = 14;

// A record and what its latest replay came to, as one row.
std::string with_outcomes(const std::string& where) {
  return fmt::format(
      R"(SELECT {} FROM (SELECT * EXCLUDE (replay, outcome) FROM _rejects WHERE {})
         LEFT JOIN (SELECT "table", source, incarnation, _shard, _offset,
                           arg_max(replay, (rejected_at, outcome = 'accepted')) AS replay,
                           arg_max(outcome, (rejected_at, outcome = 'accepted')) AS outcome
                    FROM _rejects WHERE replay IS NOT NULL GROUP BY ALL)
         USING ("table", source, incarnation, _shard, _offset))",
      kColumns, where);
}

struct Filter {
  std::string where = "replay IS NULL";
  flow::Parameters parameters;

  void equal(const std::string& column, const std::optional<std::string>& value) {
    if (!value) return;
    where += fmt::format(" AND {} = ${}", base::sql_name(column), column);
    parameters[column] = *value;
  }
  void since(std::optional<base::Time> time) {
    if (!time) return;
    // The table is partitioned by day: days before are not even opened.
    where += " AND rejected_at >= $since AND day >= $since_day";
    parameters["since"] = *time;
    const auto days = std::chrono::floor<std::chrono::days>(*time).time_since_epoch().count();
    parameters["since_day"] = sql::Date{static_cast<std::int32_t>(days)};
  }
};

std::string_view shown(std::string_view raw, std::size_t bytes_max) {
  if (raw.size() <= bytes_max) return raw;
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(raw[end]) & 0xC0) == 0x80) --end;
  return raw.substr(0, end);
}

/// Turns rows of kColumns into objects.
class RejectWriter {
 public:
  explicit RejectWriter(std::size_t raw_bytes_max) : raw_bytes_max_(raw_bytes_max) {
    const sql::Type text(DUCKDB_TYPE_VARCHAR), time(DUCKDB_TYPE_TIMESTAMP_TZ);
    add("table", text), add("source", text), add("incarnation", text);
    add("shard", sql::Type(DUCKDB_TYPE_INTEGER)), add("offset", sql::Type(DUCKDB_TYPE_BIGINT));
    add("partition_key", text), add("received_at", time), add("rejected_at", time);
    add("stage", text), add("reason", text), add("detail", text);
    add("replay", text), add("outcome", text), add("headers", sql::Type::json());
    CHECK(names_.size() == kRawColumn);
  }

  void append(const sql::Chunk& chunk, std::size_t row, std::string& out) const {
    const auto incarnation = chunk.column(2).text(row);
    const auto plain = [&](std::size_t column) {
      return renderers_[column].text(chunk.column(column), row);
    };
    out += R"({"id":)";
    sql::append_json_string(
        fmt::format("{}/{}/{}/{}/{}", plain(0), plain(1), incarnation.substr(0, kIncarnationShown),
                    plain(3), plain(4)),
        out);
    for (std::size_t i = 0; i < names_.size(); ++i) {
      out += fmt::format(R"(,"{}":)", names_[i]);
      renderers_[i].append_json(chunk.column(i), row, out);
    }
    const auto raw = chunk.column(kRawColumn).text(row);
    out += fmt::format(R"(,"raw_bytes":{})", raw.size());
    const auto part = shown(raw, raw_bytes_max_);
    if (base::is_utf8(part)) {
      out += R"(,"raw":)";
      sql::append_json_string(part, out);
    } else {
      out += R"(,"raw_base64":")" + base::base64(part) + '"';
    }
    out += part.size() < raw.size() ? R"(,"is_raw_cut":true})" : "}";
  }

 private:
  void add(std::string name, const sql::Type& type) {
    names_.push_back(std::move(name));
    renderers_.emplace_back(type);
  }

  const std::size_t raw_bytes_max_;
  std::vector<std::string> names_;
  std::vector<sql::Renderer> renderers_;
};

Result<std::int64_t> number(const std::string& id, std::string_view text) {
  std::int64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec == std::errc{} && read.ptr == text.data() + text.size() && value >= 0) return value;
  return Error{Code::Invalid,
               fmt::format("'{}' is no reject's id: table/source/incarnation/shard/offset",
                           base::printable(id))};
}

}  // namespace

Result<flow::ReplayRequest::Position> parse_reject_id(const std::string& id) {
  std::vector<std::string_view> parts;
  std::string_view rest = id;
  for (int i = 0; i < 3; ++i) {  // from the back: a source's name may hold anything
    const auto slash = rest.rfind('/');
    if (slash == rest.npos) break;
    parts.push_back(rest.substr(slash + 1));
    rest = rest.substr(0, slash);
  }
  const auto slash = rest.find('/');
  if (parts.size() < 3 || slash == rest.npos) {
    return Error{Code::Invalid,
                 fmt::format("'{}' is no reject's id: table/source/incarnation/shard/offset",
                             base::printable(id))};
  }
  flow::ReplayRequest::Position position;
  position.offset = TRY(number(id, parts[0]));
  position.shard = TRY(number(id, parts[1]));
  position.incarnation = parts[2];
  position.table = rest.substr(0, slash);
  position.source = rest.substr(slash + 1);
  return position;
}

namespace {

/// Chooses the one record of a position whose incarnation may be cut.
Filter filter_of(const flow::ReplayRequest::Position& position) {
  Filter filter;
  filter.where =
      R"("table" = $table AND source = $source AND starts_with(incarnation, $incarnation)
         AND _shard = $shard AND _offset = $offset)";
  filter.parameters = {{"table", position.table},
                       {"source", position.source},
                       {"incarnation", position.incarnation},
                       {"shard", position.shard},
                       {"offset", position.offset}};
  return filter;
}

}  // namespace

void Rejects::add_to(Routes& routes, const Pools& pools) {
  const auto call = [this](auto member) {
    return [this, member](const http::Request& request) { return (this->*member)(request); };
  };
  routes.get("/v1/rejects", pools.queries, call(&Rejects::list));
  routes.get("/v1/rejects/{id}", pools.queries, call(&Rejects::show));
  routes.post("/v1/rejects/replay", pools.operations, call(&Rejects::replay));
}

Result<http::Response> Rejects::list(const http::Request& request) const {
  TRY(check_query(
      request, std::vector<std::string>{"table", "reason", "stage", "source", "since", "limit"}));
  const auto limit = TRY(query_integer(request, "limit", {0, kLimitMax}));
  const auto since = TRY(query_time(request, "since"));
  Filter filter;
  for (const std::string column : {"table", "reason", "stage", "source"}) {
    filter.equal(column, query_text(request, column));
  }
  filter.since(since);

  std::string out = R"({"rejects":[)";
  const RejectWriter writer(kRawShown);
  const auto separated = [&](const auto& write) {
    if (out.back() != '[') out += ',';
    write();
  };
  TRY(queries_.each_row(with_outcomes(filter.where) +
                            fmt::format(" ORDER BY rejected_at DESC, _shard, _offset DESC LIMIT {}",
                                        limit.value_or(kLimitDefault)),
                        filter.parameters, [&](const sql::Chunk& chunk, std::size_t row) {
                          separated([&] { writer.append(chunk, row, out); });
                        }));
  out += R"(],"counts":[)";
  const sql::Renderer text{sql::Type(DUCKDB_TYPE_VARCHAR)};
  const sql::Renderer count{sql::Type(DUCKDB_TYPE_BIGINT)};
  TRY(queries_.each_row(
      fmt::format(R"(SELECT "table", stage, reason, count(*) FROM _rejects WHERE {}
                     GROUP BY ALL ORDER BY count(*) DESC, "table", stage, reason)",
                  filter.where),
      filter.parameters, [&](const sql::Chunk& chunk, std::size_t row) {
        separated([&] {
          const char* const names[] = {R"({"table":)", R"(,"stage":)", R"(,"reason":)"};
          for (std::size_t i = 0; i < 3; ++i) {
            out += names[i];
            text.append_json(chunk.column(i), row, out);
          }
          out += R"(,"count":)";
          count.append_json(chunk.column(3), row, out);
          out += '}';
        });
      }));
  out += "]}\n";
  return http::json(200, std::move(out));
}

Result<http::Response> Rejects::show(const http::Request& request) const {
  TRY(check_query(request, {}));
  const std::string& id = request.path_parameter("id");
  const auto position = TRY(parse_reject_id(id));
  Filter filter = filter_of(position);
  std::string out;
  const RejectWriter writer(SIZE_MAX);
  TRY(queries_.each_row(with_outcomes(filter.where + " AND replay IS NULL"), filter.parameters,
                        [&](const sql::Chunk& chunk, std::size_t row) {
                          if (out.empty()) writer.append(chunk, row, out);
                        }));
  if (out.empty()) {
    return Error{Code::NotFound, fmt::format("no reject has the id '{}'", base::printable(id))};
  }
  return http::json(200, std::move(out) + "\n");
}

Result<flow::ReplayRequest::Position> Rejects::position_of(const std::string& id) const {
  auto position = TRY(parse_reject_id(id));
  const Filter filter = filter_of(position);
  std::vector<std::string> incarnations;
  TRY(queries_.each_row(
      fmt::format("SELECT DISTINCT incarnation FROM _rejects WHERE {}", filter.where),
      filter.parameters, [&](const sql::Chunk& chunk, std::size_t row) {
        incarnations.emplace_back(chunk.column(0).text(row));
      }));
  if (incarnations.empty()) {
    return Error{Code::NotFound, fmt::format("no reject has the id '{}'", base::printable(id))};
  }
  if (incarnations.size() > 1) {
    return Error{Code::Invalid,
                 fmt::format("the id '{}' is not unique; write the incarnation in full",
                             base::printable(id))};
  }
  position.incarnation = incarnations.front();
  return position;
}

Result<http::Response> Rejects::replay(const http::Request& request) const {
  const auto body = TRY(
      JsonBody::parse(request, {"table", "reason", "stage", "since", "ids", "include_duplicates"}));
  flow::ReplayRequest chosen;
  chosen.table = TRY(body.text("table"));
  chosen.reason = TRY(body.text("reason"));
  chosen.stage = TRY(body.text("stage"));
  chosen.since = TRY(body.time("since"));
  chosen.has_duplicates = TRY(body.boolean("include_duplicates")).value_or(false);
  const auto ids = TRY(body.texts("ids"));
  if (ids.size() > kIdsMax) {
    return Error{Code::Invalid,
                 fmt::format("{} ids are given; {} is the limit: choose by table, reason or since",
                             ids.size(), kIdsMax)};
  }
  // Who names a duplicate wants it.
  chosen.has_duplicates |= !ids.empty();
  for (const auto& id : ids) chosen.positions.push_back(TRY(position_of(id)));
  const auto started = TRY(parts_.replay(chosen));
  events::rejects_replayed(parts_.telemetry, started.records);
  return json_answer({{"replays", started.ids}, {"records", started.records}});
}

}  // namespace millrace::serve
