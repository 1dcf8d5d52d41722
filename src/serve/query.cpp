#include "serve/query.hpp"

#include <fmt/format.h>

#include <utility>

#include "base/units.hpp"
#include "serve/answer.hpp"
#include "serve/events.hpp"
#include "serve/request.hpp"

namespace millrace::serve {
namespace {

using base::Code;
using base::Error;
using base::Result;
using std::chrono::microseconds;

constexpr std::int64_t kRowsMaxMax = 1'000'000'000'000;

}  // namespace

/// One question on its way.
struct Queries::Run {
  std::shared_ptr<http::Exchange> exchange;
  Question question;
  std::shared_ptr<StopWatch> watch;
  base::SteadyTime started_at;
  Outlet out;
  AnswerEnd end;

  double seconds(const base::Clock& clock) const {
    return std::chrono::duration<double>(clock.steady_now() - started_at).count();
  }
};

Queries::Queries(const ApiParts& parts, http::Workers& workers)
    : engine_(parts.queries),
      table_status_(parts.table_status),
      options_(parts.options),
      clock_(parts.clock),
      telemetry_(parts.telemetry),
      workers_(workers) {}

void Queries::add_to(Routes& routes) {
  routes.post_handler("/v1/query", [this](const auto& exchange) {
    if (const auto checked = check_is_json(exchange->request()); !checked) {
      return exchange->answer(error_answer(415, checked.error()));
    }
    answer(exchange, question_of(exchange->request()));
  });
}

Result<Question> Queries::question_of(const http::Request& request) const {
  TRY(check_query(request, std::vector<std::string>{"format"}));
  const auto body =
      TRY(JsonBody::parse(request, {"sql", "parameters", "rows_max", "timeout", "format"}));
  Question question;
  auto sql = TRY(body.text("sql"));
  if (!sql) return Error{Code::Invalid, "the key 'sql' is missing"};
  question.sql = std::move(*sql);
  question.parameters = TRY(body.parameters("parameters"));
  if (const auto rows = TRY(body.integer("rows_max", {0, kRowsMaxMax}))) {
    question.rows_max = static_cast<std::size_t>(*rows);
  }
  const auto timeout = TRY(body.duration("timeout"));
  question.timeout = TRY(timeout_of(timeout));
  auto format = TRY(body.text("format"));
  if (!format) format = query_text(request, "format");
  question.format = TRY(answer_format(request, format));
  return question;
}

Result<microseconds> Queries::timeout_of(std::optional<microseconds> asked) const {
  if (!asked) return options_.timeout;
  if (*asked > microseconds(0) && *asked <= options_.timeout_max) return *asked;
  return Error{Code::Invalid, fmt::format("'timeout' is {}; it must be above 0 and at most {}",
                                          base::format_duration(*asked),
                                          base::format_duration(options_.timeout_max))};
}

void Queries::answer(const std::shared_ptr<http::Exchange>& exchange, Result<Question> asked) {
  if (!asked) {
    const bool is_accept = asked.error().code == Code::NotFound;
    return exchange->answer(error_answer(is_accept ? 406 : 400, asked.error()));
  }
  auto question = std::move(asked).value();
  const auto now = clock_.steady_now();
  auto watch = deadlines_.watch(std::chrono::steady_clock::now() + question.timeout);
  exchange->on_disconnect([watch] { watch->stop(StopReason::ClientIsGone); });
  const auto format = question.format;
  auto state = std::make_shared<Run>(Run{.exchange = exchange,
                                         .question = std::move(question),
                                         .watch = std::move(watch),
                                         .started_at = now,
                                         .out = Outlet(*exchange, format),
                                         .end = {}});
  if (workers_.try_run([this, state] { run(*state); })) return;
  exchange->answer(error_answer({Code::Unavailable, "too many queries wait already; try again"}));
}

Result<void> Queries::each_row(const std::string& sql, const flow::Parameters& parameters,
                               const std::function<void(const sql::Chunk&, std::size_t row)>& row) {
  auto query = TRY(engine_.prepare(sql, parameters));
  const auto watch = deadlines_.watch(std::chrono::steady_clock::now() + options_.timeout);
  watch->set_interrupt([&] { query->interrupt(); });
  const auto read = [&]() -> Result<void> {
    TRY(query->execute());
    while (const auto chunk = TRY(query->next())) {
      for (std::size_t i = 0; i < chunk->row_count(); ++i) row(*chunk, i);
    }
    return {};
  };
  auto outcome = read();
  watch->set_interrupt({});
  if (watch->reason() == StopReason::TimeIsUp && !outcome) {
    return Error{Code::Unavailable,
                 fmt::format("this took longer than {}", base::format_duration(options_.timeout))};
  }
  return outcome;
}

void Queries::run(Run& run) const {
  if (run.watch->reason() != StopReason::None) {
    return finish(run, Error{Code::Cancelled, "stopped while it waited"});
  }
  // Before the rows are chosen, so that what is said of them is never too much.
  const auto statuses = table_status_ ? table_status_() : std::vector<flow::TableStatus>();
  auto query = engine_.prepare(run.question.sql, run.question.parameters);
  if (!query) return finish(run, query.error());
  run.end.shares = shares_of(statuses, query.value()->versions());
  run.watch->set_interrupt([&] { query.value()->interrupt(); });
  const auto outcome = send(run, *query.value());
  run.watch->set_interrupt({});
  finish(run, outcome);
}

AnswerLimits Queries::limits_of(const Question& question) const {
  const bool is_json = question.format == AnswerFormat::Json;
  return {question.rows_max.value_or(is_json ? options_.rows_max : SIZE_MAX),
          is_json ? options_.answer_bytes_max : UINT64_MAX};
}

Error Queries::too_long(const Question& question) const {
  return {Code::Cancelled,
          fmt::format("the query took longer than {}; ask for less, or give a longer "
                      "'timeout' (at most {})",
                      base::format_duration(question.timeout),
                      base::format_duration(options_.timeout_max))};
}

Result<void> Queries::send(Run& run, flow::Query& query) const {
  TRY(query.execute());
  const auto writer = TRY(make_rows_writer(run.question.format, query));
  TRY(writer->begin(run.out.buffer()));
  const auto next = [&]() -> Result<std::optional<sql::Chunk>> {
    if (run.watch->reason() != StopReason::None) return Error{Code::Cancelled, "stopped"};
    return query.next();
  };
  auto& end = run.end;
  TRY(send_rows(run.out, *writer, limits_of(run.question), next, end));
  end.elapsed_ms = 1000 * run.seconds(clock_);
  end.chart = run.question.chart;
  writer->end(end, run.out.buffer());
  // Counted before the client can know that it is done.
  events::queried(telemetry_, end.is_truncated ? "truncated" : "ok", run.seconds(clock_));
  (void)run.out.finish();  // who went away that late has got nothing to be told
  return {};
}

void Queries::finish(Run& run, const Result<void>& outcome) const {
  const auto reason = run.watch->reason();
  if (outcome) return;
  Error error = outcome.error();
  int status = status_of(error.code);
  if (error.code == Code::Cancelled && reason == StopReason::TimeIsUp) {
    error = too_long(run.question);
    status = 408;
  }
  events::queried(telemetry_, status == 408 ? "timeout" : std::string(base::name_of(error.code)),
                  run.seconds(clock_));
  events::query_failed(telemetry_, error);
  // What has begun can only be broken off: the client sees that it is incomplete.
  if (!run.out.has_started()) run.exchange->answer(error_answer(status, error));
}

}  // namespace millrace::serve
