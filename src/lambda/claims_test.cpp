#include <future>
#include <thread>

#include "flow/test_claims.hpp"
#include "lambda/test_function.hpp"

// `unique` where many processes write: what may go wrong between claiming a key and the answer.
namespace millrace::lambda {
namespace {

using base::Code;
using testing::HasSubstr;
using testing::MatchesRegex;

constexpr const char* kUnique = R"(
tables:
  checked:
    from: orders
    unique: {key: id, within: 24h}
    expect: {is_small: {check: amount < 100}}
    sql: SELECT id, amount FROM orders
  frauds: {from: checked, sql: SELECT id FROM checked}
  seen: {from: clicks, unique: {key: id, within: 24h}, sql: SELECT id FROM clicks}
  again: {from: seen, sql: SELECT id FROM seen}
)";
constexpr const char* kSeen = "SELECT string_agg(id, ' ' ORDER BY id) FROM seen";
constexpr const char* kAgain = "SELECT string_agg(id, ' ' ORDER BY id) FROM again";
constexpr const char* kDuplicates =
    "SELECT string_agg(decode(raw), ' ' ORDER BY _shard, _offset) FROM _rejects "
    "WHERE reason = 'duplicate'";

class ClaimsTest : public testing::Test {
 protected:
  std::unique_ptr<FunctionBench> process(std::uint64_t seed = 0) {
    return std::make_unique<FunctionBench>(lake_.path(), kUnique, &store_, seed);
  }
  /// What an invocation that cannot be done says in the end: a machine may be busy.
  static std::string refusal(FunctionBench& bench, const std::string& event, const char* words) {
    std::string told;
    for (int i = 0; i < 50 && told.find(words) == std::string::npos; ++i) {
      told = bench.handle(event, 300ms);
    }
    return told;
  }
  /// A process claims the keys of `event` and gets no further.
  void crash_behind_claims(const std::string& event, std::uint64_t seed = 0) {
    auto crashing = process(seed);
    store_.fail(base::Error{Code::Unavailable, "the process is gone"});
    const auto* words = "the process is gone";
    EXPECT_THAT(refusal(*crashing, event, words), HasSubstr(words));
    crashing.reset();
    store_.fail({});
  }

  os::TestFolder lake_;
  base::SystemClock clock_;
  flow::MemoryClaims store_{clock_};
};

TEST_F(ClaimsTest, AKeyThatComesInTwoShardsToTwoProcessesHasOneRow) {
  const auto one = process(), two = process();
  for (int round = 0; round < 20; ++round) {
    const auto id = fmt::format("{:02}", round);
    std::string first, second;
    {
      const std::jthread other([&] { first = one->handle(kinesis(100 + round, {order(id)})); });
      second = two->handle(kinesis(100 + round, {order(id)}, 1));
    }
    EXPECT_EQ(first, kNothingLeft);
    EXPECT_EQ(second, kNothingLeft);
  }
  EXPECT_EQ(one->ask("SELECT count(*) || ' ' || count(DISTINCT id) FROM checked"), "20 20");
  EXPECT_EQ(one->ask("SELECT count(*) FROM frauds"), "20");
  EXPECT_EQ(one->ask("SELECT count(*) FROM _rejects WHERE reason = 'duplicate'"), "20");
  EXPECT_EQ(one->fatal + two->fatal, "");
}

TEST_F(ClaimsTest, ABatchWhoseKeysWereClaimedIsTakenByAnotherProcess) {
  crash_behind_claims(kinesis(101, {order("a"), order("b"), order("a")}));
  const auto next = process();
  EXPECT_EQ(next->handle(kinesis(101, {order("a"), order("b"), order("a")})), kNothingLeft);
  EXPECT_EQ(next->ask(kIds), "a b");
  EXPECT_EQ(next->ask(kDuplicates), order("a"));
  EXPECT_EQ(store_.taken_over(), 0U) << "the records have the positions that they had";
}

TEST_F(ClaimsTest, ABatchThatIsCommittedAndComesAgainChangesNothing) {
  const auto one = process(), two = process();
  const auto event = kinesis(101, {order("a"), order("b")});
  EXPECT_EQ(one->handle(event), kNothingLeft);
  EXPECT_EQ(two->handle(event), kNothingLeft);
  EXPECT_EQ(two->handle(kinesis(103, {order("b"), order("c")})), kNothingLeft);
  EXPECT_EQ(one->ask(kIds), "a b c");
  EXPECT_EQ(one->ask(kDuplicates), order("b"));
  EXPECT_EQ(store_.asked(), 4U);
}

TEST_F(ClaimsTest, OnlyARecordWithARowClaims) {
  const auto one = process();
  EXPECT_EQ(one->handle(kinesis(101, {order("a", 1000), order("a"), order("a")})), kNothingLeft);
  EXPECT_EQ(one->ask("SELECT string_agg(reason, ' ' ORDER BY _offset) FROM _rejects"),
            "is_small duplicate");
  EXPECT_EQ(store_.owners(), "orders/17:0/1");
}

TEST_F(ClaimsTest, AMessageWhoseAnswerWasLostIsADuplicate) {
  const auto one = process(), two = process();
  EXPECT_EQ(one->handle(sqs({"a", "b"})), kNothingLeft);
  EXPECT_EQ(two->handle(sqs({"a", "b", "c"})), kNothingLeft);
  EXPECT_EQ(one->handle(sqs({"a", "c"})), kNothingLeft);
  EXPECT_EQ(one->ask(kSeen), "a b c");
  EXPECT_EQ(one->ask("SELECT count(*) FROM _rejects WHERE reason = 'duplicate'"), "4");
  EXPECT_EQ(store_.taken_over(), 0U);
}

TEST_F(ClaimsTest, ATableWhoseFirstCommitDidNotComeHasTheRowsOfTheOneThatItReads) {
  const auto event = sqs({"a", "b"});
  EXPECT_EQ(process(5)->handle(event), kNothingLeft);
  take_back_last_commit(lake_.path(), "again");
  const auto next = process(5);
  EXPECT_EQ(next->handle(event), kNothingLeft);
  EXPECT_EQ(next->ask(kSeen), "a b");
  EXPECT_EQ(next->ask(kAgain), "a b");
}

TEST_F(ClaimsTest, AMessageWhoseProcessWentBeforeItsCommitIsTakenWhenItsTimeIsOver) {
  store_.lasts = 1s;
  crash_behind_claims(sqs({"a", "b"}), 5);
  const auto next =
      process(6);  // by chance it could write at the same positions, which are its own
  EXPECT_EQ(next->handle(sqs({"a", "b"})), kNothingLeft);
  EXPECT_EQ(next->ask(kSeen), "a b");
  EXPECT_EQ(next->ask(kDuplicates), "NULL");
  EXPECT_EQ(store_.taken_over(), 2U);
  EXPECT_EQ(next->handle(sqs({"b"})), kNothingLeft);
  EXPECT_EQ(next->ask(kSeen), "a b");
  EXPECT_EQ(next->ask(kAgain), "a b");
}

TEST_F(ClaimsTest, AMessageComesAgainWhileAnotherProcessMayBeAtWork) {
  store_.lasts = 1h;
  crash_behind_claims(sqs({"a", "b"}), 5);
  const auto next =
      process(6);  // by chance it could write at the same positions, which are its own
  const auto* words = "is being worked on, until ";
  EXPECT_THAT(refusal(*next, sqs({"a", "b"}), words), HasSubstr(words));
  EXPECT_EQ(store_.taken_over(), 0U);
}

TEST_F(ClaimsTest, OneMessageInTwoProcessesAtOnceIsTakenOnce) {
  store_.lasts = 30s;
  // On one shard of arrivals, which is a chance of one in 64, one of them would have to come again.
  const auto one = process(5), two = process(6);
  for (int round = 0; round < 20; ++round) {
    const auto id = fmt::format("{:02}", round);
    std::string first, second;
    {
      const std::jthread other([&] { first = one->handle(sqs({id, id + "x"})); });
      second = two->handle(sqs({id}));
    }
    EXPECT_EQ(first, kNothingLeft);
    EXPECT_EQ(second, kNothingLeft);
  }
  EXPECT_EQ(one->ask("SELECT count(*) || ' ' || count(DISTINCT id) FROM seen"), "40 40");
  EXPECT_EQ(one->fatal + two->fatal, "");
}

// Two processes on one shard of arrivals: the second gives the position away once more.
TEST_F(ClaimsTest, APositionThatWasGivenToAnotherMessageTakesNothingFromTheFirst) {
  crash_behind_claims(sqs({"a", "b"}), 5);
  EXPECT_THAT(store_.owners(), MatchesRegex("clicks/lambda:[0-9]+/[01] clicks/lambda:[0-9]+/[01]"));
  const auto same = process(5), another = process(6);
  EXPECT_EQ(same->handle(sqs({"c", "d"})), kNothingLeft);
  EXPECT_EQ(another->handle(sqs({"b", "a"})), kNothingLeft);
  EXPECT_EQ(another->ask(kSeen), "a b c d");
  EXPECT_EQ(another->ask(kDuplicates), "NULL");
  EXPECT_EQ(same->handle(sqs({"a", "b"})), kNothingLeft);
  EXPECT_EQ(another->ask(kSeen), "a b c d");
  EXPECT_EQ(another->ask(kAgain), "a b c d");
}

TEST_F(ClaimsTest, TheSamePositionForTheSameKeyIsNoDuplicate) {
  crash_behind_claims(sqs({"a"}), 5);
  const auto same = process(5);
  EXPECT_EQ(same->handle(sqs({"a", "a"})), kNothingLeft);
  EXPECT_EQ(same->ask("SELECT count(*) FROM seen"), "1");
  EXPECT_EQ(store_.taken_over(), 0U);
}

// It was frozen with rows that it had claimed and not committed, and wakes when all thought it
// gone.
TEST_F(ClaimsTest, WhoeverWakesUpAfterItsTimeCannotCommitWhatAnotherTookOver) {
  const auto slow = process(5), fast = process(6);
  const base::ShardId slot(3);
  slow->clicks->hand(slot,
                     {.records = {{.sequence_number = "",
                                   .arrived_at = base::Time(1545082649183ms),  // as `sqs` says
                                   .partition_key = "",
                                   .data = R"({"id":"a"})"}},
                      .owner = std::make_shared<int>()});
  ASSERT_TRUE(slow->clicks->wait_taken(slot, clock_.steady_now() + 10s));
  EXPECT_EQ(fast->handle(sqs({"a"})), kNothingLeft);
  EXPECT_EQ(store_.taken_over(), 1U);
  EXPECT_EQ(fast->ask(kSeen), "a");
  const auto until = clock_.steady_now() + 10s;
  while (slow->clicks->committed(slot) < 1 && clock_.steady_now() < until) {
    (void)slow->worker->commit_now(until).has_value();
  }
  EXPECT_EQ(slow->ask("SELECT count(*) FROM seen"), "1");
  EXPECT_EQ(slow->ask(kDuplicates), R"({"id":"a"})");
  EXPECT_EQ(slow->fatal + fast->fatal, "");
}

// The batch of an invocation that came to nothing leaves its claims behind, in this process too.
TEST_F(ClaimsTest, MessagesOfABatchThatFailedComeInAnotherOrder) {
  const auto one = process();
  store_.fail(base::Error{Code::Unavailable, "throttled"});
  EXPECT_THAT(refusal(*one, sqs({"a", "b", "c"}), "throttled"), HasSubstr("throttled"));
  store_.fail({});
  EXPECT_EQ(one->handle(sqs({"c", "x", "a"})), kNothingLeft);
  EXPECT_EQ(one->handle(sqs({"b", "a"})), kNothingLeft);
  EXPECT_EQ(one->ask(kSeen), "a b c x");
  EXPECT_EQ(one->ask(kDuplicates), R"({"id":"a"})");
}

TEST_F(ClaimsTest, AStoreThatIsSetUpWrongFailsTheInvocationWithItsWords) {
  const auto one = process();
  store_.fail(base::Error{Code::NotFound, "no such table: make it"});
  const auto* words = "no such table: make it";
  EXPECT_THAT(refusal(*one, kinesis(101, {order("a")}), words), HasSubstr(words));
  store_.fail({});
  EXPECT_EQ(one->handle(kinesis(101, {order("a")})), kNothingLeft);
  EXPECT_EQ(one->ask(kIds), "a");
}

TEST_F(ClaimsTest, WhatWasWrongWithABatchIsNotSaidOfTheNext) {
  std::promise<void> over;
  std::atomic<bool> is_slow = false;
  store_.before_claim = [&, until = over.get_future().share()] {
    if (is_slow) until.wait();
  };
  const auto one = process();
  store_.fail(base::Error{Code::Unavailable, "throttled"});
  EXPECT_THAT(refusal(*one, sqs({"a"}), "throttled"), HasSubstr("throttled"));
  (void)one->worker->commit_now(clock_.steady_now() + 30s).has_value();  // a is left alone now
  is_slow = true;
  const auto* words = "have not taken all records in time";
  EXPECT_THAT(refusal(*one, sqs({"b"}), words), HasSubstr(words));
  store_.fail({});
  over.set_value();
  EXPECT_EQ(one->handle(sqs({"c"})), kNothingLeft);
  EXPECT_THAT(one->ask(kSeen), HasSubstr("c"));
}

TEST_F(ClaimsTest, EachTryThatCameToNothingIsCounted) {
  std::atomic<int> tries = 0;
  store_.before_claim = [&] {
    if (++tries == 4) store_.fail({});
  };
  store_.fail(base::Error{Code::Unavailable, "throttled"});
  const auto one = process();
  EXPECT_EQ(one->handle(kinesis(101, {order("a")})), kNothingLeft);
  double failures = 0;
  for (const auto& family : one->metrics.snapshot()) {
    if (family.name != "millrace_micro_batch_failures_total") continue;
    for (const auto& sample : family.samples) failures += sample.value;
  }
  EXPECT_EQ(failures, 3);
}

}  // namespace
}  // namespace millrace::lambda
