#include "verify/truth.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "base/text.hpp"
#include "verify/append.hpp"

namespace millrace::verify {
namespace {

constexpr std::size_t kExamplesMax = 5;

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 1 : static_cast<double>(part) / static_cast<double>(whole);
}

void add_example(std::vector<std::string>& examples, std::string text) {
  if (examples.size() < kExamplesMax) examples.push_back(std::move(text));
}

std::string text_of(const Total& total) {
  std::string text = fmt::format("{} rows, ", total.rows);
  append_cents(text, total.cents);
  return text;
}

// Whether the record decodes, and an expectation has to find the flaw. A row of CSV without an id
// lacks the field.
bool decodes(Flaw flaw, bool is_csv) {
  switch (flaw) {
    case Flaw::NoId:
      return !is_csv;
    case Flaw::TextAmount:
    case Flaw::HugeAmount:
    case Flaw::Broken:
    case Flaw::InvalidUtf8:
      return false;
    default:
      return true;
  }
}

/// Whether a record is in one of the ranges; asked in the order of the records.
class InRanges {
 public:
  explicit InRanges(std::span<const BodyRange> ranges) : ranges_(ranges.begin(), ranges.end()) {
    std::ranges::sort(ranges_, {}, &BodyRange::first);
  }
  bool has(std::uint64_t index) {
    while (at_ < ranges_.size() && index >= ranges_[at_].first + ranges_[at_].count) ++at_;
    return at_ < ranges_.size() && index >= ranges_[at_].first;
  }

 private:
  std::vector<BodyRange> ranges_;
  std::size_t at_ = 0;
};

}  // namespace

double RowFindings::precision() const {
  return share(flagged_right, flagged_right + flagged_wrongly);
}
double RowFindings::recall() const {
  return share(flagged_right, flagged_right + not_flagged_wrongly);
}

Truth::Truth(Generator generator, std::uint64_t count, std::span<const BodyRange> failed) {
  const bool is_csv = !generator.header().empty();
  InRanges failures(failed);
  Label label;
  std::string bytes;
  for (std::uint64_t index = 0; index < count; ++index) {
    bytes.clear();
    generator.write(index, label, bytes);
    const bool is_delivered = !failures.has(index);
    if (label.kind == Kind::Invalid) {
      if (is_delivered) ++(decodes(label.flaw, is_csv) ? rejects_.expect : rejects_.decode);
      continue;
    }
    Row& row = rows_[label.key];
    if (row.is_expected && is_delivered) ++rejects_.unique;
    if (row.is_expected || !is_delivered) {
      if (!row.is_expected) row = {label.owner, label.cents, label.day, label.flag, false};
      continue;
    }
    row = {label.owner, label.cents, label.day, label.flag, true};
    ++row_count_;
    Total& total = totals_[{label.owner, label.day}];
    ++total.rows;
    total.cents += label.cents;
  }
}

RowFindings Truth::compare(std::span<const SeenRow> rows) const {
  RowFindings found{.expected = row_count_, .seen = rows.size()};
  std::unordered_set<std::string_view> keys;
  std::uint64_t expected_seen = 0;
  for (const auto& row : rows) {
    const auto truth = rows_.find(row.key);
    if (truth == rows_.end()) {
      ++found.unexpected;
      add_example(found.examples,
                  fmt::format("'{}' belongs into the rejects", base::printable(row.key)));
      continue;
    }
    if (!keys.insert(row.key).second) {
      ++found.doubled;
      add_example(found.examples, fmt::format("'{}' is there twice", row.key));
      continue;
    }
    const Row& expected = truth->second;
    if (expected.is_expected) ++expected_seen;
    if (row.owner != expected.owner || row.cents != expected.cents || row.day != expected.day) {
      ++found.wrong;
      add_example(found.examples, fmt::format("'{}' has another customer, amount or day", row.key));
    }
    if (row.flag) {
      ++(expected.flag ? found.flagged_right : found.flagged_wrongly);
    } else {
      ++(expected.flag ? found.not_flagged_wrongly : found.not_flagged_right);
    }
    if (row.flag != expected.flag) {
      add_example(found.examples,
                  fmt::format("'{}' is {}flagged", row.key, row.flag ? "" : "not "));
    }
  }
  found.lost = row_count_ - expected_seen;
  if (found.lost == 0) return found;
  for (const auto& [key, row] : rows_) {
    if (row.is_expected && !keys.contains(key) && found.examples.size() < kExamplesMax) {
      found.examples.push_back(fmt::format("'{}' is lost", key));
    }
  }
  return found;
}

TotalFindings compare(const Totals& expected, const Totals& seen) {
  TotalFindings found;
  const auto add_to = [](Total& sum, const Total& total) {
    sum.rows += total.rows;
    sum.cents += total.cents;
  };
  const auto judge = [&](const Totals::key_type& group, const Total& must, const Total& is) {
    ++found.groups;
    if (must == is) return;
    ++found.wrong;
    add_example(found.examples,
                fmt::format("{} on {}: {} instead of {}", base::printable(group.first),
                            config::format_day(group.second), text_of(is), text_of(must)));
  };
  for (const auto& [group, total] : expected) {
    const auto there = seen.find(group);
    judge(group, total, there == seen.end() ? Total{} : there->second);
    add_to(found.expected, total);
  }
  for (const auto& [group, total] : seen) {
    if (!expected.contains(group)) judge(group, Total{}, total);
    add_to(found.seen, total);
  }
  return found;
}

void add(Totals& totals, const Totals& more) {
  for (const auto& [group, total] : more) {
    totals[group].rows += total.rows;
    totals[group].cents += total.cents;
  }
}

}  // namespace millrace::verify
