#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "flow/dedupe_set.hpp"
#include "flow/shared_claims.hpp"
#include "flow/table_plan.hpp"
#include "lake/table.hpp"

namespace millrace::flow {

/// Numbers of shards; none: all.
using OfShards = std::optional<std::vector<std::int64_t>>;

/// Finds the rows whose key was claimed before: `unique` of one table.
/// Claims of rows that are in the table are read back from it at start; claims that are older than
/// what late records can ask for are forgotten, and the table itself is asked then. If other
/// processes may claim the same keys, a store that all of them ask has the claims instead.
/// Threads: one at a time.
class Deduper {
 public:
  /// `plan` must have a unique key and outlive the deduper, as must `table`.
  Deduper(const TablePlan& plan, lake::Table& table, DedupeOptions options,
          std::chrono::microseconds lateness);
  /// From now on claims are kept where other processes see them.
  void share(SharedClaimsParts parts) { shared_.emplace(plan_, table_, std::move(parts)); }

  /// Reads the claimed keys back from the table, or only those of rows from some shards.
  base::Result<void> rebuild(const OfShards& shards = std::nullopt);
  /// Adds those of shards that came.
  base::Result<void> add(const std::vector<std::int64_t>& shards);

  /// Claims the keys of `chunk`, a chunk of the plan's output. Returns the rows that are no
  /// duplicates; rows without a key never are. `life` is `<source>/<incarnation>` of its records.
  base::Result<std::vector<std::uint32_t>> claim(const sql::Chunk& chunk, const std::string& life);

  /// The rows that were claimed so far are in the hot rows.
  void taken() {
    if (shared_) shared_->taken();
  }
  /// The rows that were claimed so far are those of the coming commit.
  void seal();
  /// Forgets what is too old to be asked for, once the sealed rows are in the table.
  base::Result<void> forget_old();
  /// Positions that only seem to be worked on: `SharedClaims::abandoned`.
  std::map<std::string, std::int64_t> abandoned() const {
    return shared_ ? shared_->abandoned() : std::map<std::string, std::int64_t>();
  }

  std::uint64_t bytes() const { return set_.bytes(); }

 private:
  struct Asked {
    std::string key;
    base::Time time;
  };
  base::Result<void> read_claims(const OfShards& shards);
  base::Result<std::vector<std::uint32_t>> claim_shared(const sql::Chunk& chunk,
                                                        std::vector<std::optional<Asked>> asked,
                                                        const std::string& life);
  using StoredClaims = std::unordered_multimap<std::string, base::Time>;

  std::chrono::microseconds span() const;
  std::string time_column() const;
  std::vector<std::optional<Asked>> keys_of(const sql::Chunk& chunk) const;
  bool may_be_forgotten(base::Time time) const;
  bool is_stored(const StoredClaims& stored, const Asked& asked) const;
  base::Result<StoredClaims> stored_claims(const std::vector<std::optional<Asked>>& asked) const;

  const TablePlan& plan_;
  lake::Table& table_;
  const std::chrono::microseconds lateness_;
  DedupeSet set_;
  std::optional<SharedClaims> shared_;         // then the set stays empty
  std::optional<base::Time> newest_;           // event time of a claim
  std::optional<base::Time> oldest_;           // event time of any claim, remembered or not
  std::optional<base::Time> horizon_;          // claims before it were forgotten
  std::optional<base::Time> oldest_unsealed_;  // event time of a claim whose row no commit has yet
};

}  // namespace millrace::flow
