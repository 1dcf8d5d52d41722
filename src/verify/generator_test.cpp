#include "verify/generator.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "base/text.hpp"

namespace millrace::verify {
namespace {

using Json = nlohmann::json;

// Written by hand, from what the examples promise; not taken from the generator's table.
const std::map<std::string, std::int64_t> kOrderLimits{
    {"USD", 100'000}, {"EUR", 92'050},  {"GBP", 79'000},  {"CHF", 88'025}, {"JPY", 15'000'000},
    {"PLN", 400'000}, {"AUD", 149'999}, {"SEK", 100'000}, {"BRL", 100'000}};
const std::map<std::string, std::int64_t> kPaymentLimits{{"EUR", 1'000'000}, {"USD", 1'250'000},
                                                         {"GBP", 899'999},   {"CHF", 975'050},
                                                         {"SEK", 1'000'000}, {"BRL", 1'000'000}};

GeneratorOptions options_of(const std::string& dataset) {
  return {.dataset = dataset,
          .seed = 42,
          .start = base::parse_time("2026-11-20T12:00:00Z").value(),
          .records_per_second = 1'000,
          .shares = {.invalid = 0.05, .late = 0.04, .duplicate = 0.03}};
}

Generator generator_of(const GeneratorOptions& options) {
  return Generator::make(options).value();
}

struct Made {
  std::string bytes;
  Label label;
};

Made made(Generator& generator, std::uint64_t index) {
  Made result;
  generator.write(index, result.label, result.bytes);
  return result;
}

// `12.5` to 1250, on the text alone; nothing if it is no such number.
std::optional<std::int64_t> cents_of(std::string_view text) {
  const bool is_negative = text.starts_with('-');
  if (is_negative) text.remove_prefix(1);
  const auto point = std::min(text.find('.'), text.size());
  std::string digits(text.substr(0, point));
  std::string fraction(text.substr(std::min(point + 1, text.size())));
  if (fraction.size() > 2) return std::nullopt;
  fraction.resize(2, '0');
  digits += fraction;
  std::int64_t cents = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), cents);
  if (read.ec != std::errc{} || read.ptr != digits.data() + digits.size()) return std::nullopt;
  return is_negative ? -cents : cents;
}

// The text of a number in a record, as it stands there.
std::string number_text(const std::string& bytes, const std::string& name) {
  const auto at = bytes.find("\"" + name + "\":") + name.size() + 3;
  return bytes.substr(at, bytes.find_first_of(",}", at) - at);
}

TEST(Generator, MakesTheSameRecordsForTheSameSeedInAnyOrder) {
  for (const auto& name : dataset_names()) {
    Generator one = generator_of(options_of(name)), other = generator_of(options_of(name));
    std::vector<Made> forward;
    for (std::uint64_t i = 0; i < 2'000; ++i) forward.push_back(made(one, i));
    for (std::uint64_t i = 2'000; i-- > 0;) {
      const Made again = made(other, i);
      ASSERT_EQ(again.bytes, forward[i].bytes) << name << " " << i;
      std::string line, same;
      append_line(again.label, line);
      append_line(forward[i].label, same);
      ASSERT_EQ(line, same);
    }
  }
}

TEST(Generator, MakesOtherIdsForAnotherSeedOrStart) {
  auto options = options_of("orders");
  Generator one = generator_of(options);
  options.seed = 43;
  Generator other = generator_of(options);
  options.seed = 42;
  options.start += std::chrono::microseconds(1);
  Generator later = generator_of(options);
  std::set<std::string> keys;
  for (std::uint64_t i = 0; i < 2'000; ++i) keys.insert(one.label(i).key);
  for (std::uint64_t i = 0; i < 2'000; ++i) {
    for (Generator* generator : {&other, &later}) {
      const std::string key = generator->label(i).key;
      EXPECT_TRUE(key.empty() || !keys.contains(key));
    }
  }
}

TEST(Generator, KeepsTheSharesAsked) {
  Generator generator = generator_of(options_of("orders"));
  std::map<Kind, double> counts;
  std::map<Flaw, int> flaws;
  constexpr std::uint64_t kCount = 50'000;
  for (std::uint64_t i = 0; i < kCount; ++i) {
    const Label label = generator.label(i);
    ++counts[label.kind];
    ++flaws[label.flaw];
  }
  EXPECT_NEAR(counts[Kind::Invalid] / kCount, 0.05, 0.005);
  EXPECT_NEAR(counts[Kind::Late] / kCount, 0.04, 0.005);
  EXPECT_NEAR(counts[Kind::Duplicate] / kCount, 0.03, 0.005);
  // Ten flaws of orders, each often enough to be seen in a short run.
  EXPECT_EQ(flaws.size(), 11U);
  for (const auto& [flaw, count] : flaws) EXPECT_GT(count, 150) << name_of(flaw);
}

TEST(Generator, ASizeOfNoughtMeansNone) {
  auto options = options_of("orders");
  options.shares = {0, 0, 0};
  Generator generator = generator_of(options);
  for (std::uint64_t i = 0; i < 20'000; ++i) ASSERT_EQ(generator.label(i).kind, Kind::Valid);
}

TEST(Generator, LabelsOrdersAsTheTableWrittenByHandSays) {
  Generator generator = generator_of(options_of("orders"));
  std::map<std::string, std::set<std::int64_t>> beside_the_limit;
  std::set<std::string> keys;
  int flagged = 0, rows = 0;
  for (std::uint64_t i = 0; i < 30'000; ++i) {
    const auto [bytes, label] = made(generator, i);
    if (label.kind == Kind::Invalid || label.kind == Kind::Duplicate) continue;
    const Json record = Json::parse(bytes);
    const std::int64_t cents = cents_of(number_text(bytes, "amount")).value();
    const std::int64_t limit = kOrderLimits.at(record["currency"]);
    ASSERT_EQ(label.key, record["order_id"]);
    ASSERT_EQ(label.owner, record["customer_id"]);
    ASSERT_EQ(label.currency, record["currency"]);
    ASSERT_EQ(label.cents, cents) << bytes;
    ASSERT_EQ(label.flag, cents > limit) << bytes;
    ASSERT_EQ(label.time, base::parse_time(record["ts"].get<std::string>()).value());
    ASSERT_GT(cents, 0);
    ASSERT_TRUE(keys.insert(label.key).second);
    if (std::abs(cents - limit) <= 1) beside_the_limit[label.currency].insert(cents - limit);
    ++rows;
    flagged += label.flag ? 1 : 0;
  }
  EXPECT_EQ(beside_the_limit.size(), kOrderLimits.size());
  for (const auto& [currency, seen] : beside_the_limit) EXPECT_EQ(seen.size(), 3U) << currency;
  EXPECT_GT(flagged, rows / 10);
  EXPECT_LT(flagged, rows / 2);
}

TEST(Generator, OrdersAreAboutAsLargeAsRealOnes) {
  auto options = options_of("orders");
  options.shares = {0, 0, 0};
  Generator generator = generator_of(options);
  std::size_t bytes = 0;
  for (std::uint64_t i = 0; i < 1'000; ++i) bytes += made(generator, i).bytes.size() + 1;
  EXPECT_NEAR(static_cast<double>(bytes) / 1'000, 173, 5);
}

TEST(Generator, LabelsPaymentsBySize) {
  Generator generator = generator_of(options_of("payments"));
  EXPECT_EQ(generator.header(), "payment_id,account_id,amount,currency,merchant,booked_at");
  EXPECT_EQ(generator.content_type(), "text/csv");
  int negative = 0, edges = 0;
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    const auto [bytes, label] = made(generator, i);
    if (!label.is_row()) continue;
    const std::string start = label.key + "," + label.owner + ",";
    ASSERT_TRUE(bytes.starts_with(start)) << bytes;
    const auto end = bytes.find(',', start.size());
    ASSERT_EQ(label.cents, cents_of(bytes.substr(start.size(), end - start.size()))) << bytes;
    ASSERT_EQ(bytes.substr(end + 1, 3), label.currency);
    const std::int64_t limit = kPaymentLimits.at(label.currency);
    ASSERT_EQ(label.flag, std::abs(label.cents) > limit);
    ASSERT_NE(label.cents, 0);
    negative += label.cents < 0 ? 1 : 0;
    edges += std::abs(std::abs(label.cents) - limit) <= 1 ? 1 : 0;
  }
  EXPECT_GT(negative, 5'000);
  EXPECT_GT(edges, 2'000);
}

TEST(Generator, LabelsReadingsByTheDevicesModel) {
  constexpr std::int64_t kByModel[] = {6'000, 7'550, 8'500, 10'525};
  auto options = options_of("sensors");
  options.owners = 10;
  Generator generator = generator_of(options);
  int unknown = 0;
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    const auto [bytes, label] = made(generator, i);
    if (!label.is_row()) continue;
    const Json record = Json::parse(bytes);
    const auto device = std::stoull(record["device_id"].get<std::string>().substr(7));
    const std::int64_t limit = device < 10 ? kByModel[device % 4] : 8'000;
    unknown += device < 10 ? 0 : 1;
    ASSERT_EQ(label.cents, cents_of(number_text(bytes, "celsius"))) << bytes;
    ASSERT_EQ(label.flag, label.cents > limit) << bytes;
    ASSERT_EQ(label.key, record["reading_id"]);
  }
  EXPECT_GT(unknown, 100);
}

TEST(Generator, DuplicatesRepeatAnEarlierRowByteForByte) {
  for (const auto& name : dataset_names()) {
    Generator generator = generator_of(options_of(name));
    int count = 0, far = 0;
    for (std::uint64_t i = 0; i < 20'000; ++i) {
      const auto [bytes, label] = made(generator, i);
      if (label.kind != Kind::Duplicate) continue;
      ASSERT_LT(label.original, i);
      const Made original = made(generator, label.original);
      ASSERT_TRUE(original.label.is_row());
      ASSERT_EQ(original.bytes, bytes);
      ASSERT_EQ(original.label.key, label.key);
      ASSERT_EQ(original.label.day, label.day);
      ++count;
      far += i - label.original > 1'000 ? 1 : 0;
    }
    EXPECT_GT(count, 400);
    EXPECT_GT(far, 50);
  }
}

TEST(Generator, InvalidRecordsAreWhatTheirLabelSays) {
  auto options = options_of("orders");
  options.shares = {.invalid = 0.5, .late = 0, .duplicate = 0};
  Generator generator = generator_of(options);
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    const auto [bytes, label] = made(generator, i);
    ASSERT_EQ(bytes.find('\n'), std::string::npos);
    if (label.kind != Kind::Invalid) continue;
    const Json record = Json::parse(bytes, nullptr, false);
    const bool is_json = !record.is_discarded();
    ASSERT_EQ(is_json, label.flaw != Flaw::Broken && label.flaw != Flaw::InvalidUtf8 &&
                           label.flaw != Flaw::HugeAmount)
        << bytes;
    ASSERT_EQ(base::is_utf8(bytes), label.flaw != Flaw::InvalidUtf8);
    if (!is_json) continue;
    ASSERT_EQ(record.contains("order_id"), label.flaw != Flaw::NoId);
    ASSERT_EQ(record.contains("ts"), label.flaw != Flaw::NoTime);
    ASSERT_EQ(record["amount"].is_string(), label.flaw == Flaw::TextAmount);
    if (label.flaw == Flaw::NullId) {
      ASSERT_TRUE(record["order_id"].is_null());
    }
    if (label.flaw == Flaw::EmptyId) {
      ASSERT_EQ(record["order_id"], "");
    }
    if (label.flaw == Flaw::NegativeAmount) {
      ASSERT_LT(record["amount"], 0);
    }
    if (label.flaw == Flaw::ZeroAmount) {
      ASSERT_EQ(record["amount"], 0);
    }
  }
}

TEST(Generator, LateRecordsAreHoursOldAndCrowdAtMidnight) {
  auto options = options_of("orders");  // noon UTC, 13:00 in Berlin
  options.shares.late = 0.3;
  Generator generator = generator_of(options);
  const base::Time midnight = base::parse_time("2026-11-19T23:00:00Z").value();
  const auto yesterday = config::parse_day("2026-11-19").value();
  const auto today = config::parse_day("2026-11-20").value();
  int first = 0, last = 0;
  for (std::uint64_t i = 0; i < 5'000; ++i) {
    const Label label = generator.label(i);
    ASSERT_EQ(label.day, label.time < midnight ? yesterday : today);
    if (label.kind != Kind::Late) continue;
    const auto age = generator.due(i) - label.time;
    ASSERT_GE(age, std::chrono::minutes(15));
    ASSERT_LE(age, std::chrono::hours(20));
    first += label.time == midnight ? 1 : 0;
    last += label.time == midnight - std::chrono::microseconds(1) ? 1 : 0;
  }
  EXPECT_GT(first, 100);
  EXPECT_GT(last, 100);
}

TEST(Generator, DaysFollowTheZoneAcrossAClockChange) {
  auto options = options_of("orders");
  options.start = base::parse_time("2026-10-24T21:00:00Z").value();  // 23:00 in Berlin, summer
  options.records_per_second = 0.1;
  options.shares = {0, 0, 0};
  Generator generator = generator_of(options);
  std::map<config::CalendarDay, int> days;
  for (std::uint64_t i = 0; i < 1'000'000; ++i) {
    const Label label = generator.label(i);
    ++days[label.day];
    if (days.size() > 2) break;
  }
  // The 25th has 25 hours of 360 records.
  EXPECT_NEAR(days[config::parse_day("2026-10-25").value()], 25 * 360, 1);
}

TEST(Generator, RefusesWhatItCannotMake) {
  auto options = options_of("order");
  const auto unknown = Generator::make(options);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().message,
            "there is nothing to generate that is called 'order'; did you mean 'orders'?; known "
            "are orders, sensors, payments");
  options = options_of("orders");
  options.shares.invalid = 1.5;
  EXPECT_FALSE(Generator::make(options));
  options.shares = {.invalid = 0.5, .late = 0.3, .duplicate = 0.3};
  EXPECT_FALSE(Generator::make(options));
  options = options_of("orders");
  options.timezone = "Europe/Berlim";
  EXPECT_FALSE(Generator::make(options));
  options = options_of("orders");
  options.owners = 0;
  EXPECT_FALSE(Generator::make(options));
}

TEST(Label, IsOneLineOfJson) {
  Label label{.index = 7,
              .kind = Kind::Late,
              .key = "ord-1",
              .owner = "customer-0000001",
              .currency = "EUR",
              .cents = -5,
              .flag = true,
              .time = base::parse_time("2026-11-20T12:00:00.5Z").value(),
              .day = config::parse_day("2026-11-20").value()};
  std::string line;
  append_line(label, line);
  EXPECT_EQ(
      line,
      "{\"index\":7,\"kind\":\"late\",\"key\":\"ord-1\",\"owner\":\"customer-0000001\","
      "\"currency\":\"EUR\",\"cents\":-5,\"flag\":true,\"ts\":\"2026-11-20T12:00:00.500000Z\","
      "\"day\":\"2026-11-20\"}\n");
  line.clear();
  label.kind = Kind::Invalid;
  label.flaw = Flaw::NoId;
  label.key.clear();
  append_line(label, line);
  EXPECT_EQ(line,
            "{\"index\":7,\"kind\":\"invalid\",\"reason\":\"no_id\",\"key\":\"\","
            "\"owner\":\"customer-0000001\",\"currency\":\"EUR\"}\n");
}

TEST(Generator, TheExamplesCarryItsLookups) {
  for (const auto& name : dataset_names()) {
    for (const auto& file : generator_of(options_of(name)).lookup_files()) {
      const std::string path = std::string(MILLRACE_EXAMPLES) + "/" + name + "/data/" + file.name;
      std::ifstream stream(path);
      std::stringstream text;
      text << stream.rdbuf();
      EXPECT_TRUE(text.str() == file.text) << path << " is not what the generator writes";
    }
  }
}

}  // namespace
}  // namespace millrace::verify
