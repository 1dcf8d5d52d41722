#include "flow/committer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "flow/events.hpp"
#include "lake/data_file.hpp"
#include "sql/render.hpp"

namespace millrace::flow {

using base::Code;
using base::Error;
using base::Result;

Result<std::unique_ptr<Committer>> Committer::open(const lake::Tools& tools, CutBoard& board,
                                                   RejectsTable& rejects) {
  std::unique_ptr<Committer> committer(new Committer(tools, board, rejects));
  TRY(tools.engine.add_table_function(
      "generation",
      [raw = committer.get()](std::string_view) -> Result<std::shared_ptr<sql::ScanTable>> {
        return raw->rows_;
      }));
  committer->connection_ = std::make_unique<sql::Connection>(TRY(tools.engine.connect()));
  return committer;
}

namespace {

// The rows that are written, with NULL in columns that another worker has added to the table.
std::string relation_of(const std::vector<sql::Column>& columns, const lake::Metadata& metadata) {
  std::string added;
  for (const auto& column : metadata.schema) {
    if (std::ranges::find(columns, column.name, &sql::Column::name) != columns.end()) continue;
    added +=
        fmt::format(", CAST(NULL AS {}) AS {}", column.type.text(), base::sql_name(column.name));
  }
  return added.empty() ? "generation('')" : fmt::format("(SELECT *{} FROM generation(''))", added);
}

// Kinds whose texts are those that SQL casts them to.
bool is_plain(duckdb_type type) {
  return type == DUCKDB_TYPE_DATE || type == DUCKDB_TYPE_VARCHAR || type == DUCKDB_TYPE_BOOLEAN ||
         type == DUCKDB_TYPE_INTEGER || type == DUCKDB_TYPE_BIGINT;
}

/// A column by which a table is partitioned.
struct PartitionColumn {
  std::string name;
  std::size_t index;
  sql::Renderer renderer;

  // NULL and the empty text are one partition.
  std::optional<std::string> text(const sql::Chunk& chunk, std::size_t row) const {
    if (chunk.column(index).is_null(row)) return std::nullopt;
    auto value = renderer.text(chunk.column(index), row);
    return value.empty() ? std::nullopt : std::optional(std::move(value));
  }
};

// What partitions occur, without a statement that has to be planned. Empty: SQL has to say.
std::vector<lake::PartitionValues> partitions_in(const Generation& rows,
                                                 const std::vector<std::string>& names) {
  std::vector<PartitionColumn> columns;
  for (const auto& name : names) {
    const auto found = std::ranges::find(rows.columns(), name, &sql::Column::name);
    if (found == rows.columns().end() || !is_plain(found->type.id())) return {};
    columns.push_back({name, static_cast<std::size_t>(found - rows.columns().begin()),
                       sql::Renderer(found->type)});
  }
  std::set<lake::PartitionValues> partitions;
  if (columns.empty()) partitions.insert({});
  lake::PartitionValues last;
  for (const auto& chunk : *rows.view()) {
    if (columns.empty()) break;
    for (std::size_t row = 0; row < chunk->row_count(); ++row) {
      lake::PartitionValues values;
      for (const auto& column : columns) values[column.name] = column.text(*chunk, row);
      if (values == last) continue;
      partitions.insert(values);
      last = std::move(values);
    }
  }
  return {partitions.begin(), partitions.end()};
}

}  // namespace

Result<std::vector<lake::AddFile>> Committer::write_files(const lake::Table& table,
                                                          const Generation& rows) {
  if (rows.row_count() == 0) return std::vector<lake::AddFile>{};
  const auto& metadata = *table.snapshot()->metadata;
  const lake::DataFileOptions options{.partitions =
                                          partitions_in(rows, metadata.partition_columns)};
  rows_ = std::make_shared<ChunksTable>(rows.columns(), rows.view());
  auto files =
      lake::write_data_files(*connection_, table, relation_of(rows.columns(), metadata), options);
  rows_.reset();
  return files;
}

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
