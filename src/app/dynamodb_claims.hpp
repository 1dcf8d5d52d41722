#pragma once

#include <atomic>
#include <optional>
#include <string>

#include "aws/dynamodb.hpp"
#include "base/clock.hpp"
#include "flow/claim_store.hpp"

namespace millrace::app {

struct DynamoDbClaimsOptions {
  std::string table;
  int connections = 16;  ///< so many keys are asked for at once
};

/// Claims in a table of DynamoDB: docs/formats/claims.md. Who asks for a key that is new writes
/// once, and reads nothing.
/// Threads: safe from any.
class DynamoDbClaims final : public flow::ClaimStore {
 public:
  /// The clock must outlive it.
  DynamoDbClaims(aws::DynamoDb dynamodb, DynamoDbClaimsOptions options, const base::Clock& clock);

  /// When whoever claims from now on has ended, whatever happens.
  void set_until(base::Time until) { until_ = until.time_since_epoch().count(); }

  base::Result<std::vector<std::optional<flow::HeldClaims>>> claim(
      std::span<const flow::WantedClaim> wanted, const flow::ClaimTerms& terms) override;
  base::Result<bool> take_over(const flow::WantedClaim& wanted, const flow::HeldClaims& from,
                               const flow::ClaimTerms& terms) override;

 private:
  base::Result<std::optional<flow::HeldClaims>> claim_one(const flow::WantedClaim& wanted,
                                                          const flow::ClaimTerms& terms);
  base::Result<std::variant<aws::ItemPut, aws::ItemNotPut>> put(const std::string& key,
                                                                std::vector<flow::MadeClaim> claims,
                                                                std::int64_t expected,
                                                                const flow::ClaimTerms& terms);
  flow::MadeClaim made(const flow::WantedClaim& wanted) const;

  aws::DynamoDb dynamodb_;
  const DynamoDbClaimsOptions options_;
  const base::Clock& clock_;
  std::atomic<std::int64_t> until_{0};  // microseconds since 1970
};

}  // namespace millrace::app
