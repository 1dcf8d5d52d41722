#include "app/command_line.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "app/command_table.hpp"
#include "base/text.hpp"

namespace millrace::app {
namespace {

constexpr std::string_view kAbout =
    "One program and one file for a hybrid data pipeline: events in, checked and enriched within\n"
    "milliseconds, exactly once in open tables, aggregated every night, queried at any time.";
constexpr std::string_view kExits = "Exit codes: 0 fine, 1 the work failed, 2 wrong usage or file.";

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  return names;
}

// The innermost command that `arguments` name, and which argument comes after its name.
std::pair<const CLI::App*, std::size_t> innermost(const CLI::App& app,
                                                  const std::vector<std::string>& arguments) {
  const CLI::App* command = &app;
  std::size_t at = 0;
  while (at < arguments.size()) {
    const auto all = command->get_subcommands([](const CLI::App*) { return true; });
    const auto next = std::ranges::find(all, arguments[at], &CLI::App::get_name);
    if (next == all.end()) break;
    command = *next;
    ++at;
  }
  return {command, at};
}

// What is wrong, for a word that should be a command or an option and is none.
std::string unknown_word(const CLI::App& app, const std::vector<std::string>& arguments) {
  const auto [command, at] = innermost(app, arguments);
  const auto commands = command_names(*command);
  const bool is_word = at < arguments.size() && !arguments[at].starts_with('-');
  if (!commands.empty() && is_word) {
    return fmt::format("no such command '{}'{}", base::printable(arguments[at]),
                       base::did_you_mean(arguments[at], commands));
  }
  std::vector<std::string> options;
  for (const auto* option : command->get_options()) {
    for (const auto& name : option->get_lnames()) options.push_back("--" + name);
  }
  for (const auto& argument : arguments) {
    const auto name = argument.substr(0, argument.find('='));
    if (!name.starts_with("--") || name == "--" || std::ranges::count(options, name) > 0) continue;
    return fmt::format("no such option {}{}", base::printable(name),
                       base::did_you_mean(name, options));
  }
  return "";
}

Exit explain(const CLI::App& app, const std::vector<std::string>& arguments,
             const CLI::ParseError& error, Screen& screen) {
  auto what = unknown_word(app, arguments);
  if (what.empty()) what = error.what();
  const auto [command, at] = innermost(app, arguments);
  std::string name = "millrace";
  for (std::size_t i = 0; i < at; ++i) name += " " + arguments[i];
  screen.error({base::Code::Invalid, what});
  screen.note(fmt::format("try: {} --help", name));
  return Exit::Usage;
}

}  // namespace

void add_output(CLI::App& command, Output& output, HasCsv has_csv) {
  const bool may_csv = has_csv == HasCsv::Yes;
  const std::string words = may_csv ? "table|csv|json" : "table|json";
  const auto set = [&output, may_csv, words](const std::string& word) {
    if (word == "table") {
      output = Output::Table;
    } else if (word == "json") {
      output = Output::Json;
    } else if (word == "csv" && may_csv) {
      output = Output::Csv;
    } else {
      throw CLI::ValidationError("--output", fmt::format("'{}' is none of {}", word, words));
    }
  };
  command.add_option_function<std::string>("-o,--output", set, "Form of the answer [table]")
      ->type_name(words);
}

std::variant<Command, Exit> parse_command_line(const std::vector<std::string>& arguments,
                                               Screen& screen) {
  CLI::App app{std::string(kAbout), "millrace"};
  app.set_version_flag("--version", "millrace " MILLRACE_VERSION);
  app.footer(std::string(kExits));
  app.require_subcommand(1);
  Command chosen;
  add_file_commands(app, chosen);
  add_aws_commands(app, chosen);
  add_verify_commands(app, chosen);
  add_companions(app, chosen);
  auto reversed = arguments;
  std::ranges::reverse(reversed);
  try {
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    const auto* command = innermost(app, arguments).first;
    screen.print(command->help());
    return Exit::Fine;
  } catch (const CLI::CallForVersion& version) {
    screen.line(version.what());
    return Exit::Fine;
  } catch (const CLI::ParseError& error) {
    if (arguments.empty()) {
      screen.print(app.help());
      return Exit::Usage;
    }
    return explain(app, arguments, error, screen);
  }
  return chosen;
}

}  // namespace millrace::app
