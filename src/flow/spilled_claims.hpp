#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "flow/claim.hpp"

namespace millrace::flow {

/// Claims that no longer fit into memory: an LMDB file, one of its databases for each bucket.
/// It is a cache of what the table says, so nothing is synced, and it begins empty.
/// Threads: one at a time.
class SpilledClaims {
 public:
  /// Empties `folder`.
  /// Errors  Unavailable, Exhausted: it cannot be written.
  static base::Result<std::unique_ptr<SpilledClaims>> open(const std::filesystem::path& folder);
  ~SpilledClaims();

  base::Result<void> add(std::int64_t bucket, std::vector<Claim> claims);
  /// A claim of `key` with a time from `from` to `until`.
  base::Result<std::optional<Claim>> find(std::int64_t bucket, Key128 key, std::int64_t from,
                                          std::int64_t until);
  base::Result<void> drop_before(std::int64_t bucket);

 private:
  base::Result<void> add_part(std::int64_t bucket, std::span<const Claim> claims);

  struct State;
  explicit SpilledClaims(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace millrace::flow
