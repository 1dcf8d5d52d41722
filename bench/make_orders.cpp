// Writes labelled orders as fast as it can, and on standard output what is true of them, as JSON:
//
//     make_orders --count 2000000 --days 7 --customers 100000 --out DIR
//
// makes DIR/orders.ndjson, DIR/customers.csv and DIR/fraud_rules.csv.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "verify/generator.hpp"

namespace {

using namespace millrace;

struct Wanted {
  std::uint64_t count = 2'000'000;
  double days = 7;
  std::uint64_t customers = 100'000;
  double invalid = 0.01;
  std::uint64_t files = 1;
  std::string start = "2026-09-01T00:00:00Z";
  std::filesystem::path out = ".";
};

struct Truth {
  std::uint64_t rows = 0;
  std::uint64_t rejects = 0;
  std::uint64_t flags = 0;
  std::int64_t cents = 0;
  std::uint64_t bytes = 0;
};

base::Result<verify::Generator> generator(const Wanted& wanted) {
  verify::GeneratorOptions options;
  options.start = TRY(base::parse_time(wanted.start));
  options.records_per_second = static_cast<double>(wanted.count) / (wanted.days * 86'400);
  options.shares = {.invalid = wanted.invalid, .late = 0, .duplicate = 0};
  options.owners = wanted.customers;
  return verify::Generator::make(options);
}

void count(const verify::Label& label, Truth& truth) {
  if (!label.is_row()) {
    ++truth.rejects;
    return;
  }
  ++truth.rows;
  truth.flags += label.flag ? 1 : 0;
  truth.cents += label.cents;
}

void write_file(verify::Generator& orders, const std::filesystem::path& path, std::uint64_t first,
                std::uint64_t end, Truth& truth) {
  constexpr std::size_t kBufferBytes = 4 << 20;
  std::ofstream file(path, std::ios::binary);
  std::string buffer;
  verify::Label label;
  for (std::uint64_t i = first; i < end; ++i) {
    orders.write(i, label, buffer);
    buffer += '\n';
    count(label, truth);
    if (buffer.size() < kBufferBytes && i + 1 < end) continue;
    truth.bytes += buffer.size();
    file.write(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    buffer.clear();
  }
}

}  // namespace

int main(int argc, char** argv) {
  Wanted wanted;
  CLI::App program("Writes labelled orders for measurements.");
  program.add_option("--count", wanted.count);
  program.add_option("--days", wanted.days);
  program.add_option("--start", wanted.start);
  program.add_option("--customers", wanted.customers);
  program.add_option("--invalid", wanted.invalid);
  program.add_option("--files", wanted.files);
  program.add_option("--out", wanted.out);
  CLI11_PARSE(program, argc, argv);

  auto orders = generator(wanted);
  if (!orders) {
    std::cerr << orders.error().text() << "\n";
    return 2;
  }
  std::filesystem::create_directories(wanted.out);
  for (const auto& lookup : orders->lookup_files()) {
    std::ofstream(wanted.out / lookup.name, std::ios::binary) << lookup.text;
  }
  Truth truth;
  for (std::uint64_t i = 0; i < wanted.files; ++i) {
    const auto name = wanted.files == 1 ? "orders.ndjson" : fmt::format("orders_{:04}.ndjson", i);
    write_file(*orders, wanted.out / name, wanted.count * i / wanted.files,
               wanted.count * (i + 1) / wanted.files, truth);
  }
  std::cout << fmt::format(
      "{{\"rows\": {}, \"rejects\": {}, \"flags\": {}, \"cents\": {}, \"bytes\": {}}}\n",
      truth.rows, truth.rejects, truth.flags, truth.cents, truth.bytes);
  return 0;
}
