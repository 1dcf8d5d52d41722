#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "os/disk.hpp"

namespace millrace::os {

struct ChildOptions {
  std::vector<std::string> command;                ///< the program, and its arguments
  std::map<std::string, std::string> environment;  ///< beside, or instead of, our own variables
  Path output;  ///< what it writes to both its streams; made anew, for its owner alone
};

/// How a program ended.
struct ChildEnd {
  int code = 0;
  int signal = 0;  ///< not 0: it was killed by it, and there is no code

  bool is_good() const { return code == 0 && signal == 0; }
  /// `ended with 1`, `was killed by signal 9`
  std::string text() const;
};

/// A program that runs beside this process, in a group of its own: signals of a terminal do not
/// reach it. It does not outlive this process, nor the thread that started it, nor this object.
/// Threads: one at a time.
class Child {
 public:
  /// Errors  NotFound: no such program. Denied: it may not be run. Unavailable.
  static base::Result<Child> start(const ChildOptions& options);
  Child(Child&& other) noexcept : process_(std::exchange(other.process_, 0)) {}
  Child& operator=(Child&&) = delete;
  ~Child();

  /// Waits for its end. Shape   none: it still runs after `time`, or `stop` was asked for.
  base::Result<std::optional<ChildEnd>> wait(std::chrono::microseconds time,
                                             const std::stop_token& stop = {});
  /// Asks it, and all that it started and that is still of its group, to end; those that have not
  /// after `patience` are killed.
  void end(std::chrono::microseconds patience);

 private:
  explicit Child(int process) : process_(process) {}
  void kill_group(int signal) const;

  int process_ = 0;  // 0: it has ended
};

/// The last lines, whole ones, of what a program wrote: `bytes_max` at most.
std::string last_lines(const Path& output, std::uint64_t bytes_max);

/// The program that a command names: a path as it is, a name as PATH has it.
/// Errors  NotFound: there is none.
base::Result<Path> find_program(const std::string& name);

}  // namespace millrace::os
