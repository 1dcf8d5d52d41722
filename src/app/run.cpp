#include <fmt/format.h>

#include <condition_variable>
#include <cstdlib>
#include <mutex>

#include "app/commands.hpp"
#include "app/data_folder.hpp"
#include "app/pipeline_file.hpp"
#include "app/sample_request.hpp"
#include "app/served_instance.hpp"
#include "app/sql_check.hpp"
#include "config/read.hpp"
#include "http/url.hpp"
#include "os/process.hpp"
#include "os/real_disk.hpp"
#include "os/signals.hpp"

namespace millrace::app {
namespace {

using base::Code;
using base::Error;
using base::Result;

/// Why the process ends: a signal, or an error that it cannot go on after.
/// Threads: safe from any.
class Ending {
 public:
  void ask() {
    const std::lock_guard lock(mutex_);
    is_asked_ = true;
    changed_.notify_all();
  }
  void fail(const Error& error) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = error;
    changed_.notify_all();
  }
  /// Waits for either.
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return is_asked_ || error_; });
  }
  std::optional<Error> error() {
    const std::lock_guard lock(mutex_);
    return error_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_asked_ = false;       // Guarded by mutex_.
  std::optional<Error> error_;  // Guarded by mutex_.
};

Result<MemoryPlan> memory_of(const RunOptions& options) {
  const auto bytes = TRY(base::parse_bytes(options.memory).context("--memory"));
  if (bytes < kMemoryMin) {
    return Error{Code::Invalid, fmt::format("--memory {}: at least {}", options.memory,
                                            base::format_bytes(kMemoryMin))};
  }
  return memory_plan(bytes);
}

Result<std::optional<http::TlsOptions>> tls_of(const RunOptions& options) {
  if (options.tls_certificate.empty() != options.tls_key.empty()) {
    return Error{Code::Invalid, "TLS needs both, --tls-certificate and --tls-key"};
  }
  if (options.tls_key.empty()) return std::optional<http::TlsOptions>();
  return std::optional(http::TlsOptions{.certificate_file = options.tls_certificate.string(),
                                        .key_file = options.tls_key.string()});
}

Result<http::ServerOptions> server_of(const RunOptions& options, const MemoryPlan& memory) {
  const auto endpoint =
      TRY(http::parse_endpoint(options.listen).context("--listen " + options.listen));
  const bool is_loopback = http::is_loopback(endpoint.host);
  if (!is_loopback && !options.is_insecure) {
    return Error{Code::Denied,
                 fmt::format("--listen {}: others could reach this address, and this version knows "
                             "no tokens by which they would have to prove who they are. Listen on "
                             "127.0.0.1 (behind a proxy that asks for proof, if need be), or say "
                             "--insecure to let everyone in",
                             options.listen)};
  }
  auto tls = TRY(tls_of(options));
  return http::ServerOptions{
      .host = endpoint.host,
      .port = endpoint.port,
      .bodies_bytes_max = memory.bodies,
      .hosts_allowed = is_loopback ? http::loopback_hosts() : std::vector<std::string>(),
      .tls = std::move(tls)};
}

void print_banner(const RunOptions& options, const ServedInstance& served, Screen& screen) {
  const auto& pipeline = served.instance().pipeline();
  const auto& paint = screen.paint();
  const auto line = [&](std::string_view name, std::string_view text) {
    screen.line(fmt::format("  {:<8} {}", name, text));
  };
  screen.line(fmt::format("{} runs {}", paint(Colour::Bold, "millrace " MILLRACE_VERSION),
                          paint(Colour::Bold, pipeline.name)));
  line("file", pipeline.file.string());
  line("data", std::filesystem::absolute(options.data).lexically_normal().string());
  line("address", paint(Colour::Cyan, served.address()));
  for (const auto& source : pipeline.sources) {
    if (!std::holds_alternative<config::LogSource>(source.from)) continue;
    line("send", sample_request(source, served.address(), base::SystemClock().now()));
    break;
  }
  if (!pipeline.tables.empty()) {
    const bool is_default = options.data == RunOptions().data;
    line("query", fmt::format("millrace query{} 'SELECT count(*) FROM {}'",
                              is_default ? "" : " --data " + options.data.string(),
                              pipeline.tables.front().name));
  }
  line("stop", "Ctrl-C");
  screen.flush();
}

// A file that ran on the folder as it is was checked then; for any other, all that is wrong with
// its SQL is said before anything is touched.
void check_if_new(PipelineFile& file, const os::Path& data) {
  os::RealDisk disk;
  const auto last = read_pipeline_record(disk, data);
  const auto* pipeline = file.pipeline();
  if (!pipeline || (last && last->text == file.text && last->file == pipeline->file)) return;
  auto errors = check_sql(*pipeline);
  if (!errors.empty()) file.outcome = std::move(errors);
}

Exit end(ServedInstance& served, Ending& ending, Screen& screen) {
  if (const auto error = ending.error()) {
    served.stop_serving();
    screen.error(*error);
    return Exit::Failed;
  }
  screen.note("stopping: no new records, then a last commit (Ctrl-C again: at once)");
  const auto stopped = served.stop();
  const auto error = ending.error();
  if (error || !stopped) {
    screen.error(error ? *error : stopped.error());
    return Exit::Failed;
  }
  screen.note(stopped->has_unread ? "stopped: some acknowledged records are still unread; they are "
                                    "safe in the log and come first at the next start"
                                  : "stopped: everything is committed");
  return Exit::Fine;
}

Exit run(const RunOptions& options, Ending& ending, Screen& screen) {
  const auto memory = memory_of(options);
  if (!memory) return fail(screen, memory.error());
  const auto cache = base::parse_bytes(options.lake_cache).context("--lake-cache");
  if (!cache) return fail(screen, cache.error());
  const auto reports = base::parse_bytes(options.report_cache).context("--report-cache");
  if (!reports) return fail(screen, reports.error());
  auto server = server_of(options, *memory);
  if (!server) return fail(screen, server.error());
  AwsKeys aws_keys;
  if (!options.aws_keys.empty()) {
    auto keys = read_aws_keys(options.aws_keys);
    if (!keys) return fail(screen, keys.error());
    aws_keys = std::move(*keys);
  }
  auto file = read_pipeline_file(options.file, Check::Form);
  if (!file) return fail(screen, file.error());
  check_if_new(*file, options.data);
  if (!file->pipeline()) {
    print_problems(*file, screen);
    return Exit::Usage;
  }
  World world(options.log_format, options.log_level);
  InstanceOptions instance{.data = options.data,
                           .memory = *memory,
                           .job_threads = options.job_threads,
                           .unknown_source = options.accepts_new_source
                                                 ? flow::UnknownSource::Accept
                                                 : flow::UnknownSource::Stop,
                           .accepts_lost_records = options.accepts_lost_records,
                           .lake_cache_bytes = *cache,
                           .report_cache_bytes = *reports};
  instance.aws_keys = std::move(aws_keys);
  const auto served = ServedInstance::start(
      {.pipeline = std::get<config::Pipeline>(std::move(file->outcome)),
       .text = file->text,
       .instance = std::move(instance),
       .server = std::move(*server)},
      [&](const Error& error) { ending.fail(error); }, world);
  if (!served) {
    const auto& error = served.error();
    return fail(screen, {error.code, config::with_caret(error, file->text)});
  }
  print_banner(options, **served, screen);
  ending.wait();
  return end(**served, ending, screen);
}

}  // namespace

Exit run_pipeline(const RunOptions& options, Screen& screen) {
  // Before any other thread exists.
  if (const auto blocked = os::StopSignals::block(); !blocked) return fail(screen, blocked.error());
  os::raise_descriptor_limit();
  Ending ending;
  const auto signals = os::StopSignals::watch([&](os::Stop how) {
    // What was acknowledged is in the log; the next start takes it from there.
    if (how == os::Stop::Now) std::_Exit(static_cast<int>(Exit::Failed));
    ending.ask();
  });
  if (!signals) return fail(screen, signals.error());
  return run(options, ending, screen);
}

}  // namespace millrace::app
