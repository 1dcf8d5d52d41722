#include "batch/pinned.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace millrace::batch {

using base::Code;
using base::Error;
using base::Result;

Result<std::shared_ptr<const Pinned>> Pinned::pin(const RunnableJob& job, flow::CutBoard& board) {
  auto pinned = std::make_shared<Pinned>();
  pinned->output = TRY(job.output.refresh());
  board.publish();
  pinned->cut_ = board.cut();
  const auto& tables = pinned->cut_->tables;
  for (const auto& name : job.plan.views) {
    if (!tables.contains(name)) {
      return Error{Code::NotFound, fmt::format("there is no table '{}'", name)};
    }
  }
  for (const auto& input : job.plan.inputs) {
    const auto table = tables.find(input.table);
    if (table == tables.end()) {
      return Error{Code::NotFound, fmt::format("there is no table '{}'", input.table)};
    }
    pinned->read.emplace(input.table, table->second.snapshot);
    if (input.is_within) pinned->sort_files(input.table, job);
  }
  return std::shared_ptr<const Pinned>(std::move(pinned));
}

void Pinned::sort_files(const std::string& table, const RunnableJob& job) {
  const auto& config = job.plan.job;
  auto& sorted = by_partition_[table];
  for (const auto& [path, file] : read.at(table)->files) {
    std::optional<Partition> partition;
    for (const auto& [column, value] : file->partition_values) {
      if (!value || !base::equal_ignoring_case(column, config.each_column)) continue;
      partition = partition_from_value(config.each, *value, job.marks.zone());
    }
    (partition ? sorted.files[*partition] : sorted.unknown).push_back(file);
  }
}

const flow::TableCut& Pinned::table(const std::string& name) const {
  return cut_->tables.find(name)->second;
}

std::optional<Files> Pinned::files_within(const std::string& table,
                                          const Partition& partition) const {
  const auto sorted = by_partition_.find(table);
  if (sorted == by_partition_.end()) return std::nullopt;
  auto files = sorted->second.unknown;
  const auto own = sorted->second.files.find(partition);
  if (own != sorted->second.files.end()) {
    files.insert(files.end(), own->second.begin(), own->second.end());
  }
  return files;
}

}  // namespace millrace::batch
