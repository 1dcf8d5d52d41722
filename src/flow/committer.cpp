#include "flow/committer.hpp"

#include "flow/events.hpp"
#include "lake/row_files.hpp"

namespace millrace::flow {

using base::Code;
using base::Error;
using base::Result;

namespace {

Result<std::vector<lake::AddFile>> write_files(const lake::Table& table, const Generation& rows) {
  const auto view = rows.view();
  return lake::write_rows(table, {rows.columns(), *view});
}

}  // namespace

Result<void> Committer::run(CommitJob& job) {
  const auto started = tools_.clock.steady_now();
  if (!job.is_committed) {
    if (!job.row_files) job.row_files = TRY(write_files(*job.table, *job.sealed.rows));
    if (!job.reject_files) {
      job.reject_files = TRY(write_files(rejects_.table(), *job.sealed.rejects));
    }
    TRY(commit(job));
    job.is_committed = true;
  }
  const auto followed = TRY(rejects_.roll_forward(job.name, *job.table));
  board_.publish();
  if (auto kept = job.table->maintain(followed); !kept) {
    events::maintenance_failed(tools_.telemetry, job.name, kept.error());
  }
  if (auto kept = rejects_.table().maintain(rejects_.table().snapshot()->version); !kept) {
    events::maintenance_failed(tools_.telemetry, kRejectsTable, kept.error());
  }
  events::committed(tools_.telemetry, job.name, job.sealed.counts,
                    tools_.clock.steady_now() - started);
  return {};
}

Result<bool> Committer::is_done_already(const CommitJob& job) const {
  const auto snapshot = TRY(job.table->refresh());
  for (const auto& position : job.sealed.positions) {
    if (snapshot->transaction(position.app_id) != position.next) return false;
  }
  return true;
}

Result<void> Committer::commit(CommitJob& job) {
  const auto& counts = job.sealed.counts;
  const lake::Transaction change{.operation = "STREAMING UPDATE",
                                 .adds = *job.row_files,
                                 .positions = job.sealed.positions,
                                 .notes = job.sealed.notes,
                                 .extra = encode_extra(*job.reject_files, job.sealed.newest_events,
                                                       {{"records", counts.records},
                                                        {"rows", counts.rows},
                                                        {"rejected", counts.rejected},
                                                        {"filtered", counts.filtered}})};
  const auto outcome = job.table->commit(change);
  if (!outcome && outcome.error().code == Code::Unknown) job.is_unclear = true;
  const auto* conflict = outcome ? std::get_if<lake::Conflict>(&*outcome) : nullptr;
  if (!outcome || conflict) {
    // It may be our own commit that stands there although we saw an error: the positions say so.
    if (job.is_unclear && TRY(is_done_already(job))) {
      show_rejects(job, job.table->snapshot()->version);
      return {};
    }
    if (!conflict) return outcome.error();
    job.conflict = *conflict;
    return Error{Code::Denied,
                 "another process writes to this table; this one stops: " + conflict->detail,
                 job.table->root().string()};
  }
  show_rejects(job, std::get<lake::Committed>(*outcome).version);
  return {};
}

// The rejects are hot until their table has followed to this version.
void Committer::show_rejects(const CommitJob& job, base::TableVersion version) const {
  job.sealed.rejects->mark_contained_from(
      job.reject_files->empty()
          ? std::map<std::string, std::int64_t>{}
          : std::map<std::string, std::int64_t>{{rejects_.app_id(job.name), version.value()}});
}

}  // namespace millrace::flow
