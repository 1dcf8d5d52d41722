// Sends orders by schedule and measures how long each takes until a query shows it; prints JSON:
//
//     visible_client --port 8080 --rate 1000 --seconds 30 [--records 1] [--connections 64]
//         [--only SQL]
//
// A latency counts from the moment a record was due, however late it was sent, to the arrival of
// the answer of the first query that has it. `--only` says where in the table such rows are.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <iostream>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "connection.hpp"
#include "verify/latencies.hpp"

namespace {

using namespace millrace;
using namespace std::chrono_literals;
using SteadyClock = std::chrono::steady_clock;
using Moment = SteadyClock::time_point;
using Json = nlohmann::json;

// A query that never rests would take the processor from what it measures.
constexpr auto kBetweenQueries = 5ms;

struct Wanted {
  std::uint16_t port = 8080;
  double rate = 1000;
  double seconds = 30;
  std::uint64_t records = 1;
  int connections = 64;
  std::string only = "true";
};

/// A body that was acknowledged.
struct Sent {
  Moment due;
  int shard = 0;
  std::int64_t end = 0;
  std::uint64_t count = 0;
};
/// The rows of a shard before `end` were in an answer that came at `at`.
struct Seen {
  Moment at;
  std::int64_t end = 0;
};

struct Ledger {
  std::mutex mutex;
  std::vector<Sent> sent;                 // Guarded by mutex.
  std::map<int, std::vector<Seen>> seen;  // Guarded by mutex.
  std::uint64_t failed = 0;               // Guarded by mutex.
  std::vector<double> query_ms;           // Guarded by mutex.
};

std::string body_of(const Wanted& wanted, std::uint64_t number) {
  std::string body;
  for (std::uint64_t i = 0; i < wanted.records; ++i) {
    body += fmt::format(
        "{{\"order_id\":\"ord-{:08x}-{}-605e-b519-f661b68c237f\",\"customer_id\":\"customer-{:07}"
        "\","
        "\"amount\":{}.50,\"currency\":\"EUR\",\"country\":\"DE\",\"ts\":\"2026-11-20T12:00:00."
        "123456Z\"}}\n",
        number, i, number % 1000, number % 2000 + 1);
  }
  return body;
}

void note_answer(std::string_view answer, Moment due, Ledger& ledger) {
  const auto json = Json::parse(answer);
  const std::scoped_lock lock(ledger.mutex);
  for (const auto& part : json.at("shards")) {
    const auto first = part.at("first").get<std::int64_t>(),
               end = part.at("end").get<std::int64_t>();
    ledger.sent.push_back(
        {due, part.at("shard").get<int>(), end, static_cast<std::uint64_t>(end - first)});
  }
}

void send_bodies(const Wanted& wanted, Moment start, std::atomic<std::uint64_t>& next,
                 Ledger& ledger) {
  bench::Connection line(wanted.port);
  for (;;) {
    const std::uint64_t number = next++;
    const std::chrono::duration<double> after(static_cast<double>(number * wanted.records) /
                                              wanted.rate);
    if (after.count() >= wanted.seconds) return;
    const auto due = start + std::chrono::duration_cast<SteadyClock::duration>(after);
    std::this_thread::sleep_until(due);
    const int status =
        line.post("/v1/streams/orders/records", "application/x-ndjson", body_of(wanted, number));
    if (status == 200) {
      note_answer(line.answer(), due, ledger);
      continue;
    }
    const std::scoped_lock lock(ledger.mutex);
    ++ledger.failed;
    if (status == 0) return;
  }
}

// Asks again and again how far each shard is visible.
void watch(const Wanted& wanted, const std::stop_token& stop, Ledger& ledger) {
  bench::Connection line(wanted.port);
  std::int64_t from = -1;
  while (!stop.stop_requested()) {
    const Json query{
        {"sql",
         fmt::format("SELECT _shard, max(_offset) FROM checked_orders WHERE _offset >= $from AND "
                     "{} GROUP BY _shard",
                     wanted.only)},
        {"parameters", {{"from", from}}}};
    const auto asked = SteadyClock::now();
    if (line.post("/v1/query", "application/json", query.dump()) != 200) {
      std::cerr << line.answer() << "\n";
      return;
    }
    const auto at = SteadyClock::now();
    std::int64_t least = INT64_MAX;
    const auto rows = Json::parse(line.answer()).at("rows");
    std::unique_lock lock(ledger.mutex);
    ledger.query_ms.push_back(std::chrono::duration<double, std::milli>(at - asked).count());
    for (const auto& row : rows) {
      ledger.seen[row.at(0).get<int>()].push_back({at, row.at(1).get<std::int64_t>() + 1});
    }
    for (const auto& [shard, seen] : ledger.seen) least = std::min(least, seen.back().end - 1);
    if (!ledger.seen.empty()) from = least;
    lock.unlock();
    std::this_thread::sleep_for(kBetweenQueries);
  }
}

std::uint64_t tell_latencies(Ledger& ledger, verify::Latencies& latencies) {
  std::uint64_t missing = 0;
  for (const auto& sent : ledger.sent) {
    const auto& seen = ledger.seen[sent.shard];
    const auto first = std::ranges::lower_bound(seen, sent.end, {}, &Seen::end);
    if (first == seen.end()) {
      missing += sent.count;
      continue;
    }
    latencies.add(std::chrono::duration_cast<std::chrono::microseconds>(first->at - sent.due),
                  sent.count);
  }
  return missing;
}

}  // namespace

int main(int argc, char** argv) {
  Wanted wanted;
  CLI::App program("Measures how long orders take until a query shows them.");
  program.add_option("--port", wanted.port);
  program.add_option("--rate", wanted.rate);
  program.add_option("--seconds", wanted.seconds);
  program.add_option("--records", wanted.records)->check(CLI::Range(1, 10'000));
  program.add_option("--connections", wanted.connections)->check(CLI::Range(1, 256));
  program.add_option("--only", wanted.only);
  CLI11_PARSE(program, argc, argv);

  Ledger ledger;
  {
    std::jthread watcher([&](const std::stop_token& stop) { watch(wanted, stop, ledger); });
    std::atomic<std::uint64_t> next = 0;
    const auto start = SteadyClock::now() + 100ms;
    std::vector<std::jthread> senders;
    for (int i = 0; i < wanted.connections; ++i) {
      senders.emplace_back([&] { send_bodies(wanted, start, next, ledger); });
    }
    senders.clear();
    std::this_thread::sleep_for(1s);
  }
  verify::Latencies latencies;
  const auto missing = tell_latencies(ledger, latencies);
  std::ranges::sort(ledger.query_ms);
  const auto ms = [](std::chrono::microseconds time) {
    return static_cast<double>(time.count()) / 1000;
  };
  std::cout << fmt::format(
      "{{\"records\": {}, \"failed\": {}, \"missing\": {}, \"p50_ms\": {:.2f}, \"p99_ms\": {:.2f}, "
      "\"max_ms\": {:.2f}, \"queries\": {}, \"query_p50_ms\": {:.2f}}}\n",
      latencies.count(), ledger.failed, missing, ms(latencies.quantile(0.5)),
      ms(latencies.quantile(0.99)), ms(latencies.max()), ledger.query_ms.size(),
      ledger.query_ms.empty() ? 0 : ledger.query_ms[ledger.query_ms.size() / 2]);
  return 0;
}
