#include "batch/stream_proofs.hpp"

#include <gmock/gmock.h>

#include "batch/maintenance.hpp"
#include "batch/test_bench.hpp"
#include "flow/test_worker.hpp"

namespace millrace::batch {
namespace {

using testing::HasSubstr;

/// A worker, and jobs, proofs and maintenance over its tables.
class ProofsBench : public flow::WorkerBench {
 public:
  ProofsBench() {
    for (auto& table : pipeline.tables) table.commit.every = 1h;  // only when asked
    EXPECT_TRUE(begin());
    open();
  }
  ~ProofsBench() { close(); }

  void open() {
    stream.worker = worker.get();
    now.emplace(clock.now());
    lake::Tools own = tools();
    own_tools.emplace(lake::Tools{own.disk, own.engine, *now, own.random, own.telemetry});
    jobs = Jobs::open({.pipeline = pipeline,
                       .tools = *own_tools,
                       .board = *board,
                       .stream = stream,
                       .folder = folder.path()})
               .value();
    proofs = std::make_unique<StreamProofs>(StreamProofsParts{.pipeline = pipeline,
                                                              .tools = *own_tools,
                                                              .board = *board,
                                                              .runs = jobs->runs_table(),
                                                              .checks = jobs->checks_table(),
                                                              .stream = &stream});
    maintenance = Maintenance::open({.pipeline = pipeline,
                                     .tools = *own_tools,
                                     .board = *board,
                                     .runs = jobs->runs_table(),
                                     .incarnations = {{"orders", "one"}},
                                     .proofs = proofs.get()})
                      .value();
  }
  void close() {
    maintenance.reset();
    proofs.reset();
    jobs.reset();
  }
  // Takes away the rows of one day, as no worker would.
  void lose(const std::string& day) {
    auto* table = board->table("checked");
    lake::Transaction change{.operation = "DELETE"};
    for (const auto& [path, file] : table->snapshot()->files) {
      if (file->partition_values.at("day") == day) change.removes.push_back({.path = path});
    }
    ASSERT_FALSE(change.removes.empty());
    ASSERT_TRUE(table->commit(change));
  }
  std::string checks() {
    board->publish();
    return ask_now(
        "SELECT job, \"partition\", kind, \"check\", outcome, CAST(value AS BIGINT) FROM _checks "
        "ORDER BY "
        "checked_at, job, \"partition\"");
  }
  std::string history() {
    board->publish();
    return ask_now(
        "SELECT job, \"partition\", status, rows, trigger FROM _runs WHERE job LIKE 'proof@%' "
        "ORDER BY ALL");
  }

  class Stream final : public StreamState {
   public:
    base::Time watermark(std::string_view) override { return {}; }
    base::Result<void> take_in() override { return worker->take_in(10s); }
    flow::Worker* worker = nullptr;
  };
  Stream stream;
  std::optional<base::FixedClock> now;
  std::optional<lake::Tools> own_tools;
  std::unique_ptr<Jobs> jobs;
  std::unique_ptr<StreamProofs> proofs;
  std::unique_ptr<Maintenance> maintenance;
};

TEST(StreamProofs, AreRunsWithAResultForEachShard) {
  ProofsBench bench;
  bench.source.put(0, flow::order("a", "2000"));
  bench.source.put(0, "{broken");
  bench.source.put(1, flow::order("b", "1", "2026-11-19"));
  // What came before is committed first.
  const auto all = bench.proofs->run({}).value();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].run.job, "proof@checked");
  EXPECT_EQ(all[0].run.status, RunStatus::Succeeded) << all[0].run.error;
  EXPECT_EQ(all[0].run.rows, 2);
  EXPECT_EQ(all[0].account.shards.size(), 2U);
  EXPECT_EQ(all[1].run.job, "proof@frauds");
  EXPECT_EQ(all[1].run.status, RunStatus::Succeeded) << all[1].run.error;
  EXPECT_EQ(bench.history(),
            "proof@checked all succeeded 2 manual | proof@frauds all succeeded 1 manual");
  EXPECT_EQ(
      bench.checks(),
      "checked orders/one/0 proof source passed 2 | checked orders/one/1 proof source passed 1 "
      "| frauds orders/one/0 proof source passed 1 | frauds orders/one/1 proof source passed 1");
  EXPECT_EQ(bench.jobs->runs({.job = "proof@checked"}).value().size(), 1U);
  EXPECT_EQ(bench.proofs->run("cheked").error().message,
            "no stream fills a table 'cheked'; did you mean 'checked'?");
  EXPECT_THAT(bench.metrics.exposition(), HasSubstr("millrace_proof_holds{table=\"checked\"} 1"));
}

TEST(StreamProofs, FailWithTheShardTheNumbersAndTheMend) {
  ProofsBench bench;
  bench.source.put(0, flow::order("a", "1"));
  bench.source.put(1, flow::order("b", "1", "2026-11-19"));
  ASSERT_EQ(bench.proofs->run("checked").value()[0].run.status, RunStatus::Succeeded);
  bench.lose("2026-11-19");
  const auto run = bench.proofs->run("checked").value()[0].run;
  EXPECT_EQ(run.status, RunStatus::Failed);
  EXPECT_THAT(run.error, HasSubstr("shard 1 of orders (one): 1 row is missing: commits brought 1 "
                                   "row, 0 were removed because they were old, and 0 are there"));
  EXPECT_THAT(run.error, HasSubstr("`millrace table history checked` says who wrote; restore the "
                                   "tables 'checked' and '_rejects' from a backup of one moment"));
  EXPECT_EQ(bench.history(),
            "proof@checked all failed  manual | proof@checked all succeeded 2 manual");
  EXPECT_EQ(
      bench.ask_now(
          "SELECT \"partition\", detail LIKE '1 row is missing%' FROM _checks WHERE outcome = "
          "'failed'"),
      "orders/one/1 true");
  const auto metrics = bench.metrics.exposition();
  EXPECT_THAT(metrics, HasSubstr("millrace_proof_holds{table=\"checked\"} 0"));
  EXPECT_THAT(
      metrics,
      HasSubstr(
          "millrace_job_checks_total{check=\"source\",job_name=\"checked\",outcome=\"failed\"} 1"));
}

TEST(StreamProofs, FollowTheMaintenanceOfEachNight) {
  ProofsBench bench;
  bench.source.put(0, flow::order("a", "1"));
  ASSERT_TRUE(bench.worker->take_in(10s));
  bench.maintenance->run_due();
  EXPECT_EQ(bench.history(), "");
  bench.now->advance(24h);
  bench.maintenance->run_due();
  bench.maintenance->run_due();
  EXPECT_EQ(bench.history(),
            "proof@checked all succeeded 1 schedule | proof@frauds all succeeded 0 schedule");
  bench.lose("2026-11-20");
  bench.now->advance(24h);
  bench.maintenance->run_due();
  EXPECT_THAT(bench.history(), HasSubstr("proof@checked all failed  schedule"));
  EXPECT_EQ(
      bench.ask_now(
          "SELECT count(*) FROM _runs WHERE job LIKE 'maintenance@%' AND status <> 'succeeded'"),
      "0");
}

TEST(StreamProofs, KnowOfRowsThatMaintenanceRemoved) {
  ProofsBench bench;
  bench.close();
  bench.crash();
  bench.pipeline.tables[0].keep = 24h * 365 * 50;
  ASSERT_TRUE(bench.begin());
  bench.open();
  bench.source.put(0, flow::order("old", "1", "1970-03-01"));
  bench.source.put(0, flow::order("new", "1"));
  ASSERT_TRUE(bench.worker->take_in(10s));
  ASSERT_EQ(bench.maintenance->run("checked").value()[0].rows, 1);
  const auto proof = bench.proofs->run("checked").value()[0];
  EXPECT_EQ(proof.run.status, RunStatus::Succeeded) << proof.run.error;
  EXPECT_EQ(proof.account.shards[0].life.counts->removed, 1);
  EXPECT_EQ(proof.account.shards[0].rows, 1);
}

TEST(StreamProofs, AreDoneByOneAtATimeAndNotAtAllOnceStopped) {
  ProofsBench bench;
  auto& runs = bench.jobs->runs_table();
  const auto claim = runs.claim({.run_id = "other", .job = "proof@checked", .partition = "all"},
                                [](const Claim&) { return std::optional<std::int64_t>(); });
  ASSERT_TRUE(claim);
  EXPECT_EQ(bench.proofs->run("checked").value()[0].run.status, RunStatus::Skipped);
  bench.proofs->stop();
  EXPECT_EQ(bench.proofs->run("frauds").error().code, base::Code::Cancelled);
}

}  // namespace
}  // namespace millrace::batch
