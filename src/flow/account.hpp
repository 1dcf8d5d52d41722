#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "config/pipeline.hpp"
#include "flow/shard_counts.hpp"
#include "lake/table.hpp"

namespace millrace::flow {

/// How the records of one shard ended: as the commits counted them (`life.counts`), and as it is
/// found in the files.
struct ShardAccount {
  ShardLife life;
  std::int64_t rows = 0;                   ///< that are there
  std::int64_t taken = 0;                  ///< records that have rows
  std::int64_t rejected = 0;               ///< records in the rejects table
  std::int64_t partly = 0;                 ///< records that have both
  std::vector<std::string> findings = {};  ///< what does not agree; empty: all does

  /// `shard 3 of orders (3f25…)`, `replay 7`.
  std::string label() const;
};

/// The account of a table: every record that its source gave up to the positions in the table is
/// there as rows or as a reject, or was left out by the table's own SQL.
struct TableAccount {
  std::vector<ShardAccount> shards;
  std::vector<std::string> findings = {};  ///< that belong to no shard
  bool is_compared = true;  ///< false: a file is lost, and nothing is known of the shards

  bool holds() const;
  /// All findings, each with its shard; empty: it holds.
  std::string text() const;
};

/// What an account is made of; all must outlive it. The table, its parent and the rejects table may
/// be written meanwhile.
struct AccountParts {
  const config::Pipeline& pipeline;
  const config::Table& table;
  lake::Table& rows;
  lake::Table& rejects;
  lake::Table* parent = nullptr;     ///< the table that it reads; null: it reads a source
  sql::Connection& connection;       ///< what reads the files
  std::size_t rows_max = 1'000'000;  ///< positions in memory at once, of each of the three tables
  /// Called between two reads; its error ends the work.
  std::function<base::Result<void>()> go_on = [] { return base::Result<void>(); };
};

/// Compares what the commits of a table counted with the positions in its files and in the rejects:
/// docs/data_quality.md, "Every record accounted for".
/// Errors  what kept it from reading. A file that is not there is a finding.
base::Result<TableAccount> take_account(const AccountParts& parts);

}  // namespace millrace::flow
