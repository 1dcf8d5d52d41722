#include "app/generate.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <stop_token>

#include "app/api_json.hpp"
#include "app/kinesis_output.hpp"
#include "base/units.hpp"
#include "http/url.hpp"
#include "os/process.hpp"
#include "os/real_disk.hpp"
#include "os/signals.hpp"
#include "verify/scorecard.hpp"
#include "verify/sender.hpp"
#include "verify/write_records.hpp"

namespace millrace::app {
namespace {

using base::Code;
using base::Error;
using base::Result;

constexpr std::uint64_t kCountDefault = 10'000;

bool is_http(const std::string& to) {
  return to.starts_with("http://") || to.starts_with("https://");
}

Result<verify::Generator> make_generator(const GenerateOptions& options) {
  auto generator = options.generator;
  generator.start = base::SystemClock().now();
  if (!options.start.empty())
    generator.start = TRY(base::parse_time(options.start).context("--start"));
  for (const auto& burst : options.bursts) {
    generator.bursts.push_back(TRY(verify::parse_burst(burst).context("--burst")));
  }
  return verify::Generator::make(generator);
}

// None: until somebody says stop.
Result<std::optional<std::uint64_t>> count_of(const GenerateOptions& options,
                                              const verify::Generator& generator) {
  if (options.count) return options.count;
  if (!options.duration.empty()) {
    const auto duration = TRY(base::parse_duration(options.duration).context("--duration"));
    return std::optional(generator.schedule().count_before(duration));
  }
  if (is_http(options.to) || KinesisOutput::is_named(options.to) || options.is_live)
    return std::optional<std::uint64_t>();
  return std::optional(kCountDefault);
}

/// A file that is written from its start, or standard output.
class Output final {
 public:
  static Result<Output> open(const os::Path& path) {
    std::FILE* file = path == "-" ? stdout : std::fopen(path.c_str(), "wb");
    if (!file) return os::error_from_errno(errno, "open", path);
    return Output(file, path);
  }
  Output(Output&& other) noexcept
      : file_(std::exchange(other.file_, nullptr)), path_(std::move(other.path_)) {}
  Output& operator=(Output&&) = delete;
  ~Output() {
    if (file_ && file_ != stdout) std::fclose(file_);
  }

  Result<void> write(std::string_view bytes) {
    const bool is_written = std::fwrite(bytes.data(), 1, bytes.size(), file_) == bytes.size();
    if (!is_written || std::fflush(file_) != 0) return os::error_from_errno(errno, "write", path_);
    return {};
  }
  verify::Sink sink() {
    return [this](std::string_view bytes) { return write(bytes); };
  }

 private:
  Output(std::FILE* file, os::Path path) : file_(file), path_(std::move(path)) {}
  std::FILE* file_;
  os::Path path_;
};

Result<void> write_lookups(const verify::Generator& generator, const os::Path& folder) {
  os::RealDisk disk;
  TRY(disk.make_directories(folder));
  for (const auto& file : generator.lookup_files()) {
    TRY(os::write_file(disk, folder / file.name, file.text));
  }
  return {};
}

std::string progress_of(const verify::SendReport& report) {
  auto text = fmt::format("{} acknowledged",
                          grouped(static_cast<std::int64_t>(report.records_acknowledged)));
  if (report.calm.count() > 0) {
    text += ", p99 " + verify::format_latency(report.calm.quantile(0.99));
  }
  if (report.burst.count() > 0) {
    text += ", in bursts " + verify::format_latency(report.burst.quantile(0.99));
  }
  if (report.slow_downs > 0) text += fmt::format(", {} times told to slow down", report.slow_downs);
  if (report.records_failed > 0) text += fmt::format(", {} failed", report.records_failed);
  return text;
}

Result<Exit> send(const GenerateOptions& options, const verify::Generator& generator,
                  const std::stop_token& stop, Screen& screen) {
  const auto url = TRY(http::parse_url(options.to));
  const auto count = TRY(count_of(options, generator));
  const verify::SendOptions sending{
      .host = url.endpoint.host,
      .port = url.endpoint.port,
      .stream = options.stream.empty() ? options.generator.dataset : options.stream,
      .count = count,
      .records_per_body = options.records_per_body,
      .connections = options.connections};
  std::optional<Output> labels;
  if (!options.labels.empty()) labels.emplace(TRY(Output::open(options.labels)));
  if (labels && count) TRY(verify::write_labels(generator, *count, labels->sink()));
  const bool is_shown = os::is_terminal(STDERR_FILENO);
  const auto report = TRY(verify::send_records(
      generator, sending, base::SystemClock(), stop, [&](const verify::SendReport& now) {
        if (is_shown) fmt::print(stderr, "\r\x1b[K{}", progress_of(now)), std::fflush(stderr);
      }));
  if (is_shown) fmt::print(stderr, "\r\x1b[K");
  // Who was stopped knows only now how many records there are labels to write for.
  if (labels && !count) TRY(verify::write_labels(generator, report.records_sent, labels->sink()));
  screen.note(progress_of(report));
  for (const auto& error : report.errors) screen.note("  " + error);
  return report.records_failed == 0 ? Exit::Fine : Exit::Failed;
}

Result<Exit> write(const GenerateOptions& options, const verify::Generator& generator,
                   const std::stop_token& stop, const verify::Sink& records) {
  std::optional<Output> labels;
  if (!options.labels.empty()) labels.emplace(TRY(Output::open(options.labels)));
  const auto count = TRY(count_of(options, generator));
  TRY(verify::write_records(generator,
                            {.records = records,
                             .labels = labels ? labels->sink() : verify::Sink(),
                             .count = count,
                             .is_live = options.is_live || KinesisOutput::is_named(options.to)},
                            base::SystemClock(), stop));
  return Exit::Fine;
}

Result<Exit> work(const GenerateOptions& options, const std::stop_token& stop, Screen& screen) {
  if (options.count && !options.duration.empty()) {
    return Error{Code::Invalid, "give --count or --duration, not both"};
  }
  const auto generator = TRY(make_generator(options));
  if (!options.lookups.empty()) TRY(write_lookups(generator, options.lookups));
  if (is_http(options.to)) return send(options, generator, stop, screen);
  if (KinesisOutput::is_named(options.to)) {
    if (options.generator.dataset == "payments") {
      return Error{Code::Invalid,
                   "payments are CSV with a header, which no record of Kinesis has: "
                   "send orders or sensors"};
    }
    World world(base::LogFormat::Text, base::Level::Warn);
    auto stream = TRY(KinesisOutput::open(options.to, world));
    return write(options, generator, stop,
                 [&](std::string_view bytes) { return stream.write(bytes); });
  }
  auto output = TRY(Output::open(options.to));
  return write(options, generator, stop, output.sink());
}

}  // namespace

Exit generate(const GenerateOptions& options, Screen& screen) {
  if (const auto blocked = os::StopSignals::block(); !blocked) return fail(screen, blocked.error());
  std::stop_source stop;
  const auto signals = os::StopSignals::watch([&](os::Stop how) {
    if (how == os::Stop::Now) std::_Exit(static_cast<int>(Exit::Failed));
    stop.request_stop();
  });
  if (!signals) return fail(screen, signals.error());
  const auto done = work(options, stop.get_token(), screen);
  return done ? *done : fail(screen, done.error());
}

}  // namespace millrace::app
