#include "verify/instance_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>

#include "base/text.hpp"
#include "verify/reference_job.hpp"

namespace millrace::verify {
namespace {

using base::Code;
using base::Error;
using base::Result;
using std::chrono::microseconds;

constexpr auto kTable = ReferenceJob::kTable;
constexpr auto kJob = ReferenceJob::kJob;
constexpr std::size_t kReportRows = 20;
constexpr int kReportTimes = 3;

Result<void> check_width(const TextRow& row, std::size_t width) {
  if (row.size() == width) return {};
  return Error{Code::Corrupt, fmt::format("a row has {} values instead of {}", row.size(), width)};
}

Result<std::uint64_t> read_count(const std::optional<std::string>& text) {
  std::uint64_t count = 0;
  const std::string_view digits = text ? std::string_view(*text) : std::string_view();
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), count);
  if (read.ec == std::errc{} && read.ptr == digits.data() + digits.size()) return count;
  return Error{Code::Corrupt, fmt::format("'{}' is no count", base::printable(digits))};
}

Result<SeenRow> seen_row(const TextRow& row) {
  TRY(check_width(row, 5));
  SeenRow seen{.key = row[0].value_or(""), .owner = row[1].value_or("")};
  seen.cents = TRY(read_cents(row[2].value_or("")));
  seen.flag = row[3] == "true";
  seen.day = TRY(config::parse_day(row[4].value_or("")));
  return seen;
}

Result<void> add_total(const TextRow& row, Totals& totals) {
  TRY(check_width(row, 4));
  const auto day = TRY(config::parse_day(row[1].value_or("")));
  Total& total = totals[{row[0].value_or(""), day}];
  total.rows += TRY(read_count(row[2]));
  total.cents += TRY(read_cents(row[3].value_or("")));
  return {};
}

// The largest sums over all days, largest first.
std::vector<std::int64_t> largest(const Totals& totals) {
  std::map<std::string, std::int64_t> by_customer;
  for (const auto& [group, total] : totals) by_customer[group.first] += total.cents;
  std::vector<std::int64_t> sums;
  for (const auto& [customer, cents] : by_customer) sums.push_back(cents);
  std::ranges::sort(sums, std::greater());
  sums.resize(std::min(sums.size(), kReportRows));
  return sums;
}

}  // namespace

Result<std::int64_t> read_cents(std::string_view text) {
  const auto point = std::min(text.find('.'), text.size());
  std::string digits(text.substr(0, point));
  std::string fraction(text.substr(std::min(point + 1, text.size())));
  while (fraction.size() > 2 && fraction.back() == '0') fraction.pop_back();
  const bool is_exact = fraction.size() <= 2 && point > 0;
  fraction.resize(2, '0');
  digits += fraction;
  std::int64_t cents = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), cents);
  const bool is_number = read.ec == std::errc{} && read.ptr == digits.data() + digits.size();
  if (is_exact && is_number) return cents;
  return Error{Code::Corrupt, fmt::format("'{}' is no amount of money", base::printable(text))};
}

InstanceCheck::InstanceCheck(ApiClient& client, const std::map<base::ShardId, base::Offset>& ends)
    : client_(client) {
  for (const auto& [shard, end] : ends) {
    ours_ += fmt::format("{}(_shard = {} AND _offset >= {})", ours_.empty() ? "" : " OR ",
                         shard.value(), end.value());
  }
  ours_ = "(" + (ours_.empty() ? "true" : ours_) + ")";
}

Result<std::uint64_t> InstanceCheck::count_keys() {
  const auto rows = TRY(client_.query(fmt::format(
      "SELECT CAST(count(DISTINCT order_id) AS BIGINT) AS n FROM {} WHERE {}", kTable, ours_)));
  if (rows.size() != 1) return Error{Code::Corrupt, "a count has more than one row"};
  TRY(check_width(rows.front(), 1));
  return read_count(rows.front()[0]);
}

Result<RowFindings> InstanceCheck::rows(const Truth& truth) {
  std::vector<SeenRow> rows;
  const auto take = [&](const TextRow& row) -> Result<void> {
    rows.push_back(TRY(seen_row(row)));
    return {};
  };
  TRY(client_.query(
      fmt::format("SELECT order_id, customer_id, CAST(amount AS VARCHAR) AS amount, is_fraud, "
                  "CAST(day AS VARCHAR) AS day FROM {} WHERE {}",
                  kTable, ours_),
      take));
  return truth.compare(rows);
}

Result<ExpectedRejects> InstanceCheck::rejects() {
  ExpectedRejects seen;
  const auto rows = TRY(client_.query(
      fmt::format("SELECT stage, CAST(count(*) AS BIGINT) AS n FROM _rejects WHERE \"table\" = "
                  "'{}' AND replay IS NULL AND {} GROUP BY ALL",
                  kTable, ours_)));
  for (const auto& row : rows) {
    TRY(check_width(row, 2));
    const std::string stage = row[0].value_or("");
    auto& count = stage == "decode" ? seen.decode : stage == "unique" ? seen.unique : seen.expect;
    count += TRY(read_count(row[1]));
  }
  return seen;
}

Result<Totals> InstanceCheck::totals(const std::string& sql) {
  Totals all;
  TRY(client_.query(sql, [&](const TextRow& row) { return add_total(row, all); }));
  return all;
}

Result<Totals> InstanceCheck::totals_of_table(config::CalendarDay first) {
  return totals(fmt::format(
      "SELECT customer_id, CAST(day AS VARCHAR) AS day, CAST(count(*) AS BIGINT) AS orders, "
      "CAST(sum(amount) AS VARCHAR) AS total FROM {} WHERE day >= DATE '{}' GROUP BY ALL",
      kTable, config::format_day(first)));
}

Result<Totals> InstanceCheck::totals_of_job(std::span<const config::CalendarDay> days) {
  std::vector<std::string> dates;
  for (const auto day : days) dates.push_back(fmt::format("DATE '{}'", config::format_day(day)));
  if (dates.empty()) return Totals{};
  return totals(fmt::format(
      "SELECT customer_id, CAST(day AS VARCHAR) AS day, CAST(orders AS BIGINT) AS orders, "
      "CAST(total AS VARCHAR) AS total FROM {} WHERE day IN ({})",
      kJob, base::join(dates, ", ")));
}

Result<ReportFindings> InstanceCheck::report(const base::Clock& clock) {
  const Totals all = TRY(totals(fmt::format(
      "SELECT customer_id, CAST(day AS VARCHAR) AS day, CAST(orders AS BIGINT) AS orders, "
      "CAST(total AS VARCHAR) AS total FROM {}",
      kJob)));
  const auto expected = largest(all);
  ReportFindings found;
  for (int i = 0; i < kReportTimes; ++i) {
    const auto started = clock.steady_now();
    const auto rows = client_.report(std::string(ReferenceJob::kReport),
                                     {{"limit", std::to_string(kReportRows)}});
    found.slowest = std::max(
        found.slowest, std::chrono::duration_cast<microseconds>(clock.steady_now() - started));
    if (!rows) {
      found.failure = rows.error().text();
      return found;
    }
    std::vector<std::int64_t> seen;
    for (const auto& row : *rows) {
      seen.push_back(row.empty() ? -1 : read_cents(row.back().value_or("")).value_or(-1));
    }
    if (seen != expected) found.failure = "it shows other totals than the job's rows";
  }
  return found;
}

}  // namespace millrace::verify
