#pragma once

#include <span>
#include <string>
#include <string_view>

namespace millrace::deploy {

/// AWS's list price of one thing.
struct Price {
  std::string_view id;
  std::string_view what;
  std::string_view unit;
  double dollars;
};

inline constexpr std::string_view kPriceRegion = "us-east-1";
inline constexpr std::string_view kPriceDate = "2025";
inline constexpr double kDaysOfMonth = 30.4;
inline constexpr double kHoursOfMonth = kDaysOfMonth * 24;
inline constexpr double kSecondsOfMonth = kHoursOfMonth * 3600;

/// From memory and not looked up: docs/scaling.md uses the same.
std::span<const Price> prices();
/// The price `id` of the table.
double price(std::string_view id);
/// The table as Markdown, for docs/deploy_aws.md.
std::string price_table();

}  // namespace millrace::deploy
