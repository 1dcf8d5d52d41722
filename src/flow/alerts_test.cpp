#include "flow/alerts.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "flow/test_alerts.hpp"

namespace millrace::flow {
namespace {

using namespace std::chrono_literals;

constexpr const char* kFraud = R"(
  fraud:
    from: checked
    when: is_fraud
    select: id, amount
    send: {webhook: "http://127.0.0.1/", log: warn}
)";

AlertAttempt unwell(const std::string&) {
  return {AlertAttempt::What::Retry, "unwell"};
}

TEST(Alerts, SendTheRowsForWhichTheConditionHoldsToEachTarget) {
  AlertsBench bench(with_alerts(kFraud));
  ASSERT_TRUE(bench.begin_all());
  bench.source.put(0, order("a", "5"));
  bench.source.put(0, order("b", "2000"));
  bench.source.put(1, order("c", "3000.5"));
  bench.settle();
  EXPECT_EQ(bench.orders("webhook"), "b c");
  EXPECT_EQ(bench.orders("log"), "b c");
  EXPECT_EQ(bench.history("alert, target, outcome, attempts, _shard, _offset, _row, data"),
            R"(fraud log sent 1 0 1 0 {"id":"b","amount":2000.00} | )"
            R"(fraud log sent 1 1 0 0 {"id":"c","amount":3000.50} | )"
            R"(fraud webhook sent 1 0 1 0 {"id":"b","amount":2000.00} | )"
            R"(fraud webhook sent 1 1 0 0 {"id":"c","amount":3000.50})");
  const auto body = nlohmann::json::parse(bench.receivers["webhook"].bodies().front());
  EXPECT_EQ(body["id"], body["rows"][0]["id"]);
  EXPECT_EQ(body["table"], "checked");
}

TEST(Alerts, SayAllColumnsIfNoneAreSelected) {
  AlertsBench bench(with_alerts("  all: {from: frauds, send: {webhook: \"http://h/\"}}\n"));
  ASSERT_TRUE(bench.begin_all());
  bench.source.put(0, order("b", "2000"));
  bench.source.put(0, order("c", "20"));
  bench.settle();
  ASSERT_EQ(bench.receivers["webhook"].bodies().size(), 1U);
  const auto body = nlohmann::json::parse(bench.receivers["webhook"].bodies().front());
  EXPECT_EQ(body["rows"][0]["data"].dump(), R"({"amount":2000.0,"id":"b"})");
}

TEST(Alerts, BeginAtThePresentEndOfATableThatHasRows) {
  AlertsBench bench(with_alerts(kFraud));
  bench.pipeline.alerts.clear();
  const auto alerts = AlertsBench(with_alerts(kFraud)).pipeline.alerts;
  ASSERT_TRUE(bench.begin_all());
  bench.source.put(0, order("old", "2000"));
  ASSERT_TRUE(bench.worker->catch_up(10s) && bench.worker->commit_now());
  bench.pipeline.alerts = alerts;
  // The alert is new in this life, which is cut off before anything was sent.
  bench.starts_alerts = false;
  bench.restart_all();
  bench.source.put(0, order("new", "2000"));
  ASSERT_TRUE(bench.worker->catch_up(10s) && bench.worker->commit_now());
  bench.starts_alerts = true;
  bench.restart_all();
  bench.settle();
  EXPECT_EQ(bench.orders(), "new") << "the beginning was durable";
}

TEST(Alerts, BeginAnewIfTheyWereTakenOutOfTheFile) {
  AlertsBench bench(with_alerts(kFraud));
  const auto alerts = bench.pipeline.alerts;
  ASSERT_TRUE(bench.begin_all());
  bench.source.put(0, order("a", "2000"));
  bench.settle();
  ASSERT_TRUE(bench.alerts->stop());
  bench.pipeline.alerts.clear();
  bench.restart_all();
  bench.source.put(0, order("unseen", "2000"));
  ASSERT_TRUE(bench.worker->catch_up(10s) && bench.worker->commit_now());
  bench.pipeline.alerts = alerts;
  bench.restart_all();
  bench.source.put(0, order("b", "2000"));
  bench.settle();
  EXPECT_EQ(bench.orders(), "a b");
}

TEST(Alerts, AreSentAgainWithTheSameIdAfterAKill) {
  AlertsBench bench(with_alerts(kFraud));
  ASSERT_TRUE(bench.begin_all());
  bench.source.put(0, order("a", "2000"));
  bench.source.put(1, order("b", "2000"));
  bench.settle();
  ASSERT_TRUE(bench.worker->commit_now());  // of the table, not of the history
  bench.restart_all();
  bench.settle();
  EXPECT_EQ(bench.orders(), "a a b b");
  const auto ids = bench.receivers["webhook"].ids();
  EXPECT_EQ(ids.size(), 2U);
  for (const auto& [id, bodies] : ids) EXPECT_EQ(bodies.size(), 1U) << id;
  ASSERT_TRUE(bench.alerts->stop());
  bench.restart_all();
  bench.settle();
  EXPECT_EQ(bench.orders(), "a a b b") << "what ended durably is not sent again";
  EXPECT_EQ(bench.history("count(*)", ""), "4");
}

TEST(Alerts, DoNotSendAgainWhatEndedBehindARowThatHasNot) {
  AlertsBench bench(with_alerts(kFraud));
  bench.receivers["webhook"].answer([](const std::string& body) {
    return body.find("\"slow\"") == std::string::npos ? AlertAttempt{} : unwell(body);
  });
  ASSERT_TRUE(bench.begin_all());
  bench.source.put(0, order("slow", "2000"));
  bench.source.put(0, order("a", "2000"));
  bench.source.put(0, order("b", "2000"));
  ASSERT_TRUE(bench.worker->catch_up(10s));
  while (bench.orders() != "a b") std::this_thread::sleep_for(1ms);
  ASSERT_TRUE(bench.alerts->stop());
  ASSERT_TRUE(bench.worker->commit_now());
  EXPECT_EQ(
      bench.history("id IS NOT NULL, outcome, _offset", "WHERE target = 'webhook' ORDER BY ALL"),
      "true sent 1 | true sent 2");
  bench.receivers["webhook"].answer({});
  bench.restart_all();
  bench.settle();
  EXPECT_EQ(bench.orders(), "a b slow");
}

TEST(Alerts, ReadFromTheLakeWhatWasCommittedBeforeTheyLooked) {
  AlertsBench bench(with_alerts(kFraud));
  bench.starts_alerts = false;
  ASSERT_TRUE(bench.begin_all());
  std::vector<std::string> wanted;
  for (int i = 0; i < 5; ++i) {
    wanted.push_back(fmt::format("o{}", i));
    bench.source.put(i % 2, order(wanted.back(), "2000"));
    bench.source.put(i % 2, order(fmt::format("fine{}", i), "20"));
    ASSERT_TRUE(bench.worker->catch_up(10s));
    if (i < 3) (void)bench.worker->commit_now().has_value();  // the others are hot
  }
  bench.start_alerts();
  bench.settle();
  EXPECT_EQ(bench.orders(), base::join(wanted, " "));
}

TEST(Alerts, PassOverTheMarksThatASourceKeepsBesideItsPositions) {
  AlertsBench bench(with_alerts(kFraud));
  bench.source.count_records();
  ASSERT_TRUE(bench.begin_all());
  bench.source.put(0, order("a", "2000"));
  bench.source.put(0, order("fine", "20"));
  bench.settle();
  ASSERT_TRUE(bench.worker->commit_now());
  ASSERT_TRUE(bench.alerts->stop());
  bench.crash_all();
  bench.source.begin_life();
  ASSERT_TRUE(bench.begin_all());
  bench.source.put(0, order("b", "2000"));
  bench.source.put(1, order("c", "2000"));
  bench.settle();
  EXPECT_EQ(bench.orders(), "a b c");
}

TEST(Alerts, SendReplayedRejectsToo) {
  AlertsBench bench(with_alerts(kFraud));
  ASSERT_TRUE(bench.begin_all());
  bench.source.put(0, R"({"amount": 3000, "ts": "2026-11-20T10:00:00Z"})");  // no id
  bench.settle();
  EXPECT_EQ(bench.orders(), "");
  ASSERT_TRUE(bench.worker->commit_now());
  bench.pipeline.tables[0].expectations.clear();
  bench.restart_all();
  ASSERT_TRUE(bench.worker->replay({}));
  for (int i = 0; i < 5000 && bench.receivers["webhook"].bodies().empty(); ++i) {
    std::this_thread::sleep_for(1ms);
  }
  ASSERT_EQ(bench.receivers["webhook"].bodies().size(), 1U);
  ASSERT_TRUE(bench.alerts->stop());
  bench.restart_all();
  bench.settle();
  EXPECT_EQ(bench.receivers["webhook"].bodies().size(), 1U);
}

TEST(Alerts, OfADeadReceiverStayBehindAndStopNobody) {
  AlertsBench bench(with_alerts(kFraud));
  bench.options.outbox.messages_max = 3;
  bench.receivers["webhook"].answer(unwell);
  ASSERT_TRUE(bench.begin_all());
  std::vector<std::string> wanted;
  for (int i = 0; i < 40; ++i) {
    wanted.push_back(fmt::format("o{}", i));
    bench.source.put(0, order(wanted.back(), "2000"));
    ASSERT_TRUE(bench.worker->catch_up(10s));
    if (i % 8 == 0) (void)bench.worker->commit_now().has_value();
  }
  std::ranges::sort(wanted);
  while (bench.orders("log") != base::join(wanted, " ")) std::this_thread::sleep_for(1ms);
  // What was received is settled a moment later.
  while (bench.alerts->status().at(1).behind > 0) std::this_thread::sleep_for(1ms);
  const auto status = bench.alerts->status();
  ASSERT_EQ(status.size(), 2U);
  EXPECT_EQ(status[0].name.target, "webhook");
  EXPECT_EQ(status[0].behind, 40);
  EXPECT_EQ(status[0].error, "unwell");
  // A chunk of rows is taken as a whole, so a little more than the limit can wait.
  EXPECT_LE(status[0].queued, 40U);
  ASSERT_TRUE(bench.worker->commit_now());
  bench.receivers["webhook"].answer({});
  bench.settle();
  EXPECT_EQ(bench.orders("webhook"), base::join(wanted, " "));
}

TEST(Alerts, AreDeadWhenTheReceiverRefusesThemAndSentAgainWhenAskedTo) {
  AlertsBench bench(
      with_alerts(std::string(kFraud) + "    dead_letter: {sqs: \"https://h/1/q\"}\n"));
  bench.receivers["webhook"].answer(
      [](const std::string&) { return AlertAttempt{AlertAttempt::What::Dead, "no such thing"}; });
  ASSERT_TRUE(bench.begin_all());
  bench.source.put(0, order("a", "2000"));
  bench.settle();
  EXPECT_EQ(bench.orders("webhook"), "");
  EXPECT_EQ(bench.orders("sqs"), "a") << "the dead letter";
  EXPECT_EQ(bench.history("outcome, attempts, error", "WHERE target = 'webhook'"),
            "dead 1 no such thing");
  const auto again = bench.alerts->retry({.alert = "fraud"});
  ASSERT_TRUE(again);
  EXPECT_EQ(again->dead, 1);
  EXPECT_EQ(again->error, "no such thing");
  bench.receivers["webhook"].answer({});
  EXPECT_EQ(bench.alerts->retry({.ids = {"another"}})->sent, 0);
  EXPECT_EQ(bench.alerts->retry({})->sent, 1);
  EXPECT_EQ(bench.alerts->retry({})->sent, 0) << "it is not dead any more";
  EXPECT_EQ(bench.orders("webhook"), "a");
  EXPECT_EQ(bench.history("outcome, attempts, count(DISTINCT id)",
                          "WHERE target = 'webhook' GROUP BY ALL ORDER BY ALL"),
            "dead 1 1 | dead 2 1 | sent 3 1");
}

TEST(Alerts, AreDeadWhenTheyWereTriedForLongEnough) {
  AlertsBench bench(with_alerts(std::string(kFraud) + "    retry_for: 20ms\n"));
  bench.receivers["webhook"].answer(unwell);
  ASSERT_TRUE(bench.begin_all());
  bench.source.put(0, order("a", "2000"));
  bench.settle();
  EXPECT_GT(bench.receivers["webhook"].attempts(), 1);
  EXPECT_EQ(bench.history("outcome, error", "WHERE target = 'webhook'"), "dead unwell");
}

TEST(Alerts, OfRowsThatTheirSqlCannotTellAreDead) {
  AlertsBench bench(with_alerts(R"(
  n: {from: checked, when: CAST(id AS INTEGER) > 5, select: id, send: {webhook: "http://h/"}}
)"));
  ASSERT_TRUE(bench.begin_all());
  bench.source.put(0, order("7", "1"));
  bench.source.put(0, order("x", "2"));
  bench.source.put(0, order("8", "3"));
  bench.settle();
  EXPECT_EQ(bench.orders(), "7 8");
  EXPECT_EQ(bench.history("_offset, outcome, data, coalesce(error LIKE '%x%', false)"),
            "0 sent {\"id\":\"7\"} false | 1 dead null true | 2 sent {\"id\":\"8\"} false")
      << "and the others are not kept from it";
}

TEST(Alerts, RememberWhatTheyThrottleAcrossRestarts) {
  AlertsBench bench(with_alerts(R"(
  f: {from: checked, when: is_fraud, select: id, group_by: amount, every: 10m,
      send: {webhook: "http://h/"}}
)"));
  ASSERT_TRUE(bench.begin_all());
  bench.source.put(0, order("a", "2000"));
  bench.source.put(0, order("b", "2000"));
  bench.source.put(0, order("c", "3000"));
  bench.settle();
  EXPECT_EQ(bench.orders(), "a c");
  EXPECT_EQ(bench.history("_offset, outcome, \"group\""),
            "0 sent 2000.00 | 1 suppressed 2000.00 | 2 sent 3000.00");
  ASSERT_TRUE(bench.alerts->stop());
  ASSERT_TRUE(bench.worker->commit_now());
  bench.restart_all();
  bench.source.put(0, order("d", "2000"));
  bench.settle();
  EXPECT_EQ(bench.orders(), "a c");
  EXPECT_EQ(bench.history("_offset, outcome", "WHERE _offset = 3"), "3 suppressed");
}

TEST(Alerts, StopIfAnotherProcessWritesTheirHistory) {
  AlertsBench bench(with_alerts(kFraud));
  bench.options.commit_every = 10ms;
  ASSERT_TRUE(bench.begin_all());
  auto other = lake::Table::open(bench.folder.path() / "tables" / kAlertsTable, bench.tools());
  ASSERT_TRUE(other);
  lake::Transaction change;
  const auto id = "millrace/shop/_alerts/commits";
  change.positions.push_back({id, (*other)->snapshot()->transaction(id), 77});
  ASSERT_TRUE((*other)->commit(change));
  bench.source.put(0, order("a", "2000"));
  const auto has_failed = [&] {
    std::lock_guard lock(bench.mutex);
    return !bench.fatal.empty();
  };
  for (int i = 0; i < 5000 && !has_failed(); ++i) std::this_thread::sleep_for(1ms);
  EXPECT_NE(bench.fatal.find("another process writes"), std::string::npos) << bench.fatal;
}

}  // namespace
}  // namespace millrace::flow
