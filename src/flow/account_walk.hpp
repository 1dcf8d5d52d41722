#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "flow/account.hpp"
#include "flow/position_scan.hpp"

namespace millrace::flow {

/// Lives of one shard whose positions overlap: nothing in a row tells of which it is. Mostly one.
struct LifeGroup {
  PositionSlice all;
  std::vector<std::size_t> lives;  ///< indices of the accounts
  bool is_mixed = false;           ///< with rows that nobody counted
  // What is found:
  std::int64_t rows = 0;
  std::int64_t taken = 0;
  std::int64_t partly = 0;     ///< of one life alone
  std::int64_t doubled = 0;    ///< rows that are there more often than may be
  std::int64_t strangers = 0;  ///< records that the parent does not have
  std::int64_t given = 0;      ///< records of which the parent has rows
  std::optional<RowKey> first_doubled;
  std::optional<std::int64_t> first_partly;
  std::optional<std::int64_t> first_stranger;

  bool is_single() const { return lives.size() == 1; }
};

/// The groups of all lives that were counted.
std::vector<LifeGroup> groups_of(const std::vector<ShardAccount>& accounts);

/// A reject as it is compared: which account, and where.
struct RejectKey {
  std::size_t life = 0;
  std::int64_t offset = 0;
  auto operator<=>(const RejectKey&) const = default;
};

/// What was read of one window of positions; sorted.
struct WindowRows {
  std::vector<RowKey> rows;
  std::vector<RejectKey> rejects;             ///< each once
  std::optional<std::vector<RowKey>> parent;  ///< none: there is no parent
};

/// Adds what stands in `slice`, a part of `group`, to what is found.
void walk(const PositionSlice& slice, const WindowRows& window, LifeGroup& group,
          std::vector<ShardAccount>& accounts);

/// What an account knows beside the rows.
struct AccountContext {
  /// Whether positions have no gaps, so that they say how many records there were.
  std::function<bool(const ShardLife&)> is_dense;
  /// Whether the parent still has all rows that it ever gave for a life.
  std::function<bool(const ShardLife&)> has_whole_parent;
};

/// Writes down what does not agree.
void judge(const LifeGroup& group, const AccountContext& context,
           std::vector<ShardAccount>& accounts);
/// The same of the numbers of one life alone.
void judge(ShardAccount& account, const AccountContext& context);

}  // namespace millrace::flow
