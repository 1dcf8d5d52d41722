#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "serve/api.hpp"
#include "serve/deadlines.hpp"
#include "serve/outlet.hpp"
#include "serve/routes.hpp"
#include "serve/rows_writer.hpp"

namespace millrace::serve {

/// One SELECT and how its rows shall be answered.
struct Question {
  std::string sql;
  flow::Parameters parameters;
  AnswerFormat format = AnswerFormat::Json;
  std::optional<std::size_t> rows_max;  ///< none: the format's own
  std::chrono::microseconds timeout{0};
  std::optional<config::Chart> chart;
};

/// Answers users' SQL: `POST /v1/query`, and whatever else is a query in the end. Rows are sent as
/// they are computed; memory does not grow with the answer.
/// Threads: safe from any.
class Queries {
 public:
  Queries(const ApiParts& parts, http::Workers& workers);
  void add_to(Routes& routes);

  /// Answers the exchange, now or later. Stops when the time is up or the client goes away. What is
  /// wrong with the question is answered with 400, or 406 if it is NotFound (see `answer_format`).
  void answer(const std::shared_ptr<http::Exchange>& exchange, base::Result<Question> asked);

  /// Calls `row` for each row of a query of our own, within the usual time.
  base::Result<void> each_row(const std::string& sql, const flow::Parameters& parameters,
                              const std::function<void(const sql::Chunk&, std::size_t row)>& row);

  /// `asked`, or the default.
  /// Errors  Invalid: longer than allowed, or 0.
  base::Result<std::chrono::microseconds> timeout_of(
      std::optional<std::chrono::microseconds> asked) const;
  AnswerLimits limits_of(const Question& question) const;
  /// What is said, with 408, when the question's time is up.
  base::Error too_long(const Question& question) const;
  Deadlines& deadlines() { return deadlines_; }

 private:
  struct Run;

  base::Result<Question> question_of(const http::Request& request) const;
  void run(Run& run) const;
  base::Result<void> send(Run& run, flow::Query& query) const;
  void finish(Run& run, const base::Result<void>& outcome) const;

  flow::QueryEngine& engine_;
  const std::function<std::vector<flow::TableStatus>()>& table_status_;
  const ApiOptions& options_;
  const base::Clock& clock_;
  base::Telemetry telemetry_;
  http::Workers& workers_;
  Deadlines deadlines_;
};

}  // namespace millrace::serve
