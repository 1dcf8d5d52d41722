#pragma once

#include <string>

#include "app/command_line.hpp"
#include "app/commands.hpp"

namespace CLI {
class App;
}

namespace millrace::app {

// Each adds its commands to `app`; the one that was given puts itself into `chosen`.

/// run, validate, plan, test, doctor, lambda.
void add_file_commands(CLI::App& app, Command& chosen);
/// deploy, lookup.
void add_aws_commands(CLI::App& app, Command& chosen);
/// generate, evaluate.
void add_verify_commands(CLI::App& app, Command& chosen);
/// query, report, job, rejects, alerts, table, status.
void add_companions(CLI::App& app, Command& chosen);

/// `--output table|csv|json`.
enum class HasCsv : std::uint8_t { No, Yes };
void add_output(CLI::App& command, Output& output, HasCsv has_csv);

}  // namespace millrace::app
