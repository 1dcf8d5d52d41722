// Puts orders with Kinesis' PutRecords (PutRecord if bodies hold one record) from several
// connections and prints what came of it, as JSON:
//
//     kinesis_client --port 8080 --connections 4 --records 500 --seconds 10 [--encoding cbor]
//                    [--rate RECORDS_PER_SECOND] [--requests N] [--dump FILE]
//
// Bodies are made beforehand, so that the client costs little. `--requests` sends that many in all
// and no more; `--dump` writes the records of all bodies, a line each, before they are sent.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <fstream>
#include <iostream>
#include <mutex>
#include <thread>

#include "connection.hpp"
#include "kinesis/document_writer.hpp"
#include "verify/generator.hpp"
#include "verify/latencies.hpp"

namespace {

using namespace millrace;
using namespace std::chrono_literals;
using namespace std::string_view_literals;
using SteadyClock = std::chrono::steady_clock;

// Stand-ins for Kinesis want to see a signature, even where they do not check it.
constexpr std::string_view kHeaders =
    "X-Amz-Date: 20260131T120000Z\r\n"
    "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE12345/20260131/us-east-1/kinesis/"
    "aws4_request, SignedHeaders=host;x-amz-date, "
    "Signature=0000000000000000000000000000000000000000000000000000000000000000\r\n";
constexpr std::string_view kNoFailure = "\"FailedRecordCount\":0";
constexpr std::string_view kNoFailureCbor =
    "\x71"
    "FailedRecordCount\0"sv;

struct Wanted {
  std::uint16_t port = 8080;
  std::string stream = "orders";
  std::string encoding = "json";
  int connections = 4;
  std::uint64_t records = 500;
  double seconds = 10;
  double rate = 0;             // records a second in all; 0: as fast as they are taken
  std::uint64_t requests = 0;  // in all; 0: until the time is over
  std::uint64_t bodies = 32;   // made for each connection
  std::string dump;

  bool is_cbor() const { return encoding == "cbor"; }
  bool is_single() const { return records == 1; }
};

struct Outcome {
  std::uint64_t records = 0;
  std::uint64_t refused = 0;  // requests of which something failed
};

verify::Generator generator() {
  verify::GeneratorOptions options;
  options.start = base::parse_time("2026-11-20T00:00:00Z").value();
  options.records_per_second = 10'000;
  options.shares = {.invalid = 0, .late = 0, .duplicate = 0};
  options.owners = 100'000;
  return verify::Generator::make(options).value();
}

/// The bodies of one connection; their records also go to `dump`.
std::vector<std::string> make_bodies(const Wanted& wanted, int connection, std::ostream* dump) {
  auto orders = generator();
  std::vector<std::string> bodies;
  std::uint64_t index = static_cast<std::uint64_t>(connection) * wanted.bodies * wanted.records;
  verify::Label label;
  std::string record;
  for (std::uint64_t b = 0; b < wanted.bodies; ++b) {
    kinesis::DocumentWriter out(wanted.is_cbor() ? kinesis::Encoding::Cbor
                                                 : kinesis::Encoding::Json);
    out.begin_object();
    out.text("StreamName", wanted.stream);
    if (!wanted.is_single()) out.begin_list("Records");
    for (std::uint64_t i = 0; i < wanted.records; ++i, ++index) {
      record.clear();
      orders.write(index, label, record);
      if (dump != nullptr) *dump << record << '\n';
      if (!wanted.is_single()) out.begin_object();
      out.key("Data");
      out.blob(record);
      out.text("PartitionKey", fmt::format("customer {}", index % 10'007));
      if (!wanted.is_single()) out.end_object();
    }
    if (!wanted.is_single()) out.end_list();
    out.end_object();
    bodies.push_back(out.take());
  }
  return bodies;
}

bool is_done(const Wanted& wanted, int status, std::string_view answer) {
  if (status != 200) return false;
  if (wanted.is_single()) return true;
  return answer.find(wanted.is_cbor() ? kNoFailureCbor : kNoFailure) != std::string_view::npos;
}

/// Sends on one connection until the time is over, by schedule if a rate is asked for.
Outcome send_bodies(const Wanted& wanted, int connection, const std::vector<std::string>& bodies,
                    SteadyClock::time_point start, verify::Latencies& answers) {
  std::this_thread::sleep_until(start);
  bench::Connection line(wanted.port);
  const std::string headers = fmt::format("{}X-Amz-Target: Kinesis_20131202.{}\r\n", kHeaders,
                                          wanted.is_single() ? "PutRecord" : "PutRecords");
  const auto type = wanted.is_cbor() ? "application/x-amz-cbor-1.1" : "application/x-amz-json-1.1";
  Outcome outcome;
  const auto end = start + std::chrono::duration_cast<SteadyClock::duration>(
                               std::chrono::duration<double>(wanted.seconds));
  for (std::uint64_t sent = 0;; ++sent) {
    const double turn = static_cast<double>(sent) * wanted.connections + connection;
    if (wanted.requests > 0 && turn >= static_cast<double>(wanted.requests)) break;
    auto due = SteadyClock::now();
    if (wanted.rate > 0) {
      due = start + std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double>(
                        turn * static_cast<double>(wanted.records) / wanted.rate));
    }
    if (wanted.requests == 0 && due >= end) break;
    std::this_thread::sleep_until(due);
    const int status = line.post("/", type, bodies[sent % bodies.size()], headers);
    answers.add(std::chrono::duration_cast<std::chrono::microseconds>(SteadyClock::now() - due));
    if (is_done(wanted, status, line.answer())) {
      outcome.records += wanted.records;
    } else if (++outcome.refused > 100 || status == 0) {
      break;
    } else {
      std::this_thread::sleep_for(20ms);
    }
  }
  return outcome;
}

}  // namespace

int main(int argc, char** argv) {
  Wanted wanted;
  CLI::App program("Puts orders by Kinesis' API for measurements.");
  program.add_option("--port", wanted.port);
  program.add_option("--stream", wanted.stream);
  program.add_option("--encoding", wanted.encoding)->check(CLI::IsMember({"json", "cbor"}));
  program.add_option("--connections", wanted.connections)->check(CLI::Range(1, 256));
  program.add_option("--records", wanted.records)->check(CLI::Range(1, 500));
  program.add_option("--seconds", wanted.seconds);
  program.add_option("--rate", wanted.rate);
  program.add_option("--requests", wanted.requests);
  program.add_option("--bodies", wanted.bodies)->check(CLI::Range(1, 100'000));
  program.add_option("--dump", wanted.dump);
  CLI11_PARSE(program, argc, argv);

  std::ofstream dump(wanted.dump);
  std::vector<std::vector<std::string>> bodies;
  for (int i = 0; i < wanted.connections; ++i) {
    bodies.push_back(make_bodies(wanted, i, wanted.dump.empty() ? nullptr : &dump));
  }
  dump.close();
  Outcome total;
  verify::Latencies answers;
  std::mutex mutex;
  std::vector<std::jthread> threads;
  const auto start = SteadyClock::now() + 100ms;
  for (int i = 0; i < wanted.connections; ++i) {
    threads.emplace_back([&, i] {
      verify::Latencies own;
      const auto outcome = send_bodies(wanted, i, bodies[static_cast<std::size_t>(i)], start, own);
      const std::scoped_lock lock(mutex);
      answers.merge(own);
      total.records += outcome.records;
      total.refused += outcome.refused;
    });
  }
  threads.clear();
  const std::chrono::duration<double> took = SteadyClock::now() - start;
  std::cout << fmt::format(
      "{{\"records\": {}, \"refused\": {}, \"seconds\": {:.3f}, \"answer_p50_ms\": {:.3f}, "
      "\"answer_p99_ms\": {:.3f}}}\n",
      total.records, total.refused, took.count(),
      std::chrono::duration<double, std::milli>(answers.quantile(0.5)).count(),
      std::chrono::duration<double, std::milli>(answers.quantile(0.99)).count());
  return 0;
}
