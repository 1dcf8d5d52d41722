#include <fmt/format.h>

#include "app/commands.hpp"
#include "app/finding.hpp"
#include "app/memory_plan.hpp"
#include "base/telemetry.hpp"
#include "base/units.hpp"
#include "config/time_zone.hpp"
#include "http/server.hpp"
#include "http/url.hpp"
#include "os/file_lock.hpp"
#include "os/process.hpp"

namespace millrace::app {
namespace {

using namespace base::literals;
using enum Finding::Level;

constexpr std::uint64_t kOpenFilesMin = 4096;
constexpr auto kEarliest = std::chrono::sys_days(std::chrono::year(2024) / 1 / 1);

Finding examine_memory() {
  const auto bytes = os::memory_bytes();
  const auto detail = base::format_bytes(bytes) + " for this process";
  if (bytes < kMemoryMin) {
    return {Fail, "memory", detail, fmt::format("{} is the least", base::format_bytes(kMemoryMin))};
  }
  const auto wanted = base::parse_bytes(RunOptions().memory).value_or(1_GiB);
  if (bytes < wanted) {
    return {Warn, "memory", detail, fmt::format("run with --memory {}MiB", bytes / 4 * 3 / 1_MiB)};
  }
  return {Ok, "memory", detail, ""};
}

Finding examine_open_files() {
  const auto count = os::raise_descriptor_limit();
  const auto detail = fmt::format("{} at once", count);
  if (count < kOpenFilesMin) {
    return {Warn, "open files", detail,
            fmt::format("raise the hard limit: ulimit -Hn {}", kOpenFilesMin)};
  }
  return {Ok, "open files", detail, ""};
}

// Listens for a moment.
Finding examine_port(const std::string& listen, const http::Endpoint& endpoint) {
  auto log = base::EventLog::silent();
  base::Metrics metrics;
  const base::SystemClock clock;
  const auto server =
      http::Server::start({.host = endpoint.host, .port = endpoint.port, .threads = 1}, [](auto) {},
                          clock, {log, metrics});
  if (server) return {Ok, "port", listen + " is free", ""};
  return {Fail, "port", server.error().text(),
          "end what listens there, or use another with --listen"};
}

}  // namespace

std::vector<Finding> examine_machine() {
  const auto cores = os::core_count();
  return {{Ok, "cores", fmt::format("{}", cores), ""}, examine_memory(), examine_open_files()};
}

std::vector<Finding> examine_time(const config::Pipeline* pipeline) {
  std::vector<Finding> findings;
  if (base::SystemClock().now() < kEarliest) {
    findings.push_back({Fail, "date", base::format_time(base::SystemClock().now()),
                        "set the clock: it is before this program was made"});
  }
  const std::string name = pipeline ? pipeline->timezone : "Europe/Berlin";
  const auto zone = config::TimeZone::find(name);
  findings.push_back(zone ? Finding{Ok, "time zones", name + " is known", ""}
                          : Finding{Fail, "time zones", zone.error().text(),
                                    "install the time zone database: apt-get install tzdata"});
  return findings;
}

std::vector<Finding> examine_ports(const os::Path& data, const std::string& listen) {
  const auto endpoint = http::parse_endpoint(listen);
  if (!endpoint) return {{Fail, "port", endpoint.error().text(), "write --listen HOST:PORT"}};
  const auto holder = os::FileLock::holder(data / "lock");
  if (!holder)
    return {{Fail, "lock", holder.error().text(), "give this user the right to read it"}};
  if (!*holder)
    return {{Ok, "lock", "nobody uses the folder", ""}, examine_port(listen, *endpoint)};
  const auto& address = (*holder)->address;
  const auto detail = fmt::format("process {} uses the folder{}", (*holder)->process,
                                  address.empty() ? "" : ", at " + address);
  const bool is_its_port =
      address == "http://" + http::format_endpoint(endpoint->host, endpoint->port);
  return {{Ok, "lock", detail, ""},
          is_its_port ? Finding{Ok, "port", listen + " is the one that it listens on", ""}
                      : examine_port(listen, *endpoint)};
}

}  // namespace millrace::app
