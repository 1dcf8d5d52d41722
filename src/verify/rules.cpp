#include "verify/rules.hpp"

#include <array>

#include "verify/append.hpp"

namespace millrace::verify {
namespace {

constexpr std::array<LimitRule, 7> kOrderLimits{{{"USD", 1'000'00, "US"},
                                                 {"EUR", 920'50, "DEFRNLESIT"},
                                                 {"GBP", 790'00, "GB"},
                                                 {"CHF", 880'25, "CH"},
                                                 {"JPY", 150'000'00, "JP"},
                                                 {"PLN", 4'000'00, "PL"},
                                                 {"AUD", 1'499'99, "AU"}}};
constexpr std::array<LimitRule, 4> kPaymentLimits{{{"EUR", 10'000'00, "DEFRNL"},
                                                   {"USD", 12'500'00, "US"},
                                                   {"GBP", 8'999'99, "GB"},
                                                   {"CHF", 9'750'50, "CH"}}};
constexpr std::array<LimitRule, 2> kUnruled{{{"SEK", 0, "SE"}, {"BRL", 0, "BR"}}};
constexpr std::array<ModelRule, 4> kModels{
    {{"T100", 60'00}, {"T200", 75'50}, {"T300", 85'00}, {"X9", 105'25}}};

}  // namespace

std::span<const LimitRule> order_limits() {
  return kOrderLimits;
}
std::span<const LimitRule> payment_limits() {
  return kPaymentLimits;
}
std::span<const LimitRule> unruled_currencies() {
  return kUnruled;
}
std::span<const ModelRule> device_models() {
  return kModels;
}

std::string limits_csv(std::span<const LimitRule> rules) {
  std::string text = "currency,max_amount\n";
  for (const auto& rule : rules) {
    text.append(rule.currency).append(",");
    append_cents(text, rule.limit_cents);
    text += '\n';
  }
  return text;
}

}  // namespace millrace::verify
