#include "os/child.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <mutex>

#include "base/text.hpp"
#include "os/real_disk.hpp"

namespace millrace::os {

using base::Code;
using base::Error;
using base::Result;
using namespace std::chrono_literals;

namespace {

constexpr auto kLook = 20ms;
constexpr int kNotStarted = 127;
constexpr unsigned kFirstOther = 3;  // descriptor behind the three streams

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (auto& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> environment_of(const std::map<std::string, std::string>& more) {
  std::vector<std::string> all;
  for (char** at = environ; *at != nullptr; ++at) {
    const std::string one = *at;
    if (!more.contains(one.substr(0, one.find('=')))) all.push_back(one);
  }
  for (const auto& [name, value] : more) all.push_back(fmt::format("{}={}", name, value));
  return all;
}

/// What the child needs between fork and exec, where nothing may be allocated.
struct Start {
  const char* program;
  char* const* arguments;
  char* const* environment;
  int output;
  int problem;  // the end of a pipe that says why it could not be started
  int parent;
};

[[noreturn]] void become(const Start& start) {
  ::setpgid(0, 0);
  ::sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int signal : {SIGPIPE, SIGINT, SIGTERM, SIGHUP}) (void)std::signal(signal, SIG_DFL);
  // Nobody would look after it: it ends with who started it, also if that is killed.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != start.parent) ::_exit(kNotStarted);
  const int nothing = ::open("/dev/null", O_RDONLY);
  const bool has_streams = nothing >= 0 && ::dup2(nothing, STDIN_FILENO) >= 0 &&
                           ::dup2(start.output, STDOUT_FILENO) >= 0 &&
                           ::dup2(start.output, STDERR_FILENO) >= 0;
  // All others are closed by exec: locks and sockets are not the child's.
  ::close_range(kFirstOther, ~0U, CLOSE_RANGE_CLOEXEC);
  if (has_streams) ::execve(start.program, start.arguments, start.environment);
  const int cause = errno;
  (void)!::write(start.problem, &cause, sizeof cause);
  ::_exit(kNotStarted);
}

Error not_started(int cause, const std::string& program) {
  auto error = error_from_errno(cause, "start", program);
  if (cause == ENOEXEC) error.code = Code::Invalid;
  return error;
}

bool is_program(const Path& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored) && ::access(path.c_str(), X_OK) == 0;
}

}  // namespace

std::string ChildEnd::text() const {
  return signal != 0 ? fmt::format("was killed by signal {}", signal)
                     : fmt::format("ended with {}", code);
}

std::string last_lines(const Path& output, std::uint64_t bytes_max) {
  std::ifstream file(output, std::ios::binary | std::ios::ate);
  const auto size =
      file ? static_cast<std::uint64_t>(std::max<std::streamoff>(file.tellg(), 0)) : 0;
  const auto from = size - std::min(size, bytes_max);
  file.seekg(static_cast<std::streamoff>(from));
  std::string text(size - from, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  if (from > 0) text.erase(0, std::min(text.find('\n'), text.size() - 1) + 1);
  return text;
}

Result<Path> find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) {
    if (is_program(name)) return Path(name);
    return Error{Code::NotFound, "there is no such program, or it may not be run", name};
  }
  const char* value = std::getenv("PATH");
  const std::string folders = value != nullptr ? value : "";
  for (std::size_t at = 0; at <= folders.size() && !name.empty();) {
    const auto end = std::min(folders.find(':', at), folders.size());
    const auto path = Path(folders.substr(at, end - at)) / name;
    if (is_program(path)) return path;
    at = end + 1;
  }
  return Error{Code::NotFound,
               fmt::format("there is no program '{}' in PATH", base::printable(name))};
}

Result<Child> Child::start(const ChildOptions& options) {
  CHECK(!options.command.empty());
  const auto program = TRY(find_program(options.command.front())).string();
  auto arguments = options.command;
  auto environment = environment_of(options.environment);
  const auto argument_pointers = pointers_to(arguments);
  const auto environment_pointers = pointers_to(environment);
  const int output =
      ::open(options.output.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
  if (output < 0) return error_from_errno(errno, "open", options.output);
  int problem[2] = {-1, -1};
  if (::pipe2(problem, O_CLOEXEC) != 0) {
    const int cause = errno;
    ::close(output);
    return error_from_errno(cause, "pipe", program);
  }
  const Start start{
      program.c_str(), argument_pointers.data(), environment_pointers.data(), output, problem[1],
      ::getpid()};
  const int process = ::fork();
  if (process == 0) become(start);
  const int fork_cause = errno;
  ::close(output);
  ::close(problem[1]);
  int cause = 0;
  const auto read = process > 0 ? ::read(problem[0], &cause, sizeof cause) : 0;
  ::close(problem[0]);
  if (process < 0) return error_from_errno(fork_cause, "fork", program);
  if (read != sizeof cause) return Child(process);
  ::waitpid(process, nullptr, 0);
  return not_started(cause, program);
}

Result<std::optional<ChildEnd>> Child::wait(std::chrono::microseconds time,
                                            const std::stop_token& stop) {
  CHECK(process_ > 0);
  const auto until = std::chrono::steady_clock::now() + time;
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  for (;;) {
    int status = 0;
    const int ended = ::waitpid(process_, &status, WNOHANG);
    if (ended < 0 && errno != EINTR) return error_from_errno(errno, "waitpid", "");
    if (ended > 0) {
      kill_group(SIGKILL);  // what it left behind
      process_ = 0;
      const bool is_killed = WIFSIGNALED(status);
      return std::optional(ChildEnd{.code = is_killed ? 0 : WEXITSTATUS(status),
                                    .signal = is_killed ? WTERMSIG(status) : 0});
    }
    if (stop.stop_requested() || std::chrono::steady_clock::now() >= until) {
      return std::optional<ChildEnd>();
    }
    never.wait_for(lock, stop, kLook, [] { return false; });
  }
}

void Child::end(std::chrono::microseconds patience) {
  if (process_ <= 0) return;
  kill_group(SIGTERM);
  const auto ended = wait(patience);
  if (ended && *ended) return;
  kill_group(SIGKILL);
  ::waitpid(process_, nullptr, 0);
  process_ = 0;
}

// It made itself the leader of its group before anything else.
void Child::kill_group(int signal) const {
  ::kill(-process_, signal);
}

Child::~Child() {
  end(0us);
}

}  // namespace millrace::os
