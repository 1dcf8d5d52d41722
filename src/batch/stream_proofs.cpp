#include "batch/stream_proofs.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "batch/events.hpp"
#include "batch/partition.hpp"
#include "batch/single_run.hpp"
#include "flow/rejects_table.hpp"
#include "sql/interrupt_on_stop.hpp"

namespace millrace::batch {

using base::Code;
using base::Error;
using base::Result;

namespace {

constexpr std::string_view kRunPrefix = "proof@";
constexpr std::string_view kCheck = "source";
constexpr std::string_view kKind = "proof";

Error stopped() {
  return {Code::Cancelled, "the program was stopped during the run"};
}

std::string mend_of(const std::string& table) {
  return fmt::format(
      "`millrace table history {}` says who wrote; restore the tables '{}' and "
      "'{}' from a backup of one moment",
      table, table, flow::kRejectsTable);
}

// `orders/3f25…/0`
std::string partition_of(const flow::ShardLife& life) {
  return fmt::format("{}/{}/{}", life.source, life.incarnation, life.shard);
}

CheckResult result_of(std::optional<double> records, const std::vector<std::string>& findings) {
  return {.check = std::string(kCheck),
          .kind = std::string(kKind),
          .outcome = findings.empty() ? CheckOutcome::Passed : CheckOutcome::Failed,
          .value = records,
          .detail = base::join(findings, "; ")};
}

std::int64_t rows_of(const flow::TableAccount& account) {
  std::int64_t rows = 0;
  for (const auto& shard : account.shards) rows += shard.rows;
  return rows;
}

}  // namespace

std::string StreamProofs::run_name(std::string_view table) {
  return fmt::format("{}{}", kRunPrefix, table);
}

bool StreamProofs::is_run_name(std::string_view job) {
  return job.starts_with(kRunPrefix);
}

void StreamProofs::stop() {
  stopping_.request_stop();
  const std::lock_guard none_is_under_way(run_mutex_);
}

Result<std::vector<StreamProof>> StreamProofs::run(const std::optional<std::string>& table,
                                                   Trigger trigger) {
  if (table && !has(*table)) {
    std::vector<std::string> names;
    for (const auto& one : parts_.pipeline.tables) names.push_back(one.name);
    return Error{Code::NotFound,
                 fmt::format("no stream fills a table '{}'{}", base::printable(*table),
                             base::did_you_mean(*table, names))};
  }
  // What cannot be read now is proven later: the account says how far it goes.
  if (trigger == Trigger::Manual && parts_.stream) (void)parts_.stream->take_in().has_value();
  std::vector<StreamProof> proofs;
  for (const auto& one : parts_.pipeline.tables) {
    if (table && one.name != *table) continue;
    proofs.push_back(TRY(run_one(one, trigger)));
  }
  return proofs;
}

Result<StreamProof> StreamProofs::run_one(const config::Table& table, Trigger trigger) {
  const std::lock_guard one_at_a_time(run_mutex_);
  if (stopping_.stop_requested()) return stopped();
  auto connection = TRY(parts_.tools.engine.connect());
  StreamProof proof;
  const auto work = [&](RunRow& row, Claim& claim) {
    auto account = take_account(table, connection, claim);
    if (!account) {
      row.error =
          account.error().code == Code::Cancelled ? stopped().message : account.error().text();
      return;
    }
    proof.account = std::move(*account);
    row.rows = rows_of(proof.account);
    row.status = proof.account.holds() ? RunStatus::Succeeded : RunStatus::Failed;
    if (!proof.account.holds()) row.error = proof.account.text() + "\n" + mend_of(table.name);
    keep(table.name, row, proof.account);
  };
  proof.run =
      TRY(run_single(parts_.runs, {.job = run_name(table.name),
                                   .partition = label_of(Partition{}),
                                   .trigger = trigger,
                                   .held = "proves it",
                                   .work = work,
                                   .ended = [&](const RunRow& row) {
                                     events::proven(parts_.tools.telemetry, table.name, row);
                                   }}));
  parts_.board.publish();
  return proof;
}

Result<flow::TableAccount> StreamProofs::take_account(const config::Table& table,
                                                      sql::Connection& connection, Claim& claim) {
  auto* rows = parts_.board.table(table.name);
  auto* rejects = parts_.board.table(flow::kRejectsTable);
  if (!rows || !rejects) return Error{Code::NotFound, "its tables are not open"};
  const flow::AccountParts account{
      .pipeline = parts_.pipeline,
      .table = table,
      .rows = *rows,
      .rejects = *rejects,
      .parent = table.from_is_table ? parts_.board.table(table.from) : nullptr,
      .connection = connection,
      .rows_max = parts_.rows_max,
      .go_on = [&] { return go_on(claim); }};
  const sql::InterruptOnStop interrupt(connection, stopping_.get_token());
  return flow::take_account(account);
}

// Between two reads: whether to go on, with the claim alive.
Result<void> StreamProofs::go_on(Claim& claim) {
  if (stopping_.stop_requested()) return stopped();
  if (!parts_.runs.is_due_for_renewal(claim)) return {};
  std::vector<Claim> claims{claim};
  TRY(parts_.runs.renew(claims));
  if (claims.empty()) {
    return Error{Code::Unavailable,
                 "the claim of the run expired and was taken by another process"};
  }
  claim = claims.front();
  return {};
}

// Into `_checks` and the metrics: one row for each shard that is counted, one for what is of none.
void StreamProofs::keep(const std::string& table, const RunRow& row,
                        const flow::TableAccount& account) {
  std::vector<ChecksTable::Checked> checked;
  const auto add = [&](std::string partition, CheckResult result) {
    events::checked(parts_.tools.telemetry, table, result);
    checked.push_back({{.run_id = row.run_id,
                        .job = table,
                        .partition = std::move(partition),
                        .at = row.started_at},
                       {std::move(result)}});
  };
  for (const auto& shard : account.shards) {
    if (!shard.life.counts || !account.is_compared) continue;
    add(partition_of(shard.life),
        result_of(static_cast<double>(shard.life.counts->records), shard.findings));
  }
  if (!account.findings.empty()) add(row.partition, result_of({}, account.findings));
  const auto kept = parts_.checks.add(checked);
  if (!kept) events::checks_not_kept(parts_.tools.telemetry, table, kept.error().text());
}

}  // namespace millrace::batch
