#include <string>
#include <variant>
#include <vector>

#include "app/command_line.hpp"
#include "app/screen.hpp"

int main(int count, char** values) {
  using namespace millrace::app;
  Screen screen;
  const std::vector<std::string> arguments(values + (count > 0 ? 1 : 0), values + count);
  auto parsed = parse_command_line(arguments, screen);
  const auto* command = std::get_if<Command>(&parsed);
  const auto exit = command ? (*command)(screen) : std::get<Exit>(parsed);
  screen.flush();
  return static_cast<int>(exit);
}
