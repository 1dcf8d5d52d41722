#include "os/process.hpp"

#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>

#include "os/real_disk.hpp"

namespace millrace::os {

using base::Result;

namespace {

constexpr std::uint32_t kColumnsUnknown = 80;
constexpr int kLowPriority = 10;  // of 19
// Where the limits of the process's own control group (version 2) appear inside a container.
constexpr const char* kCpuQuota = "/sys/fs/cgroup/cpu.max";
constexpr const char* kMemoryLimit = "/sys/fs/cgroup/memory.max";

std::chrono::microseconds duration_of(const ::timeval& time) {
  return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
}

// `200000 100000` is two cores; `max 100000` is no limit.
std::uint32_t cores_of_quota() {
  std::ifstream file(kCpuQuota);
  double quota = 0;
  double period = 0;
  if (!(file >> quota >> period) || period <= 0) return std::numeric_limits<std::uint32_t>::max();
  return static_cast<std::uint32_t>(std::max(1.0, quota / period + 0.5));
}

}  // namespace

Result<ProcessUsage> process_usage() {
  std::uint64_t pages = 0;
  std::uint64_t pages_resident = 0;
  std::ifstream statm("/proc/self/statm");
  if (!(statm >> pages >> pages_resident)) return error_from_errno(EIO, "read", "/proc/self/statm");
  ::rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) != 0) return error_from_errno(errno, "getrusage", "");
  std::error_code error;
  const std::filesystem::directory_iterator open_files("/proc/self/fd", error);
  if (error) return error_from_errno(error.value(), "list", "/proc/self/fd");
  const auto listed = std::distance(begin(open_files), end(open_files));
  return ProcessUsage{
      .resident_bytes = pages_resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)),
      .cpu_time = duration_of(usage.ru_utime) + duration_of(usage.ru_stime),
      // One of them was the list itself.
      .descriptors = static_cast<std::uint64_t>(std::max<std::ptrdiff_t>(listed - 1, 0))};
}

std::int64_t process_id() {
  return ::getpid();
}

void lower_thread_priority() {
  // On Linux a priority is that of one thread.
  (void)::setpriority(PRIO_PROCESS, 0, kLowPriority);
}

std::uint32_t core_count() {
  ::cpu_set_t set;
  const bool is_known = ::sched_getaffinity(0, sizeof set, &set) == 0;
  const long count = is_known ? CPU_COUNT(&set) : ::sysconf(_SC_NPROCESSORS_ONLN);
  return std::min(static_cast<std::uint32_t>(std::max(1L, count)), cores_of_quota());
}

std::uint64_t memory_bytes() {
  const auto pages = static_cast<std::uint64_t>(std::max(1L, ::sysconf(_SC_PHYS_PAGES)));
  const std::uint64_t machine = pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  std::uint64_t limit = 0;
  std::ifstream file(kMemoryLimit);
  return file >> limit && limit > 0 ? std::min(machine, limit) : machine;
}

std::uint64_t raise_descriptor_limit() {
  ::rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  const ::rlimit wanted{limit.rlim_max, limit.rlim_max};
  return ::setrlimit(RLIMIT_NOFILE, &wanted) == 0 ? wanted.rlim_cur : limit.rlim_cur;
}

bool is_terminal(int descriptor) {
  return ::isatty(descriptor) == 1;
}

std::uint32_t terminal_columns(int descriptor) {
  ::winsize size{};
  const bool is_known = ::ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return is_known ? size.ws_col : kColumnsUnknown;
}

}  // namespace millrace::os
