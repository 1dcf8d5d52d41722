#include "serve/report_answers.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "flow/generation.hpp"
#include "serve/answer.hpp"
#include "serve/arrow_writer.hpp"
#include "serve/events.hpp"

namespace millrace::serve {

using base::Code;
using base::Error;
using base::Result;
using std::chrono::microseconds;

namespace {

// An answer of at most so many bytes of values is written by the thread that has it: as text it
// stays below a piece of an answer, so that nothing blocks.
constexpr std::uint64_t kInlineBytes = 16 << 10;
// Measured: DuckDB's vectors of a result chunk, of a column, even if it holds one row.
constexpr std::uint64_t kColumnBytes = 5'000;
// After so long, a result that was too large to keep is looked at once more.
constexpr auto kTooLargeFor = std::chrono::minutes(1);
constexpr std::size_t kWaitingMax = 1'000;

Error too_many() {
  return {Code::Unavailable, "too many queries wait already; try again"};
}

}  // namespace

/// Somebody who is to get an answer.
struct ReportAnswers::Waiter {
  std::shared_ptr<http::Exchange> exchange;
  ReportQuestion asked;
  base::SteadyTime asked_at;
  std::shared_ptr<StopWatch> watch;
  std::shared_ptr<Flight> flight = {};  ///< null: waits no more. Guarded by the mutex of all.
};

/// A computation, and who waits for it. Guarded by the mutex of all.
struct ReportAnswers::Flight {
  const std::string key;
  const batch::ReportReads& reads;
  const std::string sql;
  const flow::Parameters parameters;
  const std::shared_ptr<StopWatch> watch;  ///< stops it when nobody waits any more
  const bool is_ahead = false;             ///< it needs nobody who waits
  std::vector<std::shared_ptr<Waiter>> waiters = {};
  std::optional<base::SteadyTime> taken_at = {};  ///< none: it has not begun
  std::optional<flow::Editions> editions = {};    ///< of its cut
  bool is_computed = true;                        ///< false: nothing had changed
};

ReportAnswers::ReportAnswers(const ApiParts& parts, Queries& queries, http::Workers& workers)
    : parts_(parts),
      queries_(queries),
      workers_(workers),
      reads_(reads_of_all(parts)),
      results_(parts.options.report_bytes_max) {}

// Nobody who waits is called any more.
ReportAnswers::~ReportAnswers() {
  queries_.deadlines().stop();
}

std::map<std::string, batch::ReportReads> ReportAnswers::reads_of_all(const ApiParts& parts) {
  std::map<std::string, batch::ReportReads> all;
  auto connection = parts.queries.connect();
  const auto cut = parts.board.cut();
  for (const auto& report : parts.pipeline.reports) {
    auto reads = connection ? batch::reads_of(report, *cut, *connection)
                            : Result<batch::ReportReads>(connection.error());
    // What cannot be told may depend on anything.
    all.emplace(report.name, reads ? std::move(*reads) : batch::ReportReads{});
  }
  return all;
}

double ReportAnswers::seconds_since(base::SteadyTime time) const {
  return std::chrono::duration<double>(parts_.clock.steady_now() - time).count();
}

flow::Editions ReportAnswers::editions_of(const batch::ReportReads& reads, const flow::Cut& cut) {
  flow::Editions editions;
  for (const auto& name : reads.tables) {
    const auto table = cut.tables.find(name);
    if (table != cut.tables.end()) editions.emplace(name, table->second.edition);
  }
  return editions;
}

void ReportAnswers::answer(const std::shared_ptr<http::Exchange>& exchange, ReportQuestion asked) {
  const auto& reads = reads_.at(asked.report->name);
  const bool may_be_old = asked.report->max_age > microseconds(0);
  if (parts_.options.report_bytes_max == 0 || (!reads.is_steady && !may_be_old)) {
    return queries_.answer(exchange, std::move(asked.question));
  }
  const auto now = editions_of(reads, *parts_.board.cut());
  const auto waiter = waiter_of(exchange, std::move(asked));
  std::shared_ptr<const ReportResult> known;
  std::shared_ptr<Flight> to_start;
  bool is_refused = false;
  {
    const std::lock_guard lock(mutex_);
    known = find(waiter->asked, now);
    if (known) to_start = renewal_of(*known, waiter->asked, now);
    if (!known && waiting_ < kWaitingMax) {
      const auto flight = flight_for(waiter->asked, now);
      if (flight->waiters.empty() && !flight->is_ahead) to_start = flight;
      flight->waiters.push_back(waiter);
      waiter->flight = flight;
      ++waiting_;
    }
    is_refused = !known && !waiter->flight;
  }
  if (is_refused) return fail(*waiter, too_many());
  if (known) deliver(waiter, known, "memory");
  if (to_start && !workers_.try_run([this, to_start] { run(to_start); })) {
    end(*to_start, too_many());
  }
}

std::shared_ptr<ReportAnswers::Waiter> ReportAnswers::waiter_of(
    const std::shared_ptr<http::Exchange>& exchange, ReportQuestion asked) {
  auto watch =
      queries_.deadlines().watch(std::chrono::steady_clock::now() + asked.question.timeout);
  auto waiter = std::make_shared<Waiter>(
      Waiter{exchange, std::move(asked), parts_.clock.steady_now(), std::move(watch)});
  // Called again and again: it may be stopped before it waits.
  waiter->watch->set_interrupt([this, weak = std::weak_ptr(waiter)] {
    if (const auto alive = weak.lock()) leave(*alive);
  });
  exchange->on_disconnect([watch = waiter->watch] { watch->stop(StopReason::ClientIsGone); });
  return waiter;
}

bool ReportAnswers::may_be_given(const ReportQuestion& asked, const flow::Editions& of,
                                 base::SteadyTime taken_at, const flow::Editions& now) const {
  if (reads_.at(asked.report->name).is_steady && of == now) return true;
  return parts_.clock.steady_now() - taken_at < asked.report->max_age;
}

std::shared_ptr<const ReportResult> ReportAnswers::find(const ReportQuestion& asked,
                                                        const flow::Editions& now) {
  auto result = results_.find(asked.key);
  if (!result) return nullptr;
  const bool is_good = result->is_too_large
                           ? parts_.clock.steady_now() - result->taken_at < kTooLargeFor
                           : may_be_given(asked, result->editions, result->taken_at, now);
  return is_good ? result : nullptr;
}

// What is known may still be given, but not for long, and something has come since: it is computed
// anew in time, or each time that it becomes too old somebody would have to wait.
std::shared_ptr<ReportAnswers::Flight> ReportAnswers::renewal_of(const ReportResult& known,
                                                                 const ReportQuestion& asked,
                                                                 const flow::Editions& now) {
  const base::SteadyTime::duration max_age = asked.report->max_age;
  const bool is_as_it_was = reads_.at(asked.report->name).is_steady && known.editions == now;
  const auto lead = std::clamp(2 * known.took, max_age / 10, max_age / 2);
  const bool is_soon_old = parts_.clock.steady_now() - known.taken_at >= max_age - lead;
  if (is_as_it_was || !is_soon_old || known.is_too_large) return nullptr;
  if (known.is_renewed || !is_renewing_) return nullptr;
  known.is_renewed = true;
  const auto until = std::chrono::steady_clock::now() + asked.question.timeout;
  auto flight = flight_of(asked, until, true);
  flights_[asked.key].push_back(flight);
  return flight;
}

void ReportAnswers::stop_renewing() {
  std::vector<std::shared_ptr<Flight>> flights;
  {
    const std::lock_guard lock(mutex_);
    is_renewing_ = false;
    for (const auto& [key, all] : flights_) {
      std::ranges::copy_if(all, std::back_inserter(flights), [](const auto& flight) {
        return flight->is_ahead && flight->waiters.empty();
      });
    }
  }
  for (const auto& flight : flights) flight->watch->stop(StopReason::ClientIsGone);
}

// One that has not taken its cut yet, or whose answer may be given though it has; else a new one.
std::shared_ptr<ReportAnswers::Flight> ReportAnswers::flight_for(const ReportQuestion& asked,
                                                                 const flow::Editions& now) {
  auto& flights = flights_[asked.key];
  for (const auto& flight : flights) {
    if (flight->waiters.empty() && !flight->is_ahead) continue;  // it is being stopped
    if (!flight->taken_at) return flight;
    const auto editions = flight->editions.value_or(flow::Editions());
    if (may_be_given(asked, editions, *flight->taken_at, now)) return flight;
  }
  flights.push_back(flight_of(asked, base::SteadyTime::max(), false));
  return flights.back();
}

std::shared_ptr<ReportAnswers::Flight> ReportAnswers::flight_of(const ReportQuestion& asked,
                                                                base::SteadyTime until,
                                                                bool is_ahead) const {
  return std::make_shared<Flight>(Flight{asked.key, reads_.at(asked.report->name),
                                         asked.question.sql, asked.question.parameters,
                                         queries_.deadlines().watch(until), is_ahead});
}

void ReportAnswers::forget(const Flight& flight) {
  const auto found = flights_.find(flight.key);
  if (found == flights_.end()) return;
  std::erase_if(found->second, [&](const auto& one) { return one.get() == &flight; });
  if (found->second.empty()) flights_.erase(found);
}

// A waiter's time is up, or its client is gone.
void ReportAnswers::leave(Waiter& waiter) {
  std::shared_ptr<Flight> flight;
  bool is_last = false;
  {
    const std::lock_guard lock(mutex_);
    flight = std::exchange(waiter.flight, nullptr);
    if (!flight) return;
    std::erase_if(flight->waiters, [&](const auto& one) { return one.get() == &waiter; });
    --waiting_;
    is_last = flight->waiters.empty() && !flight->is_ahead;
    if (is_last) forget(*flight);
  }
  if (is_last) flight->watch->stop(StopReason::ClientIsGone);
  if (std::chrono::steady_clock::now() < waiter.watch->deadline()) return;
  fail(waiter, {Code::Cancelled, "stopped"});
}

void ReportAnswers::run(const std::shared_ptr<Flight>& flight) {
  {
    const std::lock_guard lock(mutex_);
    if (flight->waiters.empty() && !flight->is_ahead) return;
    flight->taken_at = parts_.clock.steady_now();
  }
  end(*flight, compute(*flight));
}

// What is known, for the rows of a later cut, if the partitions that the report reads are as they
// were.
std::shared_ptr<const ReportResult> ReportAnswers::unchanged(const Flight& flight,
                                                             const flow::Seen& seen) {
  const std::lock_guard lock(mutex_);
  const auto known = results_.find(flight.key);
  if (!known || known->is_too_large || known->mark != seen.mark) return nullptr;
  auto result = known->again();
  result->versions = {{seen.table, seen.cut->tables.find(seen.table)->second.snapshot->version}};
  result->editions = editions_of(flight.reads, *seen.cut);
  result->taken_at = *flight.taken_at;
  return result;
}

ReportAnswers::Outcome ReportAnswers::compute(Flight& flight) {
  std::optional<flow::Seen> seen;
  if (flight.reads.slice) {
    auto look = parts_.queries.look(*flight.reads.slice, flight.parameters, parts_.board.cut());
    if (look) seen = std::move(*look);
  }
  if (auto known = seen ? unchanged(flight, *seen) : nullptr) {
    flight.is_computed = false;
    return known;
  }
  auto query = TRY(parts_.queries.prepare(flight.sql, flight.parameters, seen ? &*seen : nullptr));
  auto result = std::make_shared<ReportResult>();
  result->editions = query->editions();
  result->versions = query->versions();
  if (seen) result->mark = seen->mark;
  {
    const std::lock_guard lock(mutex_);
    flight.editions = query->editions();
    result->taken_at = *flight.taken_at;
  }
  flight.watch->set_interrupt([&] { query->interrupt(); });
  const auto read = [&]() -> Result<void> {
    TRY(query->execute());
    result->columns = query->columns();
    while (auto chunk = TRY(query->next())) {
      result->value_bytes += flow::bytes_of(*chunk, result->columns);
      result->chunks.push_back(std::move(*chunk));
      result->bytes =
          result->value_bytes + kColumnBytes * result->columns.size() * result->chunks.size();
      result->is_too_large = result->bytes > results_.result_bytes_max();
      if (result->is_too_large) break;
    }
    return {};
  };
  auto done = read();
  flight.watch->set_interrupt({});
  TRY(std::move(done));
  result->took = parts_.clock.steady_now() - result->taken_at;
  if (result->is_too_large) {
    result->chunks.clear();
    result->bytes = 0;
  }
  return std::shared_ptr<const ReportResult>(std::move(result));
}

// Tells all who waited.
void ReportAnswers::end(Flight& flight, const Outcome& outcome) {
  std::vector<std::shared_ptr<Waiter>> waiters;
  {
    const std::lock_guard lock(mutex_);
    waiters.swap(flight.waiters);
    for (const auto& waiter : waiters) waiter->flight = nullptr;
    waiting_ -= waiters.size();
    if (outcome) results_.put(flight.key, *outcome);
    forget(flight);
  }
  const char* how = flight.is_computed ? "computed" : "memory";
  for (const auto& waiter : waiters) {
    if (outcome) {
      deliver(waiter, *outcome, std::exchange(how, flight.is_computed ? "shared" : "memory"));
    } else {
      fail(*waiter, outcome.error());
    }
  }
}

void ReportAnswers::deliver(const std::shared_ptr<Waiter>& waiter,
                            const std::shared_ptr<const ReportResult>& result, const char* how) {
  waiter->watch->set_interrupt({});
  if (result->is_too_large) {
    return queries_.answer(waiter->exchange, waiter->asked.question);
  }
  events::report_answered(parts_.telemetry, how);
  const bool is_arrow = waiter->asked.question.format == AnswerFormat::Arrow;
  if (!is_arrow && result->value_bytes <= kInlineBytes) return write(*waiter, *result);
  if (workers_.try_run([this, waiter, result] { write(*waiter, *result); })) return;
  fail(*waiter, too_many());
}

void ReportAnswers::write(const Waiter& waiter, const ReportResult& result) const {
  Outlet out(*waiter.exchange, waiter.asked.question.format);
  if (waiter.asked.report->max_age > microseconds(0)) {
    const auto& reads = reads_.at(waiter.asked.report->name);
    const bool is_new =
        reads.is_steady && result.editions == editions_of(reads, *parts_.board.cut());
    const auto age = is_new ? 0 : static_cast<std::int64_t>(seconds_since(result.taken_at));
    out.add_header("Age", std::to_string(age));
  }
  const auto sent = send(waiter, result, out);
  if (!sent) fail(waiter, sent.error(), out.has_started());
}

Result<void> ReportAnswers::send(const Waiter& waiter, const ReportResult& result,
                                 Outlet& out) const {
  const auto& question = waiter.asked.question;
  std::optional<sql::Connection> connection;  // says how values become Arrow
  std::unique_ptr<RowsWriter> writer;
  if (question.format == AnswerFormat::Arrow) {
    connection.emplace(TRY(parts_.queries.connect()));
    writer = TRY(make_arrow_writer(sql::ArrowOptions(*connection), result.columns));
  } else {
    writer = TRY(make_text_writer(question.format, result.columns, result.versions));
  }
  TRY(writer->begin(out.buffer()));
  std::size_t at = 0;
  const auto next = [&]() -> Result<std::optional<sql::Chunk>> {
    if (waiter.watch->reason() != StopReason::None) return Error{Code::Cancelled, "stopped"};
    if (at == result.chunks.size()) return std::optional<sql::Chunk>();
    return std::optional(result.view(at++));
  };
  AnswerEnd end;
  TRY(send_rows(out, *writer, queries_.limits_of(question), next, end));
  const double seconds = seconds_since(waiter.asked_at);
  end.elapsed_ms = 1000 * seconds;
  end.chart = question.chart;
  writer->end(end, out.buffer());
  // Counted before the client can know that it is done.
  events::queried(parts_.telemetry, end.is_truncated ? "truncated" : "ok", seconds);
  (void)out.finish();  // who went away that late has got nothing to be told
  return {};
}

void ReportAnswers::fail(const Waiter& waiter, Error error, bool has_started) const {
  int status = status_of(error.code);
  if (error.code == Code::Cancelled &&
      std::chrono::steady_clock::now() >= waiter.watch->deadline()) {
    error = queries_.too_long(waiter.asked.question);
    status = 408;
  }
  events::queried(parts_.telemetry,
                  status == 408 ? "timeout" : std::string(base::name_of(error.code)),
                  seconds_since(waiter.asked_at));
  events::query_failed(parts_.telemetry, error);
  // What has begun can only be broken off: the client sees that it is incomplete.
  if (!has_started) waiter.exchange->answer(error_answer(status, error));
}

}  // namespace millrace::serve
