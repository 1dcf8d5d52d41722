#include <algorithm>
#include <array>

#include "verify/append.hpp"
#include "verify/dataset.hpp"
#include "verify/rules.hpp"

namespace millrace::verify {
namespace {

constexpr std::array kFlaws{Flaw::NoId,       Flaw::NullId,      Flaw::EmptyId,
                            Flaw::TextAmount, Flaw::HugeAmount,  Flaw::Implausible,
                            Flaw::Broken,     Flaw::InvalidUtf8, Flaw::NoTime};
constexpr std::array kSites{"Hamburg", "Kraków", "São Paulo", "Osaka", "Leeds"};
constexpr std::int64_t kImplausible = 999'99;
constexpr std::int64_t kColdest = -20'00;
constexpr std::int64_t kHottest = 150'00;  // the last that the example takes as plausible

void append_device(std::string& into, std::uint64_t number) {
  into += "device-";
  append_number(into, number, 5);
}

/// Readings of thermometers; the "cents" of their labels are hundredths of a degree Celsius.
class Sensors final : public Dataset {
 public:
  explicit Sensors(std::uint64_t devices) : devices_(devices) {}

  std::string_view header() const override { return {}; }
  std::span<const Flaw> flaws() const override { return kFlaws; }

  void write(Slot slot, Label& label, std::string& into) const override {
    Draw& draw = slot.draw;
    const std::uint64_t device = draw_owner(draw, devices_);
    const std::int64_t limit = device < devices_
                                   ? device_models()[device % device_models().size()].limit_cents
                                   : kCelsiusLimitDefault;
    const std::size_t from = into.size();
    label.cents = draw_cents(draw, limit) % std::min(limit * 3 / 2, kHottest);
    if (draw.once_in(8)) label.cents = kColdest + static_cast<std::int64_t>(draw.below(20'00));
    label.flag = label.cents > limit;
    label.currency.clear();
    label.key = "r-";
    append_uuid(label.key, slot.id_high, slot.id_low);
    label.owner.clear();
    append_device(label.owner, device);

    const bool has_key =
        slot.flaw != Flaw::NoId && slot.flaw != Flaw::NullId && slot.flaw != Flaw::EmptyId;
    if (!has_key) label.key.clear();
    into += '{';
    if (slot.flaw == Flaw::NullId) into += "\"reading_id\":null,";
    if (has_key || slot.flaw == Flaw::EmptyId) {
      into.append("\"reading_id\":\"").append(label.key).append("\",");
    }
    into.append("\"device_id\":\"").append(label.owner).append("\",\"celsius\":");
    append_celsius(slot.flaw, label, into, draw);
    into += ",\"humidity\":";
    append_number(into, 20 + draw.below(75));
    into += ",\"firmware\":\"";
    if (slot.flaw == Flaw::InvalidUtf8) into += "\xF0\x28";
    into += "2.";
    append_number(into, draw.below(9));
    into += '"';
    if (slot.flaw != Flaw::NoTime) {
      into += ",\"ts\":\"";
      append_time(into, slot.time);
      into += '"';
    }
    into += '}';
    if (slot.flaw == Flaw::Broken) break_json(into, from, draw);
  }

  std::vector<LookupFile> lookup_files() const override {
    std::string devices = "device_id,site,model,max_celsius\n";
    for (std::uint64_t i = 0; i < devices_; ++i) {
      const ModelRule& rule = device_models()[i % device_models().size()];
      append_device(devices, i);
      devices.append(",").append(kSites[Draw(0, i).below(kSites.size())]);
      devices.append(",").append(rule.model).append(",");
      append_cents(devices, rule.limit_cents);
      devices += '\n';
    }
    return {{"devices.csv", std::move(devices)}};
  }

 private:
  static void append_celsius(Flaw flaw, Label& label, std::string& into, Draw& draw) {
    if (flaw == Flaw::TextAmount) {
      into += "\"n/a\"";
    } else if (flaw == Flaw::HugeAmount) {
      into += "1e400";
    } else {
      if (flaw == Flaw::Implausible) label.cents = kImplausible;
      append_amount(into, label.cents, draw);
    }
  }

  const std::uint64_t devices_;
};

}  // namespace

std::unique_ptr<Dataset> make_sensors(std::uint64_t owners) {
  return std::make_unique<Sensors>(owners);
}

}  // namespace millrace::verify
