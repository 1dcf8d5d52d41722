#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "batch/redshift_columns.hpp"

// All that Redshift is told, as texts. tests/judges/redshift.py has each of them judged.
namespace millrace::batch {

/// What the ledger has of a partition.
struct LedgerRow {
  LoadMark mark;
  std::string run_id;
  std::int64_t rows = 0;
};

/// Columns: table, column, type, length, precision, scale; of the target and of its ledger.
std::string catalogue_query(const LoadTarget& target);
/// Columns: partition, life, mark, run_id, rows; of the target, or of one of its partitions.
std::string ledger_query(const LoadTarget& target, const std::optional<std::string>& key = {});

/// A row for each partition, or for one: its key, and what it says to the proof.
std::string proof_query(const LoadTarget& target, const std::optional<Partition>& only);

/// Each of these is sent alone, outside of any transaction.
std::string make_schema(const std::string& schema);
std::string make_ledger(const LoadTarget& target);
/// Forgets what was loaded into the target.
std::string clear_ledger(const LoadTarget& target);
std::string make_table(const LoadTarget& target, const std::vector<RedshiftColumn>& columns);
std::string add_column(const LoadTarget& target, const RedshiftColumn& column);
std::string widen_text(const LoadTarget& target, const RedshiftColumn& column);

/// Where rows lie that are to be loaded.
struct StagedRows {
  std::string manifest;  ///< `s3://bucket/…/manifest`; empty: there are no rows
  std::string role;
};

/// A statement of a load. A guard divides by zero if what it is about does not hold, which undoes
/// all: nobody stands between the statements of a batch to look at what they answer.
struct LoadStep {
  enum class Guards : std::uint8_t { Nothing, NoOther, Count, Sums };
  std::string sql;
  Guards guards = Guards::Nothing;
};

struct LoadPlan {
  const LoadTarget& target;
  const std::vector<RedshiftColumn>& columns;
  const PartitionLoad& load;
  std::optional<LedgerRow> before;  ///< what the ledger said: it must still
  StagedRows staged;
  ProofValues proof;  ///< what the lake says
  base::Time at;
};

/// One transaction that puts the rows in place of those of the partition.
std::vector<LoadStep> load_steps(const LoadPlan& plan);

}  // namespace millrace::batch
