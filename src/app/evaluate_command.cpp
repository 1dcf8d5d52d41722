#include "app/evaluate_command.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <stop_token>

#include "app/companion.hpp"
#include "app/pipeline_file.hpp"
#include "app/scratch_folder.hpp"
#include "app/served_instance.hpp"
#include "http/url.hpp"
#include "os/process.hpp"
#include "os/signals.hpp"

namespace millrace::app {
namespace {

using base::Code;
using base::Error;
using base::Result;
using namespace std::chrono_literals;

constexpr auto kLineEvery = 2s;

/// A status line that is written over on a terminal, and now and then a line elsewhere. On standard
/// error: standard output is for the scorecard.
class StatusLine {
 public:
  void show(const verify::EvaluateProgress& progress) {
    const auto text = text_of(progress);
    if (is_terminal_) {
      fmt::print(stderr, "\r\x1b[K{}", text);
      std::fflush(stderr);
      return;
    }
    const auto now = std::chrono::steady_clock::now();
    if (now < next_line_ && progress.phase == phase_) return;
    next_line_ = now + kLineEvery;
    phase_ = progress.phase;
    fmt::print(stderr, "{}\n", text);
  }
  void clear() const {
    if (is_terminal_) fmt::print(stderr, "\r\x1b[K");
  }

 private:
  static std::string text_of(const verify::EvaluateProgress& progress) {
    auto text =
        fmt::format("{:<9} {}{} sent, {} acknowledged", progress.phase,
                    progress.phase == "sending" ? fmt::format("{:3.0f} %  ", progress.done * 100)
                                                : std::string(7, ' '),
                    progress.sent, progress.acknowledged);
    if (progress.visible_p99.count() > 0) {
      text += ", visible p99 " + verify::format_latency(progress.visible_p99);
    }
    return progress.is_burst ? text + "  burst" : text;
  }

  const bool is_terminal_ = os::is_terminal(STDERR_FILENO);
  std::chrono::steady_clock::time_point next_line_;
  std::string phase_;
};

Result<verify::EvaluateOptions> evaluate_options(const EvaluateOptions& options,
                                                 const config::Pipeline& pipeline) {
  auto out = options.evaluate;
  out.timezone = pipeline.timezone;
  if (!options.duration.empty()) {
    out.duration = TRY(base::parse_duration(options.duration).context("--duration"));
    // In the middle, unless it is said where.
    out.burst.start = out.duration / 2;
    out.burst.length = std::min<std::chrono::microseconds>(out.burst.length, out.duration / 5);
  }
  if (!options.burst.empty()) {
    out.burst = TRY(verify::parse_burst(options.burst).context("--burst"));
  }
  return out;
}

Result<verify::ApiAddress> address_of(std::string_view url) {
  const auto parsed = TRY(http::parse_url(url));
  return verify::ApiAddress{.host = parsed.endpoint.host, .port = parsed.endpoint.port};
}

Result<verify::Scorecard> measure(verify::EvaluateOptions options, std::string_view url,
                                  const std::stop_token& stop) {
  options.address = TRY(address_of(url));
  StatusLine line;
  auto scorecard =
      verify::evaluate(options, base::SystemClock(), stop,
                       [&](const verify::EvaluateProgress& progress) { line.show(progress); });
  line.clear();
  return scorecard;
}

// On an instance of our own, in a new folder, on a free port.
Result<verify::Scorecard> measure_own(PipelineFile file, const verify::EvaluateOptions& options,
                                      std::stop_source& stop) {
  World world(base::LogFormat::Text, base::Level::Warn);
  const auto folder = TRY(ScratchFolder::make(world.disk, world.random));
  const auto memory = memory_plan(TRY(base::parse_bytes(RunOptions().memory)));
  std::optional<Error> fatal;
  auto pipeline = std::get<config::Pipeline>(std::move(file.outcome));
  pipeline.metrics = {};  // what is measured here is nobody's production
  auto served = TRY(ServedInstance::start(
      {.pipeline = std::move(pipeline),
       .text = file.text,
       .instance = {.data = folder.path(), .memory = memory},
       .server = {.port = 0, .hosts_allowed = http::loopback_hosts()}},
      [&](const Error& error) {
        fatal = error;
        stop.request_stop();
      },
      world));
  auto scorecard = measure(options, served->address(), stop.get_token());
  served.reset();  // ends the threads that may tell of an error
  if (fatal) return *fatal;
  return scorecard;
}

Result<verify::Scorecard> measure_running(const os::Path& data,
                                          const verify::EvaluateOptions& options,
                                          const std::stop_token& stop) {
  const auto running = TRY(reach_running(data));
  if (!running) {
    return Error{Code::NotFound, fmt::format("nothing runs on {}: start it with `millrace run FILE "
                                             "--data {}`, or leave --data out",
                                             data.string(), data.string())};
  }
  return measure(options, running->address(), stop);
}

Exit work(const EvaluateOptions& options, std::stop_source& stop, Screen& screen) {
  auto file = read_pipeline_file(options.file, Check::Form);
  if (!file) return fail(screen, file.error());
  if (!file->pipeline()) {
    print_problems(*file, screen);
    return Exit::Usage;
  }
  if (const auto fits = verify::check_reference_job(*file->pipeline()); !fits) {
    return fail(screen, fits.error());
  }
  const auto evaluate = evaluate_options(options, *file->pipeline());
  if (!evaluate) return fail(screen, evaluate.error());
  const auto scorecard = options.data.empty()
                             ? measure_own(std::move(*file), *evaluate, stop)
                             : measure_running(options.data, *evaluate, stop.get_token());
  if (!scorecard) return fail(screen, scorecard.error());
  const auto colour = screen.paint().is_on() ? verify::Colour::Yes : verify::Colour::No;
  screen.print(options.output == Output::Json ? verify::render_json(*scorecard)
                                              : verify::render_table(*scorecard, colour));
  return scorecard->is_met() ? Exit::Fine : Exit::Failed;
}

}  // namespace

Exit evaluate(const EvaluateOptions& options, Screen& screen) {
  if (const auto blocked = os::StopSignals::block(); !blocked) return fail(screen, blocked.error());
  os::raise_descriptor_limit();
  std::stop_source stop;
  const auto signals = os::StopSignals::watch([&](os::Stop how) {
    if (how == os::Stop::Now) std::_Exit(static_cast<int>(Exit::Failed));
    stop.request_stop();
  });
  if (!signals) return fail(screen, signals.error());
  return work(options, stop, screen);
}

}  // namespace millrace::app
