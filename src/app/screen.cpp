#include "app/screen.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "os/process.hpp"

namespace millrace::app {
namespace {

bool wants_colour(int descriptor) {
  const char* no_colour = std::getenv("NO_COLOR");
  if (no_colour && *no_colour != '\0') return false;
  const char* terminal = std::getenv("TERM");
  return os::is_terminal(descriptor) && !(terminal && std::string_view(terminal) == "dumb");
}

std::string_view code_of(Colour colour) {
  switch (colour) {
    case Colour::Bold:
      return "1";
    case Colour::Dim:
      return "2";
    case Colour::Red:
      return "31";
    case Colour::Green:
      return "32";
    case Colour::Yellow:
      return "33";
    case Colour::Cyan:
      return "36";
  }
  return "0";
}

}  // namespace

Exit exit_of(const base::Error& error) {
  using enum base::Code;
  const bool is_usage = error.code == Invalid || error.code == NotFound || error.code == Denied;
  return is_usage ? Exit::Usage : Exit::Failed;
}

std::string Paint::operator()(Colour colour, std::string_view text) const {
  if (!is_on_ || text.empty()) return std::string(text);
  return fmt::format("\x1b[{}m{}\x1b[0m", code_of(colour), text);
}

Screen::Screen()
    : is_terminal_(os::is_terminal(STDOUT_FILENO)),
      out_paint_(wants_colour(STDOUT_FILENO)),
      note_paint_(wants_colour(STDERR_FILENO)),
      columns_(is_terminal_ ? os::terminal_columns(STDOUT_FILENO) : 0) {}

void Screen::print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) is_good_ = false;
}

void Screen::line(std::string_view text) {
  print(text);
  print("\n");
}

void Screen::note(std::string_view text) {
  flush();
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fputc('\n', stderr);
}

void Screen::error(const base::Error& error) {
  note(fmt::format("{} {}", note_paint_(Colour::Red, "error:"), error.text()));
}

void Screen::flush() {
  if (std::fflush(stdout) != 0) is_good_ = false;
}

Exit fail(Screen& screen, const base::Error& error) {
  screen.error(error);
  return exit_of(error);
}

}  // namespace millrace::app
