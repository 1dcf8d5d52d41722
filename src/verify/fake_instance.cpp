#include "verify/fake_instance.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace millrace::verify {
namespace {

using Json = nlohmann::json;

// Hundredths, as the examples' fraud_rules.csv says.
const std::map<std::string, std::int64_t> kLimits{
    {"USD", 100'000},    {"EUR", 92'050},  {"GBP", 79'000}, {"CHF", 88'025},
    {"JPY", 15'000'000}, {"PLN", 400'000}, {"AUD", 149'999}};
constexpr std::int64_t kLimitDefault = 100'000;

std::string amount(std::int64_t cents) {
  return fmt::format("{}.{:02}", cents / 100, cents % 100);
}

http::Response ndjson(std::string body) {
  return {.status = 200,
          .headers = {{"Content-Type", "application/x-ndjson"}},
          .body = std::move(body)};
}

}  // namespace

FakeInstance::FakeInstance(Faults faults)
    : faults_(faults), zone_(config::TimeZone::find("Europe/Berlin").value()) {
  add_routes();
  http::ServerOptions options;
  options.port = 0;
  server_ =
      http::Server::start(options, [this](auto exchange) { router_.handle(std::move(exchange)); },
                          clock_, {log_, metrics_})
          .value();
}

FakeInstance::~FakeInstance() {
  server_->stop(http::Drain::Now);
}

void FakeInstance::add_routes() {
  router_.add("GET", "/v1/streams", [this](const auto& exchange) {
    std::lock_guard lock(mutex_);
    exchange->answer(http::json(
        200,
        fmt::format(
            R"({{"streams":[{{"name":"orders","shards":[{{"shard":0,"oldest":0,"end":{}}}]}}]}})",
            record_count_)));
  });
  router_.add("POST", "/v1/streams/{stream}/records",
              [this](const auto& exchange) { ingest(*exchange); });
  router_.add("POST", "/v1/query", [this](const auto& exchange) {
    const auto body = Json::parse(exchange->request().body);
    std::lock_guard lock(mutex_);
    exchange->answer(ndjson(answer(body["sql"])));
  });
  router_.add("POST", "/v1/jobs/{job}/runs", [this](const auto& exchange) { run_job(*exchange); });
  router_.add("GET", "/v1/reports/{report}", [this](const auto& exchange) {
    std::lock_guard lock(mutex_);
    exchange->answer(ndjson(report_answer()));
  });
}

void FakeInstance::ingest(http::Exchange& exchange) {
  const std::string& body = exchange.request().body;
  std::lock_guard lock(mutex_);
  const std::size_t first = record_count_;
  for (std::size_t at = 0; at < body.size(); ++record_count_) {
    const auto end = std::min(body.find('\n', at), body.size());
    take(body.substr(at, end - at));
    at = end + 1;
  }
  exchange.answer(http::json(
      200, fmt::format(R"({{"records":{},"shards":[{{"shard":0,"first":{},"end":{}}}]}})",
                       record_count_ - first, first, record_count_)));
}

std::string FakeInstance::reject_stage(const Json& order) const {
  if (order.is_discarded() || !order.is_object() || !order["amount"].is_number()) return "decode";
  const bool is_good = order.value("order_id", Json()).is_string() && order["order_id"] != "" &&
                       order.contains("ts") && order["amount"] > 0;
  if (!is_good) return "expect";
  const std::string key = order["order_id"];
  const auto same = std::ranges::find(rows_, key, &Row::order_id);
  return same == rows_.end() ? "" : "unique";
}

void FakeInstance::take(const std::string& line) {
  auto order = Json::parse(line, nullptr, false);
  const std::string stage = reject_stage(order);
  if (!stage.empty()) {
    if (std::exchange(faults_.forgets_a_reject, false)) return;
    ++rejects_[stage];
    return;
  }
  const auto cents = static_cast<std::int64_t>(std::llround(order["amount"].get<double>() * 100));
  const auto limit = kLimits.find(order["currency"]);
  const std::int64_t above = limit == kLimits.end() ? kLimitDefault : limit->second;
  const auto time = base::parse_time(order["ts"].get<std::string>()).value();
  const Row row{order["order_id"], order["customer_id"], config::format_day(zone_.day_of(time)),
                cents, faults_.flags_at_the_limit ? cents >= above : cents > above};
  if (std::exchange(faults_.loses_a_row, false)) return;
  rows_.push_back(row);
  if (std::exchange(faults_.doubles_a_row, false)) rows_.push_back(row);
}

std::string FakeInstance::answer(const std::string& sql) {
  if (sql.starts_with("SELECT CAST(count(DISTINCT order_id)")) {
    return fmt::format("{{\"n\":{}}}\n", faults_.hides_rows ? 0 : rows_.size());
  }
  if (sql.starts_with("SELECT stage")) {
    std::string out;
    for (const auto& [stage, count] : rejects_) {
      out += fmt::format("{{\"stage\":\"{}\",\"n\":{}}}\n", stage, count);
    }
    return out;
  }
  if (sql.find("FROM daily_sales") != std::string::npos) return totals_answer(true);
  if (sql.find("GROUP BY ALL") != std::string::npos) return totals_answer(false);
  return faults_.hides_rows ? "" : rows_answer(sql);
}

std::string FakeInstance::rows_answer(const std::string& sql) const {
  const bool is_markers = sql.starts_with("SELECT order_id FROM");
  std::string out;
  for (const auto& row : rows_) {
    if (is_markers && sql.find("'" + row.order_id + "'") == std::string::npos) continue;
    out += is_markers
               ? fmt::format("{{\"order_id\":\"{}\"}}\n", row.order_id)
               : fmt::format(
                     "{{\"order_id\":\"{}\",\"customer_id\":\"{}\",\"amount\":"
                     "\"{}\",\"is_fraud\":{},\"day\":\"{}\"}}\n",
                     row.order_id, row.customer_id, amount(row.cents), row.is_fraud, row.day);
  }
  return out;
}

std::string FakeInstance::totals_answer(bool is_of_job) const {
  std::string out;
  const auto add = [&](const std::string& customer, const std::string& day, std::size_t orders,
                       std::int64_t cents) {
    out += fmt::format("{{\"customer_id\":\"{}\",\"day\":\"{}\",\"orders\":{},\"total\":\"{}\"}}\n",
                       customer, day, orders, amount(cents));
  };
  if (is_of_job) {
    for (const auto& [group, total] : totals_)
      add(group.second, group.first, total.first, total.second);
  } else {
    for (const auto& row : rows_) add(row.customer_id, row.day, 1, row.cents);
  }
  return out;
}

void FakeInstance::run_job(http::Exchange& exchange) {
  const std::string day = Json::parse(exchange.request().body)["partition"];
  std::lock_guard lock(mutex_);
  std::erase_if(totals_, [&](const auto& one) { return one.first.first == day; });
  for (const auto& row : rows_) {
    if (row.day != day) continue;
    auto& [orders, cents] = totals_[{day, row.customer_id}];
    ++orders;
    cents += row.cents;
  }
  if (faults_.adds_a_cent_to_a_total && !totals_.empty()) ++totals_.begin()->second.second;
  exchange.answer(http::json(
      200, faults_.job_fails ? R"({"runs":[{"status":"failed","error":"reconcile: 1 is not 2"}]})"
                             : R"({"runs":[{"status":"succeeded","error":null}]})"));
}

std::string FakeInstance::report_answer() const {
  std::map<std::string, std::int64_t> by_customer;
  for (const auto& [group, total] : totals_) by_customer[group.second] += total.second;
  std::vector<std::pair<std::int64_t, std::string>> largest;
  for (const auto& [customer, cents] : by_customer) largest.emplace_back(cents, customer);
  std::ranges::sort(largest, std::greater());
  largest.resize(std::min<std::size_t>(largest.size(), faults_.report_is_wrong ? 19 : 20));
  std::string out;
  for (const auto& [cents, customer] : largest) {
    out += fmt::format("{{\"customer_id\":\"{}\",\"total\":{}}}\n", customer, amount(cents));
  }
  return out;
}

}  // namespace millrace::verify
