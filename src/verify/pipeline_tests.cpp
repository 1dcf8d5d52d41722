#include "verify/pipeline_tests.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>

#include "base/text.hpp"
#include "decode/decoder.hpp"
#include "flow/alerts.hpp"
#include "flow/query.hpp"
#include "flow/worker.hpp"
#include "lookup/lookup.hpp"
#include "sql/render.hpp"
#include "verify/given_source.hpp"
#include "verify/row_diff.hpp"
#include "verify/select_text.hpp"

namespace millrace::verify {
namespace {

using base::Code;
using base::Error;
using base::Result;
using namespace std::chrono_literals;

constexpr auto kCatchUpMax = 60s;
constexpr std::size_t kRowsMax = 10'000;
constexpr std::uint64_t kSeed = 1;

enum class Cut : std::uint8_t { OneBatch, OneRecordEach };

std::string_view name_of(Cut cut) {
  return cut == Cut::OneBatch ? "all records in one batch" : "one record in each batch";
}

Comparison comparison_of(const sql::Type& type) {
  switch (type.id()) {
    case DUCKDB_TYPE_TINYINT:
    case DUCKDB_TYPE_SMALLINT:
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_BIGINT:
    case DUCKDB_TYPE_HUGEINT:
    case DUCKDB_TYPE_UTINYINT:
    case DUCKDB_TYPE_USMALLINT:
    case DUCKDB_TYPE_UINTEGER:
    case DUCKDB_TYPE_UBIGINT:
    case DUCKDB_TYPE_UHUGEINT:
    case DUCKDB_TYPE_DECIMAL:
    case DUCKDB_TYPE_FLOAT:
    case DUCKDB_TYPE_DOUBLE:
      return Comparison::Number;
    case DUCKDB_TYPE_TIMESTAMP_TZ:
      return Comparison::Time;
    default:
      return Comparison::Text;
  }
}

struct Answer {
  std::vector<DiffColumn> columns;
  std::vector<DiffRow> rows;
};

Result<Answer> ask(flow::QueryEngine& engine, const std::string& sql) {
  const auto query = TRY(engine.start(sql));
  Answer answer;
  std::vector<sql::Renderer> renderers;
  for (const auto& column : query->columns()) {
    answer.columns.push_back({column.name, comparison_of(column.type)});
    renderers.emplace_back(column.type);
  }
  while (const auto chunk = TRY(query->next())) {
    for (std::size_t row = 0; row < chunk->row_count(); ++row) {
      auto& values = answer.rows.emplace_back();
      for (std::size_t i = 0; i < renderers.size(); ++i) {
        const auto cell = chunk->column(i);
        values.push_back(cell.is_null(row) ? std::nullopt
                                           : std::optional(renderers[i].text(cell, row)));
      }
    }
    if (answer.rows.size() > kRowsMax) {
      return Error{Code::Exhausted, fmt::format("more than {} rows", kRowsMax)};
    }
  }
  return answer;
}

/// Takes every message, and sends none.
class TestSink final : public flow::AlertSink {
 public:
  std::size_t messages_max() const override { return 100; }
  std::size_t calls_max() const override { return 1; }
  std::vector<flow::AlertAttempt> send(std::span<const flow::OutgoingAlert> messages,
                                       const std::stop_token&) override {
    return std::vector<flow::AlertAttempt>(messages.size());
  }
};

bool expects_alerts(const config::PipelineTest& test) {
  return std::ranges::any_of(test.expect, [](const auto& expected) {
    return expected.table == flow::kAlertsTable ||
           expected.sql.text.find(flow::kAlertsTable) != std::string::npos;
  });
}

/// A pipeline at work on the records of one test, in this process.
class Bench {
 public:
  struct Parts {
    const config::Pipeline& pipeline;
    os::Disk& disk;
    base::Telemetry telemetry;
    os::Path folder;
    const lookup::OpenOrigin& open_origin;
  };

  Bench(Parts parts, base::Time now) : parts_(std::move(parts)), clock_(now) {}
  ~Bench() {
    // What runs or reads goes before what it uses.
    queries_.reset();
    alerts_.reset();
    worker_.reset();
  }

  Result<void> run(const config::PipelineTest& test, Cut cut) {
    engine_ = TRY(sql::Instance::open({.threads = 1, .time_zone = parts_.pipeline.timezone}));
    flow::WorkerParts parts{.pipeline = parts_.pipeline,
                            .tools = {parts_.disk, *engine_, clock_, random_, parts_.telemetry},
                            .board = board_,
                            .folder = parts_.folder,
                            .options = {}};
    TRY(open_lookups(parts));
    give_records(test, cut, parts);
    worker_ = TRY(flow::Worker::open(std::move(parts)));
    if (expects_alerts(test)) TRY(open_alerts());
    worker_->start([](const Error&) {});  // catch_up reports it
    TRY(worker_->catch_up(kCatchUpMax));
    if (alerts_) {
      alerts_->start([](const Error&) {});
      TRY(alerts_->settle_all(kCatchUpMax));
    }
    if (cut == Cut::OneRecordEach) TRY(worker_->commit_now());
    queries_ = TRY(flow::QueryEngine::open({.threads = 1,
                                            .scratch = parts_.folder / "scratch",
                                            .readable = {parts_.folder},
                                            .time_zone = parts_.pipeline.timezone},
                                           board_));
    return {};
  }

  flow::QueryEngine& queries() { return *queries_; }
  /// Why a table stopped taking rows; empty if none did.
  std::string halted() const {
    for (const auto& status : worker_->status()) {
      if (!status.halted.empty()) return fmt::format("{}: {}", status.name, status.halted);
      if (!status.error.empty()) return fmt::format("{}: {}", status.name, status.error);
    }
    return "";
  }

 private:
  Result<void> open_lookups(flow::WorkerParts& parts) {
    for (const auto& lookup : parts_.pipeline.lookups) {
      auto origin = TRY(parts_.open_origin(lookup));
      auto opened = TRY(lookup::Lookup::open(
          {.lookup = lookup, .key_type = flow::lookup_key_type(parts_.pipeline, lookup.name)},
          std::move(origin), *engine_, clock_, parts_.telemetry));
      parts.lookups[lookup.name] = opened.get();
      lookups_.push_back(std::move(opened));
    }
    return {};
  }

  Result<void> open_alerts() {
    flow::AlertsParts parts{
        .pipeline = parts_.pipeline,
        .plans = worker_->plans(),
        .incarnations = {},
        .tools = {parts_.disk, *engine_, clock_, random_, parts_.telemetry},
        .board = board_,
        .folder = parts_.folder,
        .make_sink = [](const auto&, const auto&) -> Result<std::unique_ptr<flow::AlertSink>> {
          return std::unique_ptr<flow::AlertSink>(std::make_unique<TestSink>());
        }};
    for (std::size_t i = 0; i < sources_.size(); ++i) {
      parts.incarnations[parts_.pipeline.sources[i].name] = sources_[i]->incarnation();
    }
    alerts_ = TRY(flow::Alerts::open(std::move(parts)));
    return {};
  }

  void give_records(const config::PipelineTest& test, Cut cut, flow::WorkerParts& parts) {
    for (const auto& source : parts_.pipeline.sources) {
      std::vector<std::string> records;
      for (const auto& given : test.given) {
        if (given.source != source.name) continue;
        records.insert(records.end(), given.records.begin(), given.records.end());
      }
      const std::size_t at_once =
          cut == Cut::OneBatch ? std::max<std::size_t>(records.size(), 1) : 1;
      sources_.push_back(std::make_unique<GivenSource>(std::move(records), clock_.now(), at_once));
      parts.sources[source.name] = sources_.back().get();
    }
  }

  const Parts parts_;
  base::FixedClock clock_;
  base::Random random_{kSeed};
  std::unique_ptr<sql::Instance> engine_;
  std::vector<std::unique_ptr<lookup::Lookup>> lookups_;
  std::vector<std::unique_ptr<GivenSource>> sources_;
  flow::CutBoard board_;
  std::unique_ptr<flow::Worker> worker_;
  std::unique_ptr<flow::Alerts> alerts_;
  std::unique_ptr<flow::QueryEngine> queries_;
};

// The newest event time among records of `source`, if any has one that can be read.
std::optional<base::Time> newest_event(const config::Source& source,
                                       const std::vector<std::string>& records) {
  if (!source.event_time) return std::nullopt;
  decode::Decoder decoder({.format = source.format,
                           .schema = source.schema,
                           .csv_delimiter = source.csv_delimiter,
                           .csv_null = source.csv_null});
  base::RecordBatch batch;
  for (const auto& bytes : records) batch.records.push_back({batch.next, {}, {}, bytes});
  const auto decoded = decoder.decode(batch);
  const auto column =
      std::ranges::find(source.schema, source.event_time->column, &config::Column::name) -
      source.schema.begin();
  std::optional<base::Time> newest;
  for (const auto& chunk : decoded.chunks) {
    const auto cells = chunk->column(static_cast<std::size_t>(column));
    for (std::size_t row = 0; row < chunk->row_count(); ++row) {
      if (cells.is_null(row)) continue;
      const base::Time time(std::chrono::microseconds(cells.data<std::int64_t>()[row]));
      newest = std::max(newest.value_or(time), time);
    }
  }
  return newest;
}

base::Time now_of(const config::Pipeline& pipeline, const config::PipelineTest& test) {
  if (test.now) return base::parse_time(*test.now).value();
  std::optional<base::Time> newest;
  for (const auto& given : test.given) {
    const auto* source = pipeline.source(given.source);
    const auto time = source ? newest_event(*source, given.records) : std::nullopt;
    if (time) newest = std::max(newest.value_or(*time), *time);
  }
  return newest.value_or(base::parse_time("2025-12-31T00:00:00Z").value()) + 24h;
}

// An error of a test's SQL, with its place in the file.
std::string placed_text(const Error& error, const WholeSelect& select,
                        const config::SqlText& text) {
  const auto byte = sql::position_of(error);
  const auto place = byte ? text.place_of(select.byte_in_file(*byte)) : text.place;
  return fmt::format("{}: {}", place.text(), error.message);
}

std::optional<std::string> failure_of(Bench& bench,
                                      const config::PipelineTest::Expected& expected) {
  const auto select = whole_select(expected.sql.text, expected.table);
  const auto answer = ask(bench.queries(), select.sql);
  if (!answer) return placed_text(answer.error(), select, expected.sql);
  const auto order = select.is_ordered ? RowOrder::Counts : RowOrder::IsFree;
  const auto diff = row_diff(answer->columns, expected.rows, answer->rows, order);
  if (!diff) return std::nullopt;
  return fmt::format("{}: {} (- expected, + found)\n{}", expected.sql.place.text(), expected.table,
                     *diff);
}

std::vector<std::string> failures_of(Bench& bench, const config::PipelineTest& test) {
  std::vector<std::string> failures;
  for (const auto& expected : test.expect) {
    if (auto failure = failure_of(bench, expected)) failures.push_back(std::move(*failure));
  }
  const auto halted = bench.halted();
  if (!failures.empty() && !halted.empty()) failures.push_back("stopped: " + halted);
  return failures;
}

// Records of Avro and Protobuf stand as JSON in a file.
config::Pipeline as_written(config::Pipeline pipeline) {
  for (auto& source : pipeline.sources) {
    if (!source.registry) continue;
    source.format = config::Format::Json;
    source.registry.reset();
  }
  return pipeline;
}

}  // namespace

Result<std::vector<TestOutcome>> run_pipeline_tests(
    const config::Pipeline& file, const PipelineTestsOptions& options, os::Disk& disk,
    base::Telemetry telemetry, const std::function<void(const TestOutcome&)>& on_outcome) {
  const auto pipeline = as_written(file);
  std::vector<TestOutcome> outcomes;
  int run = 0;
  for (const auto& test : pipeline.tests) {
    if (test.name.find(options.name_contains) == std::string::npos) continue;
    TestOutcome outcome{.name = test.name, .place = test.place};
    std::map<Cut, std::vector<std::string>> failures;
    for (const auto cut : {Cut::OneBatch, Cut::OneRecordEach}) {
      const auto folder = options.scratch / std::to_string(run++);
      {
        Bench bench({pipeline, disk, telemetry, folder, options.open_origin},
                    now_of(pipeline, test));
        TRY(bench.run(test, cut));
        failures[cut] = failures_of(bench, test);
      }
      TRY(os::remove_all(disk, folder));
    }
    if (failures[Cut::OneBatch] == failures[Cut::OneRecordEach]) {
      outcome.failures = failures[Cut::OneBatch];
    } else {
      for (const auto& [cut, texts] : failures) {
        for (const auto& text : texts) {
          outcome.failures.push_back(fmt::format("with {}:\n{}", name_of(cut), text));
        }
      }
    }
    if (on_outcome) on_outcome(outcome);
    outcomes.push_back(std::move(outcome));
  }
  return outcomes;
}

std::string render_outcome(const TestOutcome& outcome, bool is_coloured) {
  const bool has_passed = outcome.has_passed();
  const std::string_view word = has_passed ? "pass" : "FAIL";
  std::string text = is_coloured
                         ? fmt::format("\x1b[{}m{}\x1b[0m", has_passed ? "32" : "1;31", word)
                         : std::string(word);
  text += fmt::format("  {}\n", base::printable(outcome.name));
  for (const auto& failure : outcome.failures) {
    for (std::size_t at = 0; at < failure.size();) {
      const auto end = std::min(failure.find('\n', at), failure.size());
      text += fmt::format("      {}\n", std::string_view(failure).substr(at, end - at));
      at = end + 1;
    }
  }
  return text;
}

}  // namespace millrace::verify
