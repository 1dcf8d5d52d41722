#include <array>

#include "verify/append.hpp"
#include "verify/dataset.hpp"
#include "verify/rules.hpp"

namespace millrace::verify {
namespace {

constexpr std::array kFlaws{Flaw::NoId,   Flaw::EmptyId,     Flaw::TextAmount, Flaw::ZeroAmount,
                            Flaw::Broken, Flaw::InvalidUtf8, Flaw::NoTime};
// As they stand in a field: some need quotes.
constexpr std::array kMerchants{"Stadtwerke Jena", "\"Müller, Sohn & Co\"",
                                "Café Ñandú",      "\"The \"\"Best\"\" Shop\"",
                                "Rail & Road",     "\"Smith; Smith, Smith\""};
constexpr std::array kHolders{"Ada Okafor", "Björn Nakamura", "Chloé Silva", "Fatima O'Brien"};

void append_account(std::string& into, std::uint64_t number) {
  into += "DE89";
  append_number(into, number, 12);
}

/// Payments in CSV, incoming ones positive, outgoing ones negative; large ones of either kind are
/// flagged.
class Payments final : public Dataset {
 public:
  explicit Payments(std::uint64_t accounts) : accounts_(accounts) {}

  std::string_view header() const override {
    return "payment_id,account_id,amount,currency,merchant,booked_at";
  }
  std::span<const Flaw> flaws() const override { return kFlaws; }

  void write(Slot slot, Label& label, std::string& into) const override {
    Draw& draw = slot.draw;
    const auto pick = draw.below(payment_limits().size() + unruled_currencies().size());
    const bool has_rule = pick < payment_limits().size();
    const LimitRule& rule =
        has_rule ? payment_limits()[pick] : unruled_currencies()[pick - payment_limits().size()];
    const std::int64_t limit = has_rule ? rule.limit_cents : kPaymentLimitDefault;

    label.cents = draw_cents(draw, limit);
    label.flag = label.cents > limit;
    if (draw.once_in(2)) label.cents = -label.cents;
    if (slot.flaw == Flaw::ZeroAmount) label.cents = 0;
    label.currency = rule.currency;
    label.key = "pay-";
    append_uuid(label.key, slot.id_high, slot.id_low);
    label.owner.clear();
    append_account(label.owner, draw_owner(draw, accounts_));

    // Without an id: one field too few, or nothing between the commas.
    if (slot.flaw == Flaw::NoId || slot.flaw == Flaw::EmptyId) label.key.clear();
    into += label.key;
    if (slot.flaw != Flaw::NoId) into += ',';
    into.append(label.owner) += ',';
    if (slot.flaw == Flaw::TextAmount) {
      into += "twelve";
    } else {
      append_amount(into, label.cents, draw);
    }
    into.append(",").append(rule.currency) += ',';
    append_merchant(slot.flaw, into, draw);
    into += ',';
    if (slot.flaw != Flaw::NoTime) append_time(into, slot.time);
  }

  std::vector<LookupFile> lookup_files() const override {
    std::string accounts = "account_id,holder,kind\n";
    for (std::uint64_t i = 0; i < accounts_; ++i) {
      Draw draw(0, i);
      append_account(accounts, i);
      accounts.append(",").append(kHolders[draw.below(kHolders.size())]);
      accounts.append(draw.once_in(3) ? ",business\n" : ",private\n");
    }
    return {{"accounts.csv", std::move(accounts)}, {"limits.csv", limits_csv(payment_limits())}};
  }

 private:
  static void append_merchant(Flaw flaw, std::string& into, Draw& draw) {
    const char* merchant = kMerchants[draw.below(kMerchants.size())];
    // The quotes of a broken one are even in number, so that the next row stays readable.
    if (flaw == Flaw::Broken) {
      into += "\"Stray\" quote";
    } else if (flaw == Flaw::InvalidUtf8) {
      into += "Caf\xE9";
    } else {
      into += merchant;
    }
  }

  const std::uint64_t accounts_;
};

}  // namespace

std::unique_ptr<Dataset> make_payments(std::uint64_t owners) {
  return std::make_unique<Payments>(owners);
}

}  // namespace millrace::verify
