#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace millrace::app {

/// What the program's end says.
enum class Exit : std::uint8_t {
  Fine = 0,
  Failed = 1,  ///< the work failed
  Usage = 2,   ///< a wrong command line, file or name: mend it and come again
};

/// `Usage` for what the user can mend by other words, else `Failed`.
Exit exit_of(const base::Error& error);

enum class Colour : std::uint8_t { Bold, Dim, Red, Green, Yellow, Cyan };

/// Colours text, or leaves it.
class Paint {
 public:
  explicit Paint(bool is_on = false) : is_on_(is_on) {}
  bool is_on() const { return is_on_; }
  std::string operator()(Colour colour, std::string_view text) const;

 private:
  bool is_on_;
};

/// Where people read: standard output and standard error. Colour only on a terminal, and not if
/// NO_COLOR is set. Threads: one at a time.
class Screen {
 public:
  Screen();

  void print(std::string_view text);  ///< to standard output, as it is
  void line(std::string_view text);   ///< to standard output
  void note(std::string_view text);   ///< a line to standard error
  void error(const base::Error& error);
  void flush();

  const Paint& paint() const { return out_paint_; }
  const Paint& note_paint() const { return note_paint_; }
  bool is_terminal() const { return is_terminal_; }
  /// Cells of a line; 0: no limit, it is no terminal.
  std::size_t columns() const { return columns_; }
  /// False once a write to standard output failed (a closed pipe, a full disk).
  bool is_good() const { return is_good_; }

 private:
  bool is_terminal_;
  Paint out_paint_;
  Paint note_paint_;
  std::size_t columns_;
  bool is_good_ = true;
};

/// Prints the error; the exit code for it.
Exit fail(Screen& screen, const base::Error& error);

}  // namespace millrace::app
