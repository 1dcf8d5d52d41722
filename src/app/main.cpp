#include <filesystem>
#include <string>
#include <variant>
#include <vector>

#include "app/command_line.hpp"
#include "app/screen.hpp"

int main(int count, char** values) {
  using namespace millrace::app;
  Screen screen;
  std::vector<std::string> arguments(values + (count > 0 ? 1 : 0), values + count);
  // What AWS Lambda starts has this name, and no arguments.
  const bool is_bootstrap =
      count == 1 && std::filesystem::path(values[0]).filename() == "bootstrap";
  if (is_bootstrap) arguments = {"lambda"};
  auto parsed = parse_command_line(arguments, screen);
  const auto* command = std::get_if<Command>(&parsed);
  const auto exit = command ? (*command)(screen) : std::get<Exit>(parsed);
  screen.flush();
  return static_cast<int>(exit);
}
