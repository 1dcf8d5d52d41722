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

/// What the lake's engine says to them.
base::Result<ProofValues> proof_here(sql::Instance& engine, const std::vector<ProofPart>& parts,
                                     const std::string& select);

/// The same of what stands behind FROM.
base::Result<ProofValues> proof_of(sql::Connection& connection, const std::vector<ProofPart>& parts,
                                   const std::string& rows_of);

/// What of it differs: `sum("total") is 3 in the warehouse and 4 in the lake`; empty: nothing.
std::string difference(const std::vector<ProofPart>& parts, const ProofValues& here,
                       const ProofValues& there);

}  // namespace millrace::batch
