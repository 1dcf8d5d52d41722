#include "serve/api.hpp"

#include <utility>

#include "serve/alerts.hpp"
#include "serve/ingest.hpp"
#include "serve/jobs.hpp"
#include "serve/maintenance.hpp"
#include "serve/operations.hpp"
#include "serve/proofs.hpp"
#include "serve/query.hpp"
#include "serve/rejects.hpp"
#include "serve/report_answers.hpp"
#include "serve/reports.hpp"
#include "serve/tables.hpp"
#include "serve/tail.hpp"

namespace millrace::serve {

struct Api::State {
  explicit State(ApiParts given)
      : parts(std::move(given)),
        queries(parts, query_workers),
        ingest(parts, quick_workers),
        tables(parts),
        tails(parts, tail_workers),
        jobs(parts),
        maintenance(parts),
        proofs(parts),
        rejects(parts, queries),
        alerts(parts, queries),
        report_answers(parts, queries, query_workers),
        reports(parts, queries, report_answers),
        operations(parts) {
    const Pools pools{quick_workers, query_workers, operation_workers};
    ingest.add_to(routes);
    queries.add_to(routes);
    tables.add_to(routes, pools);
    tails.add_to(routes);
    jobs.add_to(routes, pools);
    maintenance.add_to(routes, pools);
    proofs.add_to(routes, pools);
    rejects.add_to(routes, pools);
    alerts.add_to(routes, pools);
    reports.add_to(routes, pools);
    operations.add_to(routes, pools);
    routes.post_handler("/", parts.kinesis);
  }

  const ApiParts parts;
  http::Router router;
  Routes routes{router};
  http::Workers quick_workers{{.threads = parts.options.quick_threads}};
  http::Workers query_workers{
      {.threads = parts.options.query_threads, .queue_max = parts.options.query_queue_max}};
  http::Workers operation_workers{{.threads = parts.options.operation_threads, .queue_max = 32}};
  http::Workers tail_workers{
      {.threads = parts.options.tails_max, .queue_max = parts.options.tails_max}};
  Queries queries;
  Ingest ingest;
  Tables tables;
  Tails tails;
  Jobs jobs;
  Maintenance maintenance;
  Proofs proofs;
  Rejects rejects;
  Alerts alerts;
  ReportAnswers report_answers;
  Reports reports;
  Operations operations;
};

Api::Api(ApiParts parts) : state_(std::make_unique<State>(std::move(parts))) {}

// What the workers still run uses the rest: they end first.
Api::~Api() {
  state_->tails.end();
  state_->report_answers.stop_renewing();
  state_->tail_workers.stop();
  state_->operation_workers.stop();
  state_->query_workers.stop();
  state_->quick_workers.stop();
}

void Api::end_tails() {
  state_->tails.end();
}

const http::Router& Api::router() const {
  return state_->router;
}

const std::vector<Route>& Api::routes() const {
  return state_->routes.all();
}

}  // namespace millrace::serve
