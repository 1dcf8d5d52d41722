#pragma once

#include "batch/test_bench.hpp"
#include "os/sim_disk.hpp"

namespace millrace::batch {

/// A copy of a bench's tables on a disk whose power can be cut, and lives of the program on it.
class PowerBench {
 public:
  PowerBench(JobsBench& bench, std::uint64_t seed, os::Survival survival) : bench_(bench) {
    std::filesystem::copy(bench.folder.path(), folder_.path(),
                          std::filesystem::copy_options::recursive);
    disk = std::move(os::SimDisk::open({folder_.path(), seed, survival})).value();
  }

  /// One life: the jobs are opened and asked.
  using Ask = std::function<base::Result<std::vector<RunRow>>(Jobs&)>;
  base::Result<std::vector<RunRow>> live(const Ask& ask, const JobsOptions& options = {}) {
    flow::CutBoard board;
    auto orders = TRY(lake::Table::open(folder_.path() / "tables" / "orders", tools(*disk)));
    board.add_table("orders", *orders);
    auto jobs = TRY(
        Jobs::open({bench_.pipeline, tools(*disk), board, bench_.stream, folder_.path(), options}));
    return ask(*jobs);
  }
  /// What a SELECT, without its FROM, gives of a table.
  std::string rows(const std::string& table, const std::string& select) {
    const auto root = folder_.path() / "tables" / table;
    auto opened = std::move(lake::Table::open(root, tools(bench_.real_disk))).value();
    return bench_.connection
        ->scalar(select + " FROM (" + lake::scan_sql(root, *opened->snapshot()) + ")")
        .value()
        .value_or("");
  }

  std::unique_ptr<os::SimDisk> disk;

 private:
  lake::Tools tools(os::Disk& where) {
    return {where, *bench_.engine, bench_.clock, bench_.random, {bench_.log, bench_.metrics}};
  }

  JobsBench& bench_;
  os::TestFolder folder_;
};

}  // namespace millrace::batch
