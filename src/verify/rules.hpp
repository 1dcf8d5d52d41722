#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace millrace::verify {

/// Above `limit_cents`, an amount in `currency` is to be flagged.
struct LimitRule {
  std::string_view currency;
  std::int64_t limit_cents = 0;
  std::string_view countries;  ///< where it is used, two letters each: `DEFRNL`
};

/// The limits of orders (`fraud_rules.csv`), and of payments (`limits.csv`).
std::span<const LimitRule> order_limits();
std::span<const LimitRule> payment_limits();
/// Currencies that have no rule: the default counts for them.
std::span<const LimitRule> unruled_currencies();

inline constexpr std::int64_t kOrderLimitDefault = 1'000'00;
inline constexpr std::int64_t kPaymentLimitDefault = 10'000'00;

/// The limits of sensors, in hundredths of a degree, by the device's model (`devices.csv`); a
/// device that the lookup does not know has the default.
struct ModelRule {
  std::string_view model;
  std::int64_t limit_cents = 0;
};
std::span<const ModelRule> device_models();

inline constexpr std::int64_t kCelsiusLimitDefault = 80'00;

/// `currency,max_amount` and one line for each rule.
std::string limits_csv(std::span<const LimitRule> rules);

}  // namespace millrace::verify
