#include "deploy/cost.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "deploy/prices.hpp"

namespace millrace::deploy {
namespace {

// What an invocation takes beside its records: three requests to S3 for each table, and the answer.
// Assumed; it was not measured on AWS.
constexpr double kSecondsOfCommit = 0.15;
constexpr double kSecondsOfInvocation = 0.05;
// docs/performance.md: from records to committed rows, of one core.
constexpr double kRecordsPerCoreSecond = 290'000;
constexpr double kMibOfCore = 1769;
constexpr double kRequestsOfCommit = 3;
// Lambda's own lines of each invocation, and metrics each 10 s of a process: docs/lambda.md.
constexpr double kLogBytesOfInvocation = 500;
constexpr double kLogBytesOfMetrics = 4000;
constexpr double kSecondsOfMetrics = 10;
// A row of the example in a table, of its bytes as JSON: docs/scaling.md.
constexpr double kTableShare = 0.2;
// Of a lookup's table, which nobody can know before.
constexpr double kLookupItems = 10'000;
constexpr double kLookupItemBytes = 200;
// docs/scaling.md: Glue's records per CPU second.
constexpr double kGlueRecordsPerCoreSecond = 29'000;
constexpr double kCoresOfWorker = 4;
constexpr double kGlueSecondsLeast = 120;
constexpr double kRedshiftSecondsOfLoad = 60;
constexpr double kRpus = 8;
constexpr double kJobSecondsLeast = 5;
// As lambda_parts.cpp has it: with alerts each minute, else each quarter of an hour.
constexpr double kCallsOfMonthWithAlerts = kDaysOfMonth * 24 * 60;
constexpr double kCallsOfMonth = kDaysOfMonth * 24 * 4;
// Lambda asks again while there are records: as often as an invocation takes.
constexpr double kWindowLeast = 0.3;

class Bill {
 public:
  explicit Bill(const Site& site) : site_(site) {}

  /// `formula` is as people read it; `dollars` is what it gives.
  void add(std::string what, std::string formula, double dollars) {
    if (dollars >= 0.005) costs_.push_back({std::move(what), std::move(formula), dollars});
  }

  double records() const { return site_.options.records_per_second * kSecondsOfMonth * streams(); }
  double gigabytes() const {
    return records() * static_cast<double>(site_.options.record_bytes) / 1e9;
  }
  double streams() const {
    std::vector<std::string> names;
    for (const auto& thing : site_.things) {
      const bool is_new = std::ranges::find(names, thing.name) == names.end();
      if (thing.part == Part::Stream && is_new) names.push_back(thing.name);
    }
    return static_cast<double>(std::max<std::size_t>(names.size(), 1));
  }
  double shards() const { return site_.capacity.shards_now * streams(); }
  const Site& site() const { return site_; }
  std::vector<Cost> take() { return std::move(costs_); }

 private:
  const Site& site_;
  std::vector<Cost> costs_;
};

std::string hours() {
  return fmt::format("{:.0f} h", kHoursOfMonth);
}

void add_streams(Bill& bill) {
  const auto& options = bill.site().options;
  const auto has_stream = [](const Thing& thing) { return thing.part == Part::Stream; };
  if (!std::ranges::any_of(bill.site().things, has_stream)) return;
  if (options.is_on_demand) {
    bill.add("Kinesis: streams on demand",
             fmt::format("{} x {} x ${}", bill.streams(), hours(), price("on_demand")),
             bill.streams() * kHoursOfMonth * price("on_demand"));
    bill.add("Kinesis: in and out",
             fmt::format("{:.0f} GB x (${} + ${})", bill.gigabytes(), price("on_demand_in"),
                         price("on_demand_out")),
             bill.gigabytes() * (price("on_demand_in") + price("on_demand_out")));
    return;
  }
  bill.add("Kinesis: shards", fmt::format("{} x {} x ${}", bill.shards(), hours(), price("shard")),
           bill.shards() * kHoursOfMonth * price("shard"));
  const double units =
      bill.records() * std::ceil(static_cast<double>(options.record_bytes) / 25'000) / 1e6;
  bill.add("Kinesis: records put", fmt::format("{:.0f} million x ${}", units, price("put")),
           units * price("put"));
  if (options.retention > std::chrono::hours(24)) {
    bill.add("Kinesis: retention beyond 24 hours",
             fmt::format("{} shards x {} x ${}", bill.shards(), hours(), price("retention")),
             bill.shards() * kHoursOfMonth * price("retention"));
  }
}

/// A shard with records is read once a window.
double invocations(const Bill& bill) {
  const double window = std::max<double>(bill.site().options.window_seconds, kWindowLeast);
  const double of_records = bill.records();
  return std::min(bill.shards() * kSecondsOfMonth / window, of_records);
}

void add_requests(Bill& bill, double commits) {
  const auto tables = static_cast<double>(bill.site().pipeline.tables.size());
  const double writes = commits * tables * kRequestsOfCommit / 1000;
  bill.add("S3: commits",
           fmt::format("{:.0f} thousand commits x {} tables x {} requests x ${} a thousand",
                       commits / 1000, tables, kRequestsOfCommit, price("s3_put")),
           writes * price("s3_put"));
  const double stored = bill.gigabytes() * kTableShare;
  bill.add("S3: storage, and as much more each month",
           fmt::format("{:.0f} GB x {} x ${}", bill.gigabytes(), kTableShare, price("s3_gb")),
           stored * price("s3_gb"));
}

void add_stream_function(Bill& bill) {
  const auto& site = bill.site();
  const double calls = invocations(bill);
  const double memory = site.options.memory_mib / 1024.0;
  const auto tables = static_cast<double>(site.pipeline.tables.size());
  const double cores = site.options.memory_mib / kMibOfCore;
  const double each = kSecondsOfInvocation + kSecondsOfCommit * tables +
                      bill.records() / calls / kRecordsPerCoreSecond / cores;
  bill.add("Lambda: the stream",
           fmt::format("{:.2f} million invocations x {:.2f} s x {:.2f} GB x ${}", calls / 1e6, each,
                       memory, price("lambda")),
           calls * each * memory * price("lambda"));
  bill.add("Lambda: invocations",
           fmt::format("{:.2f} million x ${}", calls / 1e6, price("invocation")),
           calls / 1e6 * price("invocation"));
  const double metrics = bill.shards() * kSecondsOfMonth / kSecondsOfMetrics;
  const double logged = (calls * kLogBytesOfInvocation + metrics * kLogBytesOfMetrics) / 1e9;
  bill.add("CloudWatch: log lines, metrics among them",
           fmt::format("({:.2f} million x {} B + {:.2f} million x {} B) x ${} a GB", calls / 1e6,
                       kLogBytesOfInvocation, metrics / 1e6, kLogBytesOfMetrics, price("log_gb")),
           logged * price("log_gb"));
  add_requests(bill, calls);
}

void add_jobs_function(Bill& bill) {
  const auto& site = bill.site();
  if (!site.has_jobs_function()) return;
  const double memory = site.options.jobs_memory_mib / 1024.0;
  const double cores = site.options.jobs_memory_mib / kMibOfCore;
  // The day's records are read once by each job, and once more by maintenance.
  const double passes = static_cast<double>(site.pipeline.jobs.size()) + 1;
  const double calls = site.pipeline.alerts.empty() ? kCallsOfMonth : kCallsOfMonthWithAlerts;
  const double seconds =
      calls * kJobSecondsLeast + bill.records() * passes / kRecordsPerCoreSecond / cores;
  bill.add("Lambda: jobs and maintenance",
           fmt::format("({:.0f} calls x {} s + {:.0f} million records x {} / {} thousand a core "
                       "second) x {:.2f} GB x ${}",
                       calls, kJobSecondsLeast, bill.records() / 1e6, passes,
                       kRecordsPerCoreSecond / 1000, memory, price("lambda")),
           seconds * memory * price("lambda"));
}

void add_task(Bill& bill, const Json& root) {
  const auto& task = root["Resources"]["Task"]["Properties"];
  const double cores = std::stod(task["Cpu"].get<std::string>()) / 1024;
  const double memory = std::stod(task["Memory"].get<std::string>()) / 1024;
  bill.add("Fargate: the task",
           fmt::format("{} x ({} cores x ${} + {} GB x ${})", hours(), cores, price("vcpu"), memory,
                       price("memory")),
           kHoursOfMonth * (cores * price("vcpu") + memory * price("memory")));
  double commits = 0;
  for (const auto& table : bill.site().pipeline.tables) {
    const std::chrono::duration<double> every = table.commit.every;
    commits += kSecondsOfMonth / std::max(every.count(), 0.1);
  }
  const auto tables = std::max<std::size_t>(bill.site().pipeline.tables.size(), 1);
  add_requests(bill, commits / static_cast<double>(tables));
}

void add_lookups(Bill& bill) {
  for (const auto& lookup : bill.site().pipeline.lookups) {
    if (!std::holds_alternative<config::LookupDynamoDb>(lookup.from)) continue;
    const std::chrono::duration<double> every = lookup.refresh;
    const double scans = every.count() > 0 ? kSecondsOfMonth / every.count() : kDaysOfMonth;
    const double units = scans * kLookupItems * kLookupItemBytes / 8192 / 1e6;
    bill.add("DynamoDB: scans of " + lookup.name,
             fmt::format("{:.0f} scans of {:.0f} items of {:.0f} bytes (assumed), 8 KB a unit: "
                         "{:.1f} million x ${}",
                         scans, kLookupItems, kLookupItemBytes, units, price("read_unit")),
             units * price("read_unit"));
  }
}

void add_claims(Bill& bill) {
  if (!bill.site().has_claims()) return;
  double tables = 0;
  for (const auto& table : bill.site().pipeline.tables) tables += table.unique ? 1 : 0;
  const double units = bill.records() / bill.streams() * tables / 1e6;
  bill.add("DynamoDB: claims of keys, for `unique`",
           fmt::format("{:.0f} million x ${}", units, price("write_unit")),
           units * price("write_unit"));
}

void add_warehouses(Bill& bill) {
  const auto& pipeline = bill.site().pipeline;
  double loads = 0, glue_jobs = 0;
  for (const auto& job : pipeline.jobs) {
    const auto* warehouse = job.load ? pipeline.warehouse(job.load->warehouse) : nullptr;
    const double runs = job.each == config::Each::Hour ? kDaysOfMonth * 24 : kDaysOfMonth;
    if (warehouse && warehouse->kind == config::Warehouse::Kind::Redshift) loads += runs;
    if (job.engine == config::EngineKind::Glue) glue_jobs += runs;
  }
  bill.add("Redshift: loads",
           fmt::format("{:.0f} x {} s x {} RPUs x ${} an hour", loads, kRedshiftSecondsOfLoad,
                       kRpus, price("rpu")),
           loads * kRedshiftSecondsOfLoad * kRpus * price("rpu") / 3600);
  if (glue_jobs == 0) return;
  const double workers = std::max(pipeline.engines.glue->workers, 2);
  const double seconds =
      std::max(kGlueSecondsLeast,
               bill.records() / glue_jobs / kGlueRecordsPerCoreSecond / (kCoresOfWorker * workers));
  bill.add("Glue: runs",
           fmt::format("{:.0f} x {:.0f} s x {} workers x ${} an hour", glue_jobs, seconds, workers,
                       price("dpu")),
           glue_jobs * seconds * workers * price("dpu") / 3600);
}

void add_watching(Bill& bill, const Json& root) {
  double alarms = 0;
  for (const auto& [id, resource] : root["Resources"].items()) {
    if (resource["Type"] == "AWS::CloudWatch::Alarm") ++alarms;
  }
  bill.add("CloudWatch: alarms and the dashboard",
           fmt::format("{} x ${} + ${}", alarms, price("alarm"), price("dashboard")),
           alarms * price("alarm") + price("dashboard"));
  // What was counted of the example: some 30 of the program, and these of each part.
  const auto& pipeline = bill.site().pipeline;
  const auto metrics = static_cast<double>(30 + 12 * pipeline.tables.size() +
                                           5 * pipeline.jobs.size() + 4 * pipeline.lookups.size());
  bill.add("CloudWatch: the program's metrics",
           fmt::format("about {} x ${}", metrics, price("metric")), metrics * price("metric"));
  double secrets = 0;
  for (const auto& variable : bill.site().variables) secrets += variable.is_secret ? 1 : 0;
  bill.add("Secrets Manager", fmt::format("{} x ${}", secrets, price("secret")),
           secrets * price("secret"));
}

}  // namespace

std::vector<Cost> costs_of(const Site& site, const Json& root) {
  Bill bill(site);
  add_streams(bill);
  if (site.is_lambda()) {
    add_stream_function(bill);
    add_jobs_function(bill);
  } else {
    add_task(bill, root);
  }
  add_claims(bill);
  add_lookups(bill);
  add_warehouses(bill);
  add_watching(bill, root);
  return bill.take();
}

}  // namespace millrace::deploy
