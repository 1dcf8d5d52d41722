#include "flow/alert_gate.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "flow/alert_progress.hpp"

namespace millrace::flow {
namespace {

using namespace std::chrono_literals;

/// Rows that pass a gate, told as one text: each message's rows, and `-` for a suppressed one.
class GateBench {
 public:
  explicit GateBench(config::Alert alert, std::size_t groups_max = 100'000)
      : gate(alert, groups_max) {}

  // A row of `group` that is received and seen `at` seconds after the start.
  std::string put(const std::string& id, const std::string& group, int at) {
    AlertRow row{.at = {0, next_++, 0},
                 .received_at = start_ + std::chrono::seconds(at),
                 .id = id,
                 .group = group,
                 .data = data};
    auto passed = gate.pass(std::move(row), seen_ + std::chrono::seconds(at));
    std::string text = passed.is_suppressed ? "-" : "";
    return text + told(passed.messages);
  }
  std::string flush(int at) { return told(gate.flush(seen_ + std::chrono::seconds(at))); }

  AlertGate gate;
  std::string data = "{}";
  const base::Time start_ = base::parse_time("2026-11-20T12:00:00Z").value();

 private:
  static std::string told(const std::vector<AlertMessage>& messages) {
    std::string text;
    for (const auto& message : messages) {
      text += '[';
      for (const auto& row : message.rows) text += row.id;
      if (message.suppressed > 0) text += fmt::format("+{}", message.suppressed);
      text += ']';
    }
    return text;
  }

  std::int64_t next_ = 0;
  const base::SteadyTime seen_{1h};
};

TEST(AlertGate, LetsEachRowPassAloneByDefault) {
  GateBench bench({});
  EXPECT_EQ(bench.put("a", "g", 0), "[a]");
  EXPECT_EQ(bench.put("b", "g", 0), "[b]");
  EXPECT_EQ(bench.gate.group_count(), 0U);
}

TEST(AlertGate, SendsOneMessageOfAGroupInATimeAndCountsTheRest) {
  GateBench bench({.every = 10min});
  EXPECT_EQ(bench.put("a", "g", 0), "[a]");
  EXPECT_EQ(bench.put("b", "g", 1), "-");
  EXPECT_EQ(bench.put("c", "h", 2), "[c]");
  EXPECT_EQ(bench.put("d", "g", 599), "-");
  EXPECT_EQ(bench.put("e", "g", 600), "[e+2]");
  EXPECT_EQ(bench.put("f", "g", 1200), "[f]");
  // A little out of order, from another shard.
  EXPECT_EQ(bench.put("g", "g", 1199), "-");
}

TEST(AlertGate, SendsARowThatIsTriedAgainAfterYoungerOnesOfItsGroup) {
  GateBench bench({.every = 10min});
  bench.gate.restore_group("g", bench.start_ + 1200s, 0);
  EXPECT_EQ(bench.put("a", "g", 0), "[a]") << "its message had not ended";
  EXPECT_EQ(bench.put("b", "g", 1260), "-") << "the group's last message stays the last";
}

TEST(AlertGate, KeepsToARateByTheTimeOfArrival) {
  GateBench bench({.at_most = config::Rate{2, 1min}});
  EXPECT_EQ(bench.put("a", "g", 0), "[a]");
  EXPECT_EQ(bench.put("b", "g", 59), "[b]");
  EXPECT_EQ(bench.put("c", "g", 59), "-");
  EXPECT_EQ(bench.put("d", "g", 60), "[d+1]");
  EXPECT_EQ(bench.put("e", "g", 3), "-") << "late, of a minute that is full";
}

TEST(AlertGate, TakesUpARateWhereItStood) {
  GateBench bench({.at_most = config::Rate{2, 1min}});
  bench.gate.restore_window(bench.start_, 2);
  EXPECT_EQ(bench.put("a", "g", 5), "-");
  EXPECT_EQ(bench.put("b", "g", 61), "[b+1]");
}

TEST(AlertGate, GathersRowsOfAGroup) {
  GateBench bench({.wait = 5s});
  EXPECT_EQ(bench.put("a", "g", 0), "");
  EXPECT_EQ(bench.put("b", "h", 1), "");
  EXPECT_EQ(bench.put("c", "g", 4), "");
  EXPECT_EQ(bench.flush(4), "");
  EXPECT_EQ(bench.gate.next_flush(), base::SteadyTime(1h + 5s));
  EXPECT_EQ(bench.flush(5), "[ac]");
  EXPECT_EQ(bench.put("d", "g", 5), "");
  EXPECT_EQ(bench.flush(20), "[d][b]");
  EXPECT_EQ(bench.gate.open_bytes(), 0U);
}

TEST(AlertGate, GathersWhatComesBeforeTheMessageGoesAndSuppressesTheRest) {
  GateBench bench({.wait = 5s, .every = 1min});
  EXPECT_EQ(bench.put("a", "g", 0), "");
  EXPECT_EQ(bench.put("b", "g", 3), "");
  EXPECT_EQ(bench.flush(5), "[ab]");
  EXPECT_EQ(bench.put("c", "g", 6), "-");
  EXPECT_EQ(bench.put("d", "g", 60), "");
  EXPECT_EQ(bench.flush(65), "[d+1]");
}

TEST(AlertGate, SendsAFullMessageAtOnce) {
  GateBench bench({.wait = 5s});
  std::string sent;
  for (std::size_t i = 0; i < kAlertRowsMax + 1; ++i) sent += bench.put("a", "g", 0);
  EXPECT_EQ(sent, "[" + std::string(kAlertRowsMax, 'a') + "]");
  EXPECT_EQ(bench.flush(5), "[a]");
  bench.data = std::string(kAlertBytesMax * 2 / 3, 'x');
  EXPECT_EQ(bench.put("b", "g", 6), "");
  EXPECT_EQ(bench.put("c", "g", 6), "[b]") << "both would be too large";
}

TEST(AlertGate, ForgetsGroupsRatherThanGrow) {
  GateBench bench({.every = 1h}, 100);
  for (int i = 0; i < 1000; ++i) bench.put("a", std::to_string(i), i);
  EXPECT_LE(bench.gate.group_count(), 101U);
  EXPECT_EQ(bench.put("b", "999", 1001), "-") << "the youngest are remembered";
}

TEST(AlertProgress, StandsBeforeTheFirstRowThatHasNotEnded) {
  AlertProgress progress;
  progress.begin(0, 5);
  EXPECT_EQ(progress.positions(), (std::map<std::int32_t, std::int64_t>{{0, 5}}));
  progress.add({0, 7, 0}), progress.add({0, 7, 1}), progress.add({0, 9, 0}),
      progress.add({1, 3, 0});
  progress.reach(0, 12), progress.reach(1, 4);
  EXPECT_EQ(progress.positions(), (std::map<std::int32_t, std::int64_t>{{0, 7}, {1, 3}}));
  progress.settle({0, 9, 0}), progress.settle({0, 7, 1}), progress.settle({1, 3, 0});
  EXPECT_EQ(progress.positions(), (std::map<std::int32_t, std::int64_t>{{0, 7}, {1, 4}}));
  EXPECT_EQ(progress.held(), 3U);
  progress.settle({0, 7, 0});
  EXPECT_EQ(progress.positions(), (std::map<std::int32_t, std::int64_t>{{0, 12}, {1, 4}}));
  EXPECT_EQ(progress.held(), 0U);
  progress.reach(0, 11);
  EXPECT_EQ(progress.positions().at(0), 12) << "never backwards";
}

TEST(AlertPositions, AreTheShardsOfOneLifeWithoutTheMarksBesideThem) {
  const std::map<std::string, std::int64_t> transactions{
      {"millrace/p/t/s/one/0", 5},        {"millrace/p/t/s/one/0/mark.0", 582194},
      {"millrace/p/t/s/one/0/mark.3", 2}, {"millrace/p/t/s/one/12", 7},
      {"millrace/p/t/s/replay-3/-3", 9},  {"millrace/p/t/s/two/1", 11},
      {"millrace/p/tt/s/one/4", 13}};
  using Positions = std::map<std::int32_t, std::int64_t>;
  EXPECT_EQ(positions_below(transactions, "millrace/p/t/s/one/"), (Positions{{0, 5}, {12, 7}}));
  EXPECT_EQ(positions_below(transactions, "millrace/p/t/s/replay-"), (Positions{{-3, 9}}));
}

TEST(AlertMessage, HasTheIdOfItsOneRowOrOneOfAllOfThem) {
  const DeliveryName name{"shop", "fraud", "webhook", "checked", "orders", "one"};
  const auto id = alert_id(name, {0, 17, 2});
  EXPECT_EQ(id.size(), 36U);
  EXPECT_EQ(id, alert_id({"shop", "fraud", "sqs", "checked", "orders", "one"}, {0, 17, 2}));
  EXPECT_NE(id, alert_id(name, {0, 17, 1}));
  EXPECT_NE(id, alert_id(name, {1, 17, 2}));
  EXPECT_NE(id, alert_id({"shop", "fraud", "webhook", "checked", "orders", "two"}, {0, 17, 2}));
  // A replay is the same replay, whatever the source's life is called.
  EXPECT_EQ(alert_id(name, {-3, 17, 2}),
            alert_id({"shop", "fraud", "webhook", "checked", "orders", "two"}, {-3, 17, 2}));
  const AlertRow one{.id = id}, other{.id = alert_id(name, {0, 18, 0})};
  EXPECT_EQ(message_id({one}), id);
  EXPECT_NE(message_id({one, other}), id);
  EXPECT_NE(message_id({one, other}), message_id({other}));
}

TEST(AlertMessage, IsJson) {
  const DeliveryName name{"shop", "fraud", "webhook", "checked", "orders", "one"};
  AlertMessage message{.id = "m", .group = "c\"1", .suppressed = 3};
  message.rows.push_back({.received_at = base::parse_time("2026-11-20T12:00:00Z").value(),
                          .id = "i",
                          .data = R"({"n":1})"});
  EXPECT_EQ(encode_body(name, message, false),
            R"({"id":"m","pipeline":"shop","alert":"fraud","table":"checked","group":"c\"1",)"
            R"("suppressed":3,"rows":[{"id":"i","received_at":"2026-11-20T12:00:00.000000Z",)"
            R"("data":{"n":1}}]})");
  EXPECT_EQ(encode_body(name, message, true), R"({"n":1})");
}

}  // namespace
}  // namespace millrace::flow
