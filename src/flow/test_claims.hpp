#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "flow/claim_store.hpp"

namespace millrace::flow {

/// Claims in memory, as a table of DynamoDB has them.
class MemoryClaims final : public ClaimStore {
 public:
  explicit MemoryClaims(const base::Clock& clock) : clock_(clock) {}

  base::Result<std::vector<std::optional<HeldClaims>>> claim(std::span<const WantedClaim> wanted,
                                                             const ClaimTerms& terms) override {
    if (before_claim) before_claim();
    std::vector<std::optional<HeldClaims>> held;
    const std::lock_guard lock(mutex_);
    for (const auto& one : wanted) held.push_back(claim_one(one, terms));
    asked_ += wanted.size();
    if (failure_) return *failure_;
    return held;
  }
  base::Result<bool> take_over(const WantedClaim& wanted, const HeldClaims& from,
                               const ClaimTerms& /*terms*/) override {
    if (before_take_over) before_take_over();
    const std::lock_guard lock(mutex_);
    auto& key = keys_[wanted.key];
    if (key.version != from.version) return false;
    key.claims = from.farther;
    key.claims.push_back({wanted.owner, wanted.time, until_of()});
    ++key.version;
    ++taken_over_;
    return true;
  }

  /// Claims are made, and whoever asks gets this error; none: it gets its answer.
  void fail(std::optional<base::Error> failure) {
    const std::lock_guard lock(mutex_);
    failure_ = std::move(failure);
  }
  std::size_t asked() const {
    const std::lock_guard lock(mutex_);
    return asked_;
  }
  std::size_t taken_over() const {
    const std::lock_guard lock(mutex_);
    return taken_over_;
  }
  /// `orders/1:0/5 …`: of all keys.
  std::string owners() const {
    const std::lock_guard lock(mutex_);
    std::string text;
    for (const auto& [name, key] : keys_) {
      for (const auto& claim : key.claims) {
        text += (text.empty() ? "" : " ") + claim.owner.life + ":" +
                std::to_string(claim.owner.shard) + "/" + std::to_string(claim.owner.offset);
      }
    }
    return text;
  }

  std::chrono::microseconds lasts{0};  ///< how long whoever claims may be at work
  std::function<void()> before_claim;  ///< by whatever thread claims
  std::function<void()> before_take_over;

 private:
  struct Key {
    std::vector<MadeClaim> claims;
    std::int64_t version = 0;
  };
  base::Time until_of() const { return clock_.now() + lasts; }
  std::optional<HeldClaims> claim_one(const WantedClaim& wanted, const ClaimTerms& terms) {
    auto& key = keys_[wanted.key];
    HeldClaims held{.near = {}, .farther = {}, .version = key.version};
    bool is_ours = false;
    for (const auto& claim : key.claims) {
      const bool is_near = std::chrono::abs(claim.time - wanted.time) <= terms.within;
      const bool is_own = claim.owner == wanted.owner;
      is_ours = is_ours || (is_near && is_own);
      (is_near && !is_own ? held.near : held.farther).push_back(claim);
    }
    if (!held.near.empty()) return held;
    if (is_ours) return std::nullopt;
    key.claims.push_back({wanted.owner, wanted.time, until_of()});
    ++key.version;
    return std::nullopt;
  }

  const base::Clock& clock_;
  mutable std::mutex mutex_;
  std::map<std::string, Key> keys_;     // Guarded by mutex_.
  std::size_t asked_ = 0;               // Guarded by mutex_.
  std::size_t taken_over_ = 0;          // Guarded by mutex_.
  std::optional<base::Error> failure_;  // Guarded by mutex_.
};

}  // namespace millrace::flow
