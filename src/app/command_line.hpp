#pragma once

#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "app/screen.hpp"

namespace millrace::app {

/// A command with its options, ready to run.
using Command = std::function<Exit(Screen&)>;

/// Reads the arguments, the program's name left out: a command, or how it ended already: help was
/// printed, or what is wrong was said.
std::variant<Command, Exit> parse_command_line(const std::vector<std::string>& arguments,
                                               Screen& screen);

}  // namespace millrace::app
