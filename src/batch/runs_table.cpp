#include "batch/runs_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "lake/data_file.hpp"
#include "lake/rewrite.hpp"

namespace millrace::batch {
namespace {

using base::Code;
using base::Error;
using base::Result;
using Json = nlohmann::json;
using std::chrono::microseconds;

constexpr std::string_view kClaimEnd = "/claim";
// How far back the commit of a claim is looked for.
constexpr std::size_t kHistoryMax = 1000;

bool is_claim(std::int64_t value) {
  return value % 2 != 0;
}

// What a commit of claims says of each, so that it can be found who had them.
std::string extra_of(const std::vector<Json>& claims) {
  return Json{{"claims", claims}}.dump();
}

Json json_of(const std::string& app_id, const Claim& claim) {
  Json json{{"app_id", app_id},
            {"value", claim.value},
            {"run_id", claim.run_id},
            {"job", claim.job},
            {"partition", claim.partition},
            {"trigger", name_of(claim.trigger)},
            {"started_at", base::format_time(claim.started_at)}};
  if (!claim.engine.empty()) json["engine"] = claim.engine;
  return json;
}

Trigger trigger_from(std::string_view word) {
  for (const auto trigger : {Trigger::Schedule, Trigger::Manual}) {
    if (name_of(trigger) == word) return trigger;
  }
  return Trigger::Backfill;
}

RunStatus status_from(std::string_view word) {
  return word == name_of(RunStatus::Succeeded) ? RunStatus::Succeeded : RunStatus::Failed;
}

Claim claim_from(const Json& json) {
  const auto started = base::parse_time(json.value("started_at", ""));
  return {.run_id = json.value("run_id", ""),
          .job = json.value("job", ""),
          .partition = json.value("partition", ""),
          .trigger = trigger_from(json.value("trigger", "")),
          .started_at = started ? *started : base::Time{},
          .value = json.value("value", std::int64_t{0}),
          .engine = json.value("engine", "")};
}

RunRow row_at(const sql::Chunk& chunk, std::size_t at) {
  const auto text = [&](std::size_t column) {
    const auto vector = chunk.column(column);
    return vector.is_null(at) ? std::string() : std::string(vector.text(at));
  };
  const auto number = [&](std::size_t column) {
    const auto vector = chunk.column(column);
    return vector.is_null(at) ? 0 : vector.data<std::int64_t>()[at];
  };
  const auto time = [&](std::size_t column) { return base::Time(microseconds(number(column))); };
  return {.run_id = text(0),
          .job = text(1),
          .partition = text(2),
          .status = status_from(text(3)),
          .attempt = chunk.column(4).data<std::int32_t>()[at],
          .rows = number(5),
          .started_at = time(6),
          .ended_at = time(7),
          .duration = std::chrono::milliseconds(number(8)),
          .error = text(9),
          .trigger = trigger_from(text(10))};
}

}  // namespace

Result<std::unique_ptr<RunsTable>> RunsTable::open(const os::Path& root, const lake::Tools& tools,
                                                   Options options) {
  auto table = TRY(lake::Table::open_or_create(root, run_columns(), {}, tools));
  return std::unique_ptr<RunsTable>(new RunsTable(std::move(table), std::move(options)));
}

std::string RunsTable::app_id(const std::string& job, const std::string& partition) const {
  return fmt::format("millrace/{}/{}/{}{}", options_.pipeline, job, partition, kClaimEnd);
}

// Positions only grow, whatever the clock does.
std::int64_t RunsTable::value_for(base::Time expiry, std::optional<std::int64_t> before) const {
  const auto value = expiry.time_since_epoch().count() * 2 + 1;
  if (!before || *before < value) return value;
  return is_claim(*before) ? *before + 2 : *before + 1;
}

Result<bool> RunsTable::commit(lake::Transaction change) {
  auto outcome = table_->commit(change);
  if (outcome) {
    const bool is_done = std::holds_alternative<lake::Committed>(*outcome);
    for (const auto& file : change.adds) {
      if (!is_done) table_->discard_file(file.path);
    }
    maintain();
    return is_done;
  }
  // Whether it was written is what the table says.
  if (outcome.error().code != Code::Unknown) return std::move(outcome).error();
  const auto snapshot = TRY(table_->refresh());
  const bool is_there = std::ranges::all_of(change.positions, [&](const auto& position) {
    return snapshot->transaction(position.app_id) == position.next;
  });
  if (is_there) return true;
  return std::move(outcome).error();
}

void RunsTable::maintain() {
  const auto snapshot = table_->snapshot();
  // Neither is needed for what was just written; both come again with the next run.
  (void)table_->maintain(snapshot->version).has_value();
  if (snapshot->files.size() > options_.files_max) (void)lake::compact(*table_).has_value();
}

Result<std::vector<lake::AddFile>> RunsTable::files_of(const std::vector<RunRow>& rows) {
  if (rows.empty()) return std::vector<lake::AddFile>();
  auto connection = TRY(table_->tools().engine.connect());
  auto file = TRY(lake::write_data_file(connection, *table_, select_of(rows), {}));
  CHECK(file);
  return std::vector<lake::AddFile>{std::move(*file)};
}

// Claims by position and value, as far as the log still tells of them.
Result<std::vector<Claim>> RunsTable::find_claims(std::map<std::string, std::int64_t> wanted) {
  std::vector<Claim> found;
  if (wanted.empty()) return found;
  for (const auto& info : TRY(table_->history(kHistoryMax))) {
    const Json extra = Json::parse(info.extra, nullptr, false);
    if (!extra.is_object() || !extra.contains("claims")) continue;
    for (const Json& claim : extra.at("claims")) {
      const auto one = wanted.find(claim.value("app_id", ""));
      if (one == wanted.end() || one->second != claim.value("value", std::int64_t{0})) continue;
      found.push_back(claim_from(claim));
      wanted.erase(one);
    }
  }
  return found;
}

// The rows of runs that ended without writing one; none of those of which nothing is known any
// more.
Result<std::vector<RunRow>> RunsTable::rows_of_ended(
    const std::map<std::string, std::int64_t>& claims, const CommittedRows& committed) {
  std::vector<RunRow> ended;
  for (const auto& claim : TRY(find_claims(claims))) {
    const auto rows = committed(claim);
    const auto now = std::max(table_->tools().clock.now(), claim.started_at);
    ended.push_back({.run_id = claim.run_id,
                     .job = claim.job,
                     .partition = claim.partition,
                     .status = rows ? RunStatus::Succeeded : RunStatus::Failed,
                     .rows = rows.value_or(0),
                     .started_at = claim.started_at,
                     .ended_at = now,
                     .duration = now - claim.started_at,
                     .error = rows ? "" : "the process ended during the run",
                     .trigger = claim.trigger});
  }
  return ended;
}

Result<std::vector<RunsTable::Claimed>> RunsTable::claim(std::vector<Claim> wanted,
                                                         const CommittedRows& committed) {
  for (;;) {
    const auto snapshot = TRY(table_->refresh());
    const auto now = table_->tools().clock.now();
    std::vector<Claimed> outcomes;
    std::vector<Json> claims;
    std::map<std::string, std::int64_t> expired;
    lake::Transaction change{.operation = "CLAIM RUN"};
    for (auto& claim : wanted) {
      const auto id = app_id(claim);
      const auto before = snapshot->transaction(id);
      if (before && is_claim(*before)) {
        const base::Time until{microseconds(*before / 2)};
        if (until > now) {
          outcomes.emplace_back(Held{until});
          continue;
        }
        expired.emplace(id, *before);
      }
      const auto time = claim.time.count() > 0 ? claim.time : options_.claim_time;
      claim.value = value_for(now + time, before);
      change.positions.push_back({id, before, claim.value});
      claims.push_back(json_of(id, claim));
      outcomes.emplace_back(claim);
    }
    if (claims.empty()) return outcomes;
    const auto ended = TRY(rows_of_ended(expired, committed));
    change.adds = TRY(files_of(ended));
    change.extra = extra_of(claims);
    if (TRY(commit(change))) return outcomes;
  }
}

Result<RunsTable::Claimed> RunsTable::claim(Claim wanted, const CommittedRows& committed) {
  return TRY(claim(std::vector<Claim>{std::move(wanted)}, committed)).front();
}

bool RunsTable::is_due_for_renewal(const Claim& claim) const {
  return table_->tools().clock.now() > claim.expires_at() - options_.claim_time * 2 / 3;
}

Result<void> RunsTable::renew(std::vector<Claim>& claims) {
  while (!claims.empty()) {
    const auto now = table_->tools().clock.now();
    lake::Transaction change{.operation = "CLAIM RUN"};
    std::vector<Claim> renewed = claims;
    std::vector<Json> told;
    for (auto& claim : renewed) {
      const auto id = app_id(claim);
      const auto before = claim.value;
      const auto time = claim.time.count() > 0 ? claim.time : options_.claim_time;
      claim.value = value_for(now + time, before);
      change.positions.push_back({id, before, claim.value});
      told.push_back(json_of(id, claim));
    }
    change.extra = extra_of(told);
    if (TRY(commit(change))) {
      claims = std::move(renewed);
      return {};
    }
    TRY(keep_held(claims));
  }
  return {};
}

Result<void> RunsTable::keep_held(std::vector<Claim>& claims) {
  const auto snapshot = TRY(table_->refresh());
  std::erase_if(claims, [&](const Claim& claim) {
    return snapshot->transaction(app_id(claim)) != claim.value;
  });
  return {};
}

Result<std::size_t> RunsTable::finish(std::vector<Ended> ended) {
  for (;;) {
    if (ended.empty()) return std::size_t{0};
    std::vector<RunRow> rows;
    lake::Transaction change{.operation = "WRITE"};
    for (const auto& [claim, row] : ended) {
      if (row) rows.push_back(*row);
      change.positions.push_back({app_id(claim), claim.value, claim.value + 1});
    }
    change.adds = TRY(files_of(rows));
    if (TRY(commit(change))) return ended.size();
    const auto snapshot = table_->snapshot();
    std::erase_if(ended, [&](const Ended& one) {
      return snapshot->transaction(app_id(one.claim)) != one.claim.value;
    });
  }
}

Result<void> RunsTable::finish(const Claim& claim, const RunRow& row) {
  if (TRY(finish(std::vector<Ended>{{claim, row}})) > 0) return {};
  // The claim went to somebody else, who wrote what they could know of this run.
  return Error{Code::Unavailable, "the claim of the run expired and was taken by another process"};
}

Result<void> RunsTable::end_abandoned(const CommittedRows& committed) {
  const auto prefix = fmt::format("millrace/{}/", options_.pipeline);
  for (;;) {
    const auto snapshot = TRY(table_->refresh());
    std::map<std::string, std::int64_t> abandoned;
    for (const auto& [id, value] : snapshot->transactions) {
      const bool is_ours = id.starts_with(prefix) && id.ends_with(kClaimEnd);
      if (is_ours && is_claim(value)) abandoned.emplace(id, value);
    }
    const auto now = table_->tools().clock.now();
    for (const auto& claim : TRY(find_claims(abandoned))) {
      if (!claim.engine.empty() && claim.expires_at() > now) abandoned.erase(app_id(claim));
    }
    if (abandoned.empty()) return {};
    lake::Transaction change{.operation = "WRITE"};
    for (const auto& [id, value] : abandoned) change.positions.push_back({id, value, value + 1});
    const auto ended = TRY(rows_of_ended(abandoned, committed));
    change.adds = TRY(files_of(ended));
    if (TRY(commit(change))) return {};
  }
}

Result<std::vector<Claim>> RunsTable::claims_of(const std::string& job, std::string_view engine) {
  const auto snapshot = TRY(table_->refresh());
  const auto prefix = fmt::format("millrace/{}/{}/", options_.pipeline, job);
  std::map<std::string, std::int64_t> wanted;
  for (const auto& [id, value] : snapshot->transactions) {
    const bool is_ours = id.starts_with(prefix) && id.ends_with(kClaimEnd);
    if (is_ours && is_claim(value)) wanted.emplace(id, value);
  }
  auto claims = TRY(find_claims(wanted));
  std::erase_if(claims, [&](const Claim& claim) { return claim.engine != engine; });
  return claims;
}

Result<std::vector<RunRow>> RunsTable::read(const std::string& sql) {
  auto connection = TRY(table_->tools().engine.connect());
  TRY(connection.run(fmt::format("CREATE TEMP VIEW runs AS {}",
                                 lake::scan_sql(table_->root(), *table_->snapshot()))));
  auto rows = TRY(connection.query(sql));
  std::vector<RunRow> found;
  while (auto chunk = TRY(rows.next())) {
    for (std::size_t at = 0; at < chunk->row_count(); ++at) found.push_back(row_at(*chunk, at));
  }
  return found;
}

Result<std::vector<RunRow>> RunsTable::runs(const RunFilter& filter) {
  std::string where = "true";
  if (!filter.job.empty()) where += " AND job = " + base::sql_string(filter.job);
  if (!filter.partition.empty()) {
    where += " AND \"partition\" = " + base::sql_string(filter.partition);
  }
  return read(
      fmt::format("FROM runs WHERE {} ORDER BY started_at DESC, ended_at DESC, run_id LIMIT {}",
                  where, filter.limit));
}

Result<std::vector<RunRow>> RunsTable::last_runs(const std::string& job) {
  return read(fmt::format(
      "FROM runs WHERE job = {} QUALIFY row_number() OVER (PARTITION BY \"partition\" ORDER BY "
      "started_at DESC, ended_at DESC) = 1 ORDER BY \"partition\"",
      base::sql_string(job)));
}

Result<std::optional<base::Time>> RunsTable::last_success(const std::string& job) {
  const auto rows = TRY(
      read(fmt::format("FROM runs WHERE job = {} AND status = {} ORDER BY ended_at DESC LIMIT 1",
                       base::sql_string(job), base::sql_string(name_of(RunStatus::Succeeded)))));
  return rows.empty() ? std::optional<base::Time>() : std::optional(rows.front().ended_at);
}

bool RunsTable::is_running(const std::string& job, const std::string& partition) const {
  const auto value = table_->snapshot()->transaction(app_id(job, partition));
  return value && is_claim(*value) &&
         base::Time(microseconds(*value / 2)) > table_->tools().clock.now();
}

std::optional<base::Time> RunsTable::scheduled_until(const std::string& job) const {
  const auto value = table_->snapshot()->transaction(
      fmt::format("millrace/{}/{}/schedule", options_.pipeline, job));
  return value ? std::optional(base::Time(microseconds(*value))) : std::nullopt;
}

Result<void> RunsTable::set_scheduled_until(const std::vector<std::string>& jobs,
                                            base::Time firing) {
  const auto next = firing.time_since_epoch().count();
  lake::Transaction change{.operation = "SCHEDULE"};
  for (const auto& job : jobs) {
    const auto id = fmt::format("millrace/{}/{}/schedule", options_.pipeline, job);
    const auto before = table_->snapshot()->transaction(id);
    if (!before || *before < next) change.positions.push_back({id, before, next});
  }
  if (!change.positions.empty()) (void)TRY(commit(change));
  return {};
}

}  // namespace millrace::batch
