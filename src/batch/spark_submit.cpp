// Runs of Spark, by spark-submit in client mode: the driver is a child of this process.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "aws/settings.hpp"
#include "base/text.hpp"
#include "base/units.hpp"
#include "batch/engine.hpp"
#include "batch/events.hpp"
#include "batch/secrets.hpp"
#include "os/child.hpp"
#include "os/private_file.hpp"
#include "os/real_disk.hpp"

namespace millrace::batch {
namespace {

using base::Code;
using base::Error;
using base::Result;
using Json = nlohmann::json;
using namespace std::chrono_literals;

constexpr auto kPatience = 10s;
constexpr std::uint64_t kTailBytes = 256 << 10;
constexpr std::size_t kReasonBytesMax = 1000;
constexpr int kRefused = 2;  // the exit code of `millrace-spark` if the file or the call is wrong
constexpr std::string_view kSays = "millrace-spark: ";
constexpr std::string_view kScript =
    "from millrace_spark.command import main\n\nraise SystemExit(main())\n";
// What Delta Lake needs; what the file says comes first.
constexpr std::pair<const char*, const char*> kDelta[] = {
    {"spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension"},
    {"spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog"}};

// `ModuleNotFoundError: …`, `org.apache.spark.SparkException: …`
bool is_exception(std::string_view line) {
  const auto word = line.substr(0, line.find_first_of(": "));
  return word.ends_with("Error") || word.ends_with("Exception");
}

/// What a program's last lines tell of why it failed.
std::string reason_in(const std::string& output) {
  std::istringstream lines(output);
  std::string said, exception, last;
  for (std::string line; std::getline(lines, line);) {
    const auto text = std::string(base::trimmed(line));
    if (text.empty()) continue;
    last = text;
    if (text.starts_with(kSays)) said = text.substr(kSays.size());
    if (is_exception(text)) exception = text;
  }
  auto reason = !said.empty() ? said : !exception.empty() ? exception : last;
  if (reason.find("No module named 'millrace_spark'") != std::string::npos) {
    reason +=
        "; install the package for the Python that Spark uses: `pip install` the wheel of "
        "spark/, or name that Python: `engines: {spark: {python: …}}`";
  }
  return base::printable(reason, kReasonBytesMax);
}

class SparkSubmit final : public Engine {
 public:
  explicit SparkSubmit(EngineParts parts)
      : parts_(std::move(parts)),
        settings_(parts_.pipeline.engines.spark.value_or(config::SparkEngine())),
        secrets_(parts_.pipeline, aws::process_environment()) {}

  std::string_view name() const override { return "spark"; }
  bool outlives_process() const override { return false; }
  std::chrono::microseconds timeout() const override { return settings_.timeout; }

  Result<void> run(const EngineOrder& order, const std::stop_token& stop) override {
    const auto output = parts_.folder / "engine" / (order.job + ".log");
    os::RealDisk disk;
    TRY(disk.make_directories(output.parent_path()));
    const auto script = output.parent_path() / (order.job + ".py");
    TRY(os::write_private_file(script, kScript));
    auto child = os::Child::start(
        {.command = command_of(order, script), .environment = environment(), .output = output});
    if (!child) return not_started(child.error());
    events::engine_started(parts_.telemetry, order, name(), "");
    const auto end = TRY(child->wait(settings_.timeout, stop));
    if (end && end->is_good()) return {};
    if (end) return failed(*end, output);
    child->end(kPatience);
    if (stop.stop_requested()) return Error{Code::Cancelled, "the program is stopping"};
    return Error{Code::Invalid,
                 fmt::format("Spark was not done after {} and was ended (`timeout` in `engines: "
                             "{{spark: …}}`); its output: {}",
                             base::format_duration(settings_.timeout), output.string())};
  }

  Result<void> follow(const std::string&, const std::stop_token&) override {
    return Error{Code::NotFound, "it ended with the process that started it"};
  }

 private:
  std::vector<std::string> command_of(const EngineOrder& order, const os::Path& script) const {
    std::vector<std::string> words{settings_.submit, "--name", "millrace " + order.job};
    const auto add = [&](const char* option, const std::string& value) {
      if (!value.empty()) words.insert(words.end(), {option, value});
    };
    add("--master", settings_.master);
    add("--packages", base::join(settings_.packages, ","));
    add("--py-files", base::join(settings_.py_files, ","));
    for (const auto& [key, value] : kDelta) {
      if (!settings_.conf.contains(key)) add("--conf", fmt::format("{}={}", key, value));
    }
    for (const auto& [key, value] : settings_.conf) {
      if (!config::sounds_secret(key)) add("--conf", fmt::format("{}={}", key, value));
    }
    words.insert(words.end(),
                 {script.string(), "order", parts_.pipeline.file.string(), order.job, "--run",
                  order.id(), "--partitions", order.partitions, "--fingerprint",
                  std::to_string(order.fingerprint), "--data", parts_.folder.string()});
    return words;
  }

  // Others see a command line, and nobody but us this.
  std::map<std::string, std::string> environment() const {
    std::map<std::string, std::string> more;
    Json hidden = Json::object();
    for (const auto& [key, value] : settings_.conf) {
      if (config::sounds_secret(key)) hidden[key] = value;
    }
    if (!hidden.empty()) {
      more["MILLRACE_SPARK_CONF"] = hidden.dump(-1, ' ', true, Json::error_handler_t::replace);
    }
    if (!settings_.python.empty()) {
      more["PYSPARK_PYTHON"] = settings_.python;
      more["PYSPARK_DRIVER_PYTHON"] = settings_.python;
    }
    return more;
  }

  Error not_started(const Error& error) const {
    auto told = error;
    told.message = fmt::format(
        "'{}' cannot be started: {}; install Spark, or say where it is: "
        "`engines: {{spark: {{submit: /path/to/spark-submit}}}}`",
        settings_.submit, error.message);
    return told;
  }

  Error failed(const os::ChildEnd& end, const os::Path& output) const {
    const auto told = secrets_.hidden_in(os::last_lines(output, kTailBytes));
    return {end.code == kRefused ? Code::Invalid : Code::Unavailable,
            fmt::format("spark-submit {}: {} (its output: {})", end.text(), reason_in(told),
                        output.string())};
  }

  const EngineParts parts_;
  const config::SparkEngine settings_;
  const Secrets secrets_;
};

}  // namespace

std::unique_ptr<Engine> make_spark_submit(EngineParts parts) {
  return std::make_unique<SparkSubmit>(std::move(parts));
}

}  // namespace millrace::batch
