// Runs of a job of AWS Glue, found again by an argument that names the order.
#include <fmt/format.h>

#include <algorithm>

#include "aws/glue.hpp"
#include "base/text.hpp"
#include "base/units.hpp"
#include "batch/engine.hpp"
#include "batch/events.hpp"

namespace millrace::batch {
namespace {

using base::Code;
using base::Error;
using base::Result;
using namespace std::chrono_literals;

constexpr const char* kRun = "--millrace_run";
// A run that was just started may not be listed at once.
constexpr int kLooksForStarted = 5;
// Beyond the time after which Glue itself stops a run.
constexpr auto kGrace = 15min;
constexpr std::size_t kReasonBytesMax = 1000;

class GlueJob final : public Engine {
 public:
  GlueJob(EngineParts parts, GluePace pace)
      : parts_(std::move(parts)), settings_(*parts_.pipeline.engines.glue), pace_(pace) {}

  std::string_view name() const override { return "glue"; }
  bool outlives_process() const override { return true; }
  std::chrono::microseconds timeout() const override { return settings_.timeout + kGrace; }

  Result<void> run(const EngineOrder& order, const std::stop_token& stop) override {
    auto glue = TRY(open());
    std::optional<std::string> id;
    // An attempt before may have started it, without an answer.
    if (order.attempt > 1) id = TRY(running(glue, order.token, stop));
    if (!id) id = TRY(start(glue, order, stop));
    events::engine_started(parts_.telemetry, order, name(), *id);
    return wait(glue, *id, stop);
  }

  Result<void> follow(const std::string& token, const std::stop_token& stop) override {
    const auto until = std::chrono::steady_clock::now() + timeout();
    for (auto pause = pace_.first;;) {
      auto glue = open();
      const auto id = glue ? glue->find(settings_.job, kRun, token, stop)
                           : Result<std::optional<std::string>>(glue.error());
      if (id && *id) return wait(*glue, **id, stop);
      if (id) return Error{Code::NotFound, "no run of the Glue job was started for it"};
      const bool is_over = std::chrono::steady_clock::now() > until;
      if (id.error().code == Code::NotFound || is_over) return id.error();
      TRY(rest(pause, stop, id.error()));
    }
  }

 private:
  Result<aws::Glue> open() const { return aws::Glue::open(*TRY(parts_.aws()), settings_.region); }

  Result<std::optional<std::string>> running(aws::Glue& glue, const std::string& token,
                                             const std::stop_token& stop) const {
    auto id = TRY(glue.find(settings_.job, kRun, token, stop));
    if (!id) return id;
    const auto run = TRY(glue.describe(settings_.job, *id, stop));
    return run.what == aws::GlueRun::What::Running ? id : std::nullopt;
  }

  Result<std::string> start(aws::Glue& glue, const EngineOrder& order,
                            const std::stop_token& stop) const {
    auto arguments = settings_.arguments;
    arguments[kRun] = order.id();
    arguments["--millrace_job"] = order.job;
    arguments["--millrace_partitions"] = order.partitions;
    arguments["--millrace_fingerprint"] = std::to_string(order.fingerprint);
    arguments["--millrace_file"] = settings_.file;
    auto id = glue.start({.job = settings_.job,
                          .arguments = std::move(arguments),
                          .timeout = std::chrono::ceil<std::chrono::minutes>(settings_.timeout),
                          .worker_type = settings_.worker_type,
                          .workers = settings_.workers},
                         stop);
    if (id || id.error().code != Code::Unknown) return id;
    for (int look = 0; look < kLooksForStarted; ++look) {
      if (!aws::pause(pace_.first, stop)) return stopped();
      const auto found = glue.find(settings_.job, kRun, order.id(), stop);
      if (found && *found) return **found;
    }
    return id;
  }

  /// Until it has ended. What cannot be asked for now is asked for later: it goes on meanwhile.
  Result<void> wait(aws::Glue& glue, const std::string& id, const std::stop_token& stop) const {
    const auto until = std::chrono::steady_clock::now() + timeout();
    for (auto pause = pace_.first;;) {
      const auto run = glue.describe(settings_.job, id, stop);
      if (run && run->what == aws::GlueRun::What::Succeeded) return {};
      if (run && run->what == aws::GlueRun::What::Failed) return failed(*run, id);
      if (!run && (run.error().code == Code::NotFound || run.error().code == Code::Cancelled)) {
        return run.error();
      }
      if (std::chrono::steady_clock::now() > until) {
        (void)glue.stop(settings_.job, id, stop).has_value();
        return Error{Code::Invalid, fmt::format("Glue's run {} was not over after {}", id,
                                                base::format_duration(settings_.timeout))};
      }
      TRY(rest(pause, stop, run ? std::optional<Error>() : run.error()));
    }
  }

  Result<void> rest(std::chrono::milliseconds& pause, const std::stop_token& stop,
                    const std::optional<Error>& why) const {
    if (why) events::engine_unknown(parts_.telemetry, name(), why->text());
    if (!aws::pause(pause, stop)) return stopped();
    pause = std::min(pause * 3 / 2, pace_.longest);
    return {};
  }

  static Error stopped() { return {Code::Cancelled, "the program is stopping"}; }

  // What somebody stopped, or took too long, would not be otherwise at once.
  Error failed(const aws::GlueRun& run, const std::string& id) const {
    const bool is_ended = run.state == "STOPPED" || run.state == "TIMEOUT";
    return {
        is_ended ? Code::Invalid : Code::Unavailable,
        fmt::format("run {} of the Glue job '{}' ended as {}{}{}", id, settings_.job, run.state,
                    run.error.empty() ? "" : ": ", base::printable(run.error, kReasonBytesMax))};
  }

  const EngineParts parts_;
  const config::GlueEngine settings_;
  const GluePace pace_;
};

}  // namespace

std::unique_ptr<Engine> make_glue_job(EngineParts parts, GluePace pace) {
  return std::make_unique<GlueJob>(std::move(parts), pace);
}

}  // namespace millrace::batch
