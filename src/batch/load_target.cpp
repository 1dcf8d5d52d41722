#include "batch/load_target.hpp"

#include <algorithm>

#include "lake/retention.hpp"

namespace millrace::batch {

LoadTarget target_of(const std::string& pipeline, const JobPlan& plan, lake::Schema columns) {
  for (auto& column : columns) {
    const auto given = std::ranges::find(plan.schema, column.name, &sql::Column::name);
    if (given != plan.schema.end() && given->type.is_json()) column.type = sql::Type::json();
  }
  return {.pipeline = pipeline,
          .table = plan.job.load->table,
          .columns = std::move(columns),
          .partition_column = plan.job.each_column,
          .redshift = plan.job.load->redshift};
}

std::map<Partition, LoadMark> load_marks(const Marks& marks, const lake::Snapshot& snapshot) {
  std::map<Partition, LoadMark> found;
  const auto kept_from = lake::kept_from(snapshot);
  for (const auto& partition : marks.partitions(snapshot)) {
    if (kept_from && partition.start < *kept_from) continue;
    const auto mark = *snapshot.transaction(marks.sql_mark(partition));
    found[partition] = {snapshot.metadata->id, mark};
  }
  return found;
}

bool covers(const Ledger& ledger, const Partition& partition, const LoadMark& wanted) {
  const auto there = ledger.find(ledger_key(partition));
  return there != ledger.end() && there->second.covers(wanted);
}

}  // namespace millrace::batch
