// Sends orders over HTTP from several connections and prints what came of it, as JSON:
//
//     load_client --port 8080 --connections 4 --records 1000 --seconds 30 [--rate
//     RECORDS_PER_SECOND]
//
// Bodies are made beforehand, so that the client costs little; each time one is sent its order ids
// get a new number. Counts only what was acknowledged, and knows how many rows that has to give.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <iostream>
#include <mutex>
#include <thread>

#include "connection.hpp"
#include "verify/generator.hpp"
#include "verify/latencies.hpp"

namespace {

using namespace millrace;
using namespace std::chrono_literals;
using SteadyClock = std::chrono::steady_clock;

struct Wanted {
  std::uint16_t port = 8080;
  std::string stream = "orders";
  int connections = 4;
  std::uint64_t records = 1000;
  double seconds = 30;
  double rate = 0;  // records a second in all; 0: as fast as they are taken
  std::uint64_t customers = 100'000;
  std::uint64_t bodies = 64;  // made for each connection
};

struct Body {
  std::string text;
  std::vector<std::size_t> id_places;  // where each order id's number starts
  std::uint64_t rows = 0;              // how many of its records are good
};

struct Outcome {
  std::uint64_t records = 0;
  std::uint64_t rows = 0;
  std::uint64_t slowed_down = 0;
  std::uint64_t failed = 0;
};

constexpr std::string_view kIdMark = "\"ord-";
constexpr std::size_t kIdDigits = 8;

std::vector<Body> make_bodies(const Wanted& wanted, int connection) {
  verify::GeneratorOptions options;
  options.start = base::parse_time("2026-11-20T00:00:00Z").value();
  options.records_per_second = 10'000;
  options.shares = {.invalid = 0.01, .late = 0, .duplicate = 0};
  options.owners = wanted.customers;
  auto orders = verify::Generator::make(options).value();
  std::vector<Body> bodies(wanted.bodies);
  std::uint64_t index = static_cast<std::uint64_t>(connection) * wanted.bodies * wanted.records;
  verify::Label label;
  for (auto& body : bodies) {
    for (std::uint64_t i = 0; i < wanted.records; ++i) {
      orders.write(index++, label, body.text);
      body.text += '\n';
      body.rows += label.is_row() ? 1 : 0;
    }
    for (std::size_t at = body.text.find(kIdMark); at != std::string::npos;
         at = body.text.find(kIdMark, at + 1)) {
      body.id_places.push_back(at + kIdMark.size());
    }
  }
  return bodies;
}

void number_ids(Body& body, std::uint64_t number) {
  char digits[kIdDigits + 1];
  std::snprintf(digits, sizeof digits, "%08x", static_cast<unsigned>(number));
  for (const auto at : body.id_places) body.text.replace(at, kIdDigits, digits, kIdDigits);
}

/// Sends on one connection until the time is over, by schedule if a rate is asked for.
Outcome send_bodies(const Wanted& wanted, int connection, SteadyClock::time_point start,
                    verify::Latencies& answers) {
  auto bodies = make_bodies(wanted, connection);
  std::this_thread::sleep_until(start);
  bench::Connection line(wanted.port);
  const auto target = fmt::format("/v1/streams/{}/records", wanted.stream);
  Outcome outcome;
  const auto end = start + std::chrono::duration_cast<SteadyClock::duration>(
                               std::chrono::duration<double>(wanted.seconds));
  for (std::uint64_t sent = 0;; ++sent) {
    auto due = SteadyClock::now();
    if (wanted.rate > 0) {
      const double turn = static_cast<double>(sent) * wanted.connections + connection;
      due = start + std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double>(
                        turn * static_cast<double>(wanted.records) / wanted.rate));
    }
    if (due >= end) break;
    std::this_thread::sleep_until(due);
    Body& body = bodies[sent % bodies.size()];
    number_ids(body, sent * static_cast<std::uint64_t>(wanted.connections) +
                         static_cast<std::uint64_t>(connection));
    const int status = line.post(target, "application/x-ndjson", body.text);
    answers.add(std::chrono::duration_cast<std::chrono::microseconds>(SteadyClock::now() - due));
    if (status == 200) {
      outcome.records += wanted.records;
      outcome.rows += body.rows;
    } else if (status == 429 || status == 503) {
      ++outcome.slowed_down;
      std::this_thread::sleep_for(20ms);
    } else {
      ++outcome.failed;
      break;
    }
  }
  return outcome;
}

}  // namespace

int main(int argc, char** argv) {
  Wanted wanted;
  CLI::App program("Sends orders over HTTP for measurements.");
  program.add_option("--port", wanted.port);
  program.add_option("--stream", wanted.stream);
  program.add_option("--connections", wanted.connections)->check(CLI::Range(1, 256));
  program.add_option("--records", wanted.records)->check(CLI::Range(1, 100'000));
  program.add_option("--seconds", wanted.seconds);
  program.add_option("--rate", wanted.rate);
  program.add_option("--customers", wanted.customers);
  program.add_option("--bodies", wanted.bodies)->check(CLI::Range(1, 100'000));
  CLI11_PARSE(program, argc, argv);

  Outcome total;
  verify::Latencies answers;
  std::mutex mutex;
  std::vector<std::jthread> threads;
  const auto start = SteadyClock::now() + 1500ms;  // bodies are made until then
  for (int i = 0; i < wanted.connections; ++i) {
    threads.emplace_back([&, i] {
      verify::Latencies own;
      const auto outcome = send_bodies(wanted, i, start, own);
      const std::scoped_lock lock(mutex);
      answers.merge(own);
      total.records += outcome.records;
      total.rows += outcome.rows;
      total.slowed_down += outcome.slowed_down;
      total.failed += outcome.failed;
    });
  }
  threads.clear();
  const std::chrono::duration<double> took = SteadyClock::now() - start;
  std::cout << fmt::format(
      "{{\"records\": {}, \"rows\": {}, \"slowed_down\": {}, \"failed\": {}, \"seconds\": {:.3f}, "
      "\"answer_p50_ms\": {:.3f}, \"answer_p99_ms\": {:.3f}}}\n",
      total.records, total.rows, total.slowed_down, total.failed, took.count(),
      std::chrono::duration<double, std::milli>(answers.quantile(0.5)).count(),
      std::chrono::duration<double, std::milli>(answers.quantile(0.99)).count());
  return total.failed == 0 ? 0 : 1;
}
