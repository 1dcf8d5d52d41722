#pragma once

#include <map>

#include "batch/marks.hpp"
#include "batch/warehouse.hpp"

namespace millrace::batch {

/// Where a job that has `load` goes; `columns` are those of its table. Delta has no JSON: a column
/// that the job's SQL gives as JSON is one again.
LoadTarget target_of(const std::string& pipeline, const JobPlan& plan, lake::Schema columns);

/// The partitions of a job that can be loaded, each with the result that the snapshot has of it.
/// Those whose rows are no longer kept here are left out: the warehouse keeps what it has of them.
std::map<Partition, LoadMark> load_marks(const Marks& marks, const lake::Snapshot& snapshot);

/// True if the warehouse whose ledger this is has that result.
bool covers(const Ledger& ledger, const Partition& partition, const LoadMark& wanted);

}  // namespace millrace::batch
