#include <array>

#include "verify/append.hpp"
#include "verify/dataset.hpp"
#include "verify/rules.hpp"

namespace millrace::verify {
namespace {

constexpr std::array kFlaws{
    Flaw::NoId,           Flaw::NullId,     Flaw::EmptyId, Flaw::TextAmount,  Flaw::HugeAmount,
    Flaw::NegativeAmount, Flaw::ZeroAmount, Flaw::Broken,  Flaw::InvalidUtf8, Flaw::NoTime};
constexpr std::array kSegments{"consumer", "business", "premium", "new"};
constexpr std::array kCountries{"DE", "FR", "NL", "US", "GB", "CH", "JP", "PL", "AU", "SE"};
constexpr std::array kFirstNames{"Ada", "Björn", "Chloé", "Dmitri", "Emeka", "Fatima", "Grace"};
constexpr std::array kLastNames{"Okafor", "Müller", "Nakamura", "O'Brien", "Silva"};

void append_customer(std::string& into, std::uint64_t number) {
  into += "customer-";
  append_number(into, number, 7);
}

/// Orders of a shop, about 173 bytes of JSON each.
class Orders final : public Dataset {
 public:
  explicit Orders(std::uint64_t customers) : customers_(customers) {}

  std::string_view header() const override { return {}; }
  std::span<const Flaw> flaws() const override { return kFlaws; }

  void write(Slot slot, Label& label, std::string& into) const override {
    Draw& draw = slot.draw;
    // Every currency as often as any other, those without a rule too.
    const auto pick = draw.below(order_limits().size() + unruled_currencies().size());
    const bool has_rule = pick < order_limits().size();
    const LimitRule& rule =
        has_rule ? order_limits()[pick] : unruled_currencies()[pick - order_limits().size()];
    const std::int64_t limit = has_rule ? rule.limit_cents : kOrderLimitDefault;
    const auto country = rule.countries.substr(draw.below(rule.countries.size() / 2) * 2, 2);

    const std::size_t from = into.size();
    label.cents = draw_cents(draw, limit);
    label.flag = label.cents > limit;
    label.currency = rule.currency;
    label.key = "ord-";
    append_uuid(label.key, slot.id_high, slot.id_low);
    label.owner.clear();
    append_customer(label.owner, draw_owner(draw, customers_));

    into += '{';
    append_id(slot.flaw, label, into);
    into.append("\"customer_id\":\"").append(label.owner).append("\",\"amount\":");
    append_order_amount(slot.flaw, label, into, draw);
    into.append(",\"currency\":\"").append(rule.currency).append("\",\"country\":\"");
    into.append(slot.flaw == Flaw::InvalidUtf8 ? std::string_view("\xC3\x28") : country) += '"';
    if (slot.flaw != Flaw::NoTime) {
      into += ",\"ts\":\"";
      append_time(into, slot.time);
      into += '"';
    }
    into += '}';
    if (slot.flaw == Flaw::Broken) break_json(into, from, draw);
  }

  std::vector<LookupFile> lookup_files() const override {
    std::string customers = "customer_id,name,segment,country,since\n";
    for (std::uint64_t i = 0; i < customers_; ++i) {
      Draw draw(0, i);
      append_customer(customers, i);
      customers.append(",").append(kFirstNames[draw.below(kFirstNames.size())]);
      customers.append(" ").append(kLastNames[draw.below(kLastNames.size())]);
      customers.append(",").append(kSegments[draw.below(kSegments.size())]);
      customers.append(",").append(kCountries[draw.below(kCountries.size())]).append(",20");
      append_number(customers, 10 + draw.below(16), 2);
      customers += '-';
      append_number(customers, 1 + draw.below(12), 2);
      customers += '-';
      append_number(customers, 1 + draw.below(28), 2);
      customers += '\n';
    }
    return {{"customers.csv", std::move(customers)},
            {"fraud_rules.csv", limits_csv(order_limits())}};
  }

 private:
  static void append_id(Flaw flaw, Label& label, std::string& into) {
    if (flaw == Flaw::NoId || flaw == Flaw::NullId || flaw == Flaw::EmptyId) label.key.clear();
    if (flaw == Flaw::NoId) return;
    if (flaw == Flaw::NullId) {
      into += "\"order_id\":null,";
    } else {
      into.append("\"order_id\":\"").append(label.key).append("\",");
    }
  }

  static void append_order_amount(Flaw flaw, Label& label, std::string& into, Draw& draw) {
    if (flaw == Flaw::TextAmount) {
      into += "\"twelve\"";
    } else if (flaw == Flaw::HugeAmount) {
      into += "1e400";
    } else {
      if (flaw == Flaw::NegativeAmount) label.cents = -label.cents;
      if (flaw == Flaw::ZeroAmount) label.cents = 0;
      append_amount(into, label.cents, draw);
    }
  }

  const std::uint64_t customers_;
};

}  // namespace

std::unique_ptr<Dataset> make_orders(std::uint64_t owners) {
  return std::make_unique<Orders>(owners);
}

}  // namespace millrace::verify
