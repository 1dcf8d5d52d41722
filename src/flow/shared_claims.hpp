#pragma once

#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/telemetry.hpp"
#include "flow/claim.hpp"
#include "flow/claim_store.hpp"
#include "flow/table_plan.hpp"
#include "lake/table.hpp"

namespace millrace::flow {

/// Where `unique` of a table has its claims if several processes share them.
struct SharedClaimsParts {
  ClaimStore* store = nullptr;
  std::string app_prefix;       ///< `millrace/<pipeline>/<table>/`: what its app ids begin with
  bool keeps_positions = true;  ///< a record that comes again has the position that it had
  std::chrono::microseconds lateness{};
  const base::Clock* clock = nullptr;
  base::Telemetry telemetry;
};

/// A row that wants its key.
struct KeyedRow {
  std::string key;
  base::Time time;
  Claimant position;
};

/// `unique` of one table, whose keys are claimed in a store that several processes ask. Nothing is
/// read from the table at start. docs/decisions/014-claims-of-functions.md says why this is exact.
/// Threads: one at a time.
class SharedClaims {
 public:
  /// All must outlive it.
  SharedClaims(const TablePlan& plan, lake::Table& table, SharedClaimsParts parts);

  using Rows = std::vector<std::optional<KeyedRow>>;  ///< none: a row without a key
  /// Claims the keys of `rows`. `life` is `<source>/<incarnation>`, of all of them.
  /// Shape   for each row: whether it is kept.
  /// Errors  those of `ClaimStore`. Unavailable: another holds a key, and what it does with it is
  ///         not known yet; come again. What is ours by then is not asked for again.
  base::Result<std::vector<bool>> claim(const Rows& rows, const std::string& life);

  /// The rows of all claims so far are in the hot rows.
  void taken();
  /// Those are of the coming commit.
  void seal();
  /// It is done.
  void committed();
  /// Claims whose rows were not taken are void here: their records may come at other positions.
  void forget_untaken();
  /// What was claimed and is not committed will be read anew.
  void drop();

  /// Positions that keep ours waiting and that nobody will commit any more, as it seems: by app id,
  /// the one behind the last. Once a commit has moved the shards there, it is certain.
  const std::map<std::string, std::int64_t>& abandoned() const { return abandoned_; }

 private:
  enum class Stage : std::uint8_t { Claimed, Taken, Sealed };
  struct Mine {
    base::Time time;
    Claimant position;
    Stage stage = Stage::Claimed;
  };
  enum class Fate : std::uint8_t { Kept, Duplicate, TakeOver, Waits };
  using Indexes = std::vector<std::size_t>;
  /// What is asked at once: the rows, and what the store says of each.
  struct Round {
    Indexes rows;
    std::vector<WantedClaim> wanted;
    std::vector<std::optional<HeldClaims>> held;
    std::vector<Fate> fates;
  };

  void forget(Stage stage);
  std::optional<bool> remembered(const KeyedRow& row) const;
  base::Result<Round> ask(const Rows& rows, Indexes indexes, const std::string& life);
  base::Result<void> decide(const Rows& rows, Round& round);
  base::Result<Indexes> settle(const Rows& rows, const Round& round, std::vector<bool>& kept);
  Fate fate_of_kept(const WantedClaim& wanted, HeldClaims& held) const;
  base::Result<Fate> fate_of_arrival(const HeldClaims& held);
  base::Result<void> find_stored(const Rows& rows, Round& round) const;
  bool is_decided(const ClaimOwner& owner) const;
  std::string app_id(const ClaimOwner& owner) const;
  std::string store_key(const std::string& key) const;
  bool is_near(base::Time a, base::Time b) const;

  const TablePlan& plan_;
  lake::Table& table_;
  const SharedClaimsParts parts_;
  const ClaimTerms terms_;
  std::unordered_map<std::string, std::vector<Mine>> mine_;          // of the coming commits
  std::unordered_map<std::string, std::vector<base::Time>> others_;  // of rows in the table
  std::map<std::string, std::int64_t> abandoned_;
  std::optional<base::Error> waits_;  // why some have to come again
  bool is_fresh_ = false;             // the table was looked at since the call began
};

}  // namespace millrace::flow
