#pragma once

#include <optional>
#include <string>
#include <vector>

#include "batch/warehouse.hpp"

namespace millrace::batch {

/// The proof that two databases have the same rows: aggregates that both compute, and that must
/// come out equal. docs/warehouses.md, "The daily proof".
struct ProofPart {
  std::string name;  ///< for people: `count(*)`, `sum("total")`, `checksum`
  std::string sql;
};

/// A sum of a hash of each row: whatever their order, other rows give another one. It is exact for
/// all types but floats and nested ones, of which it knows only whether they are NULL.
ProofPart checksum_of(const LoadTarget& target, Dialect dialect);

/// The count of rows, the sums of whole numbers and decimals, and, where `dialect` has it, the
/// checksum.
std::vector<ProofPart> proof_parts(const LoadTarget& target, Dialect dialect);
/// The same parts as the lake's engine computes them.
std::vector<ProofPart> proof_parts_here(const LoadTarget& target, Dialect there);
/// The SELECT list that gives them as texts.
std::string proof_list(const std::vector<ProofPart>& parts);

/// What the lake's engine says to them of all that `select` gives.
base::Result<ProofValues> proof_here(sql::Instance& engine, const std::vector<ProofPart>& parts,
                                     const std::string& select);

/// Of what stands behind FROM, the whole or one partition: a row for each partition, its key first.
std::string partition_proofs_query(const LoadTarget& target, const std::vector<ProofPart>& parts,
                                   const std::string& rows, const std::optional<Partition>& only);
/// What it answered.
PartitionProofs partition_proofs(std::vector<ProofValues> rows);
/// What the lake's engine, or a DuckDB file, answers.
base::Result<PartitionProofs> read_partition_proofs(sql::Connection& connection,
                                                    const std::string& query);
/// The partition's start, in seconds since 1970 (a day's as if it was one of UTC), which all
/// dialects compute alike.
std::string proof_key(const Partition& partition);
/// The partition's proof; of one that is left out what no rows say.
ProofValues proof_at(const PartitionProofs& proofs, const Partition& partition,
                     const std::vector<ProofPart>& parts);

/// What of it differs: `sum("total") is 3 in the warehouse and 4 in the lake`; empty: nothing.
std::string difference(const std::vector<ProofPart>& parts, const ProofValues& here,
                       const ProofValues& there);

}  // namespace millrace::batch
