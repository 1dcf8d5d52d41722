#include <CLI/CLI.hpp>

#include "app/command_table.hpp"

namespace millrace::app {
namespace {

// One command: what it is called, what it does, what it may be given.
template <class Options>
struct Companion {
  std::string name;
  std::string doc;
  Exit (*run)(const Options&, Screen&);
  std::function<void(CLI::App&, Options&)> add;  ///< its options
  HasCsv has_csv = HasCsv::No;
};

template <class Options>
void add_companion(CLI::App& parent, Command& chosen, const Companion<Options>& companion) {
  auto* command = parent.add_subcommand(companion.name, companion.doc);
  auto options = std::make_shared<Options>();
  if (companion.add) companion.add(*command, *options);
  auto& data = [&]() -> DataOptions& {
    if constexpr (requires { options->data.data; }) {
      return options->data;
    } else {
      return *options;
    }
  }();
  command->add_option("--data", data.data, "The data folder [millrace-data]")->type_name("DIR");
  add_output(*command, data.output, companion.has_csv);
  command->callback([options, run = companion.run, &chosen] {
    chosen = [options, run](Screen& screen) { return run(*options, screen); };
  });
}

CLI::App& add_group(CLI::App& app, const std::string& name, const std::string& doc) {
  auto* group = app.add_subcommand(name, doc);
  group->require_subcommand(1);
  return *group;
}

void add_name(CLI::App& command, const std::string& what, std::string& name,
              const std::string& doc) {
  command.add_option(what, name, doc)->required()->type_name("");
}

void add_limit(CLI::App& command, std::uint64_t& limit) {
  command.add_option("--limit", limit, "How many at most, newest first")
      ->capture_default_str()
      ->type_name("N");
}

void add_tail(CLI::App& app, Command& chosen) {
  auto* tail = app.add_subcommand("tail", "Show a table's new rows as they come, as JSON lines");
  auto options = std::make_shared<TailOptions>();
  add_name(*tail, "TABLE", options->table, "The table");
  tail->add_option("--limit", options->limit, "End after so many rows")->type_name("N");
  tail->add_option("--data", options->data, "The data folder [millrace-data]")->type_name("DIR");
  tail->callback([options, &chosen] {
    chosen = [options](Screen& screen) { return tail_table(*options, screen); };
  });
}

void add_queries(CLI::App& app, Command& chosen) {
  add_companion<QueryOptions>(
      app, chosen,
      {"query", "Run one SELECT over the tables as they are now", query_tables,
       [](CLI::App& command, QueryOptions& options) {
         add_name(command, "SQL", options.sql, "The SELECT; - reads it from standard input");
         command
             .add_option("-p,--parameter", options.parameters,
                         "A value for $name in the SQL; may be repeated")
             ->type_name("NAME=VALUE")
             ->allow_extra_args(false);
         command.add_option("--rows-max", options.rows_max, "Rows at most")
             ->capture_default_str()
             ->type_name("N");
         command.add_option("--timeout", options.timeout, "How long it may take")
             ->capture_default_str()
             ->type_name("TIME");
       },
       HasCsv::Yes});
  add_companion<ReportOptions>(
      app, chosen,
      {"report", "Show a report of the pipeline file; without a name: which there are", show_report,
       [](CLI::App& command, ReportOptions& options) {
         command.add_option("NAME", options.report, "The report")->type_name("");
         command.add_option("PARAMETER", options.parameters, "Its parameters, as name=value")
             ->type_name("");
       },
       HasCsv::Yes});
}

void add_jobs(CLI::App& app, Command& chosen) {
  auto& group = add_group(app, "job", "The jobs of the pipeline file");
  add_companion<JobOptions>(
      group, chosen, {"list", "The jobs, when they run next, and their partitions", list_jobs, {}});
  add_companion<JobOptions>(
      group, chosen,
      {"history", "The latest runs", list_runs, [](CLI::App& command, JobOptions& options) {
         command.add_option("NAME", options.job, "Of this job alone")->type_name("");
         add_limit(command, options.limit);
       }});
  add_companion<JobOptions>(
      group, chosen,
      {"run", "Run a job now: one partition, or every one that is stale", run_job,
       [](CLI::App& command, JobOptions& options) {
         add_name(command, "NAME", options.job, "The job");
         command.add_option("PARTITION", options.partition, "For example 2026-11-20")
             ->type_name("");
       }});
  add_companion<JobOptions>(
      group, chosen,
      {"load", "Load a job's table into its warehouse: what waits, or one partition once more",
       load_job, [](CLI::App& command, JobOptions& options) {
         add_name(command, "NAME", options.job, "The job");
         command.add_option("PARTITION", options.partition, "For example 2026-11-20")
             ->type_name("");
       }});
  add_companion<JobOptions>(
      group, chosen,
      {"prove",
       "Prove that totals equal what came in: of streams' tables, that each record is there, "
       "rejected or filtered; of jobs, that the warehouse has what the lake has",
       prove_job, [](CLI::App& command, JobOptions& options) {
         command.add_option("NAME", options.job, "A table or a job; without it: all of them")
             ->type_name("");
         command.add_option("PARTITION", options.partition, "Of a job, for example 2026-11-20")
             ->type_name("");
       }});
  add_companion<JobOptions>(
      group, chosen,
      {"backfill", "Run a job for each of its partitions from FROM to TO, both included",
       backfill_job, [](CLI::App& command, JobOptions& options) {
         add_name(command, "NAME", options.job, "The job");
         add_name(command, "FROM", options.from, "The first partition");
         add_name(command, "TO", options.to, "The last partition");
         command.add_flag("--dry-run", options.is_dry_run, "Only say which would run");
       }});
}

void add_reject_filter(CLI::App& command, RejectsOptions& options) {
  command.add_option("--table", options.table, "Of this table alone")->type_name("NAME");
  command.add_option("--reason", options.reason, "With this reason alone")->type_name("REASON");
  command.add_option("--since", options.since, "Rejected at this time or later")->type_name("TIME");
}

void add_rejects(CLI::App& app, Command& chosen) {
  auto& group = add_group(app, "rejects", "Records that a table did not take, and why");
  add_companion<RejectsOptions>(group, chosen,
                                {"list", "The newest rejects, and how many there are by reason",
                                 list_rejects, [](CLI::App& command, RejectsOptions& options) {
                                   add_reject_filter(command, options);
                                   command
                                       .add_option("--stage", options.stage, "Of this stage alone")
                                       ->type_name("decode|expect|unique|sql");
                                   add_limit(command, options.limit);
                                 }});
  add_companion<RejectsOptions>(
      group, chosen,
      {"show", "All about some rejects, with the records' bytes", show_rejects,
       [](CLI::App& command, RejectsOptions& options) {
         command.add_option("ID", options.ids, "As `list` shows it")->required()->type_name("");
       }});
  add_companion<RejectsOptions>(
      group, chosen,
      {"replay", "Put rejects into the stream once more, after a fix", replay_rejects,
       [](CLI::App& command, RejectsOptions& options) {
         command.add_option("ID", options.ids, "These alone")->type_name("");
         add_reject_filter(command, options);
         command.add_flag("--include-duplicates", options.has_duplicates,
                          "Also those that were rejected as duplicates");
       }});
}

void add_alerts(CLI::App& app, Command& chosen) {
  auto& group = add_group(app, "alerts", "Messages about rows, and what became of them");
  const auto add_alert = [](CLI::App& command, AlertsCommandOptions& options) {
    command.add_option("--alert", options.alert, "Of this alert alone")->type_name("NAME");
  };
  add_companion<AlertsCommandOptions>(
      group, chosen,
      {"list", "How the deliveries are, and the newest alerts", list_alerts,
       [add_alert](CLI::App& command, AlertsCommandOptions& options) {
         add_alert(command, options);
         command.add_option("--target", options.target, "Of this target alone")
             ->type_name("webhook|sns|sqs|kinesis|log");
         command.add_option("--outcome", options.outcome, "That ended so")
             ->type_name("sent|dead|suppressed");
         command.add_option("--since", options.since, "That ended at this time or later")
             ->type_name("TIME");
         add_limit(command, options.limit);
       }});
  add_companion<AlertsCommandOptions>(
      group, chosen,
      {"show", "All about some alerts", show_alerts,
       [](CLI::App& command, AlertsCommandOptions& options) {
         command.add_option("ID", options.ids, "As `list` shows it")->required()->type_name("");
       }});
  add_companion<AlertsCommandOptions>(
      group, chosen,
      {"retry", "Send dead alerts once more", retry_alerts,
       [add_alert](CLI::App& command, AlertsCommandOptions& options) {
         command.add_option("ID", options.ids, "These alone")->type_name("");
         add_alert(command, options);
         options.limit = 100;
         command.add_option("--limit", options.limit, "How many at most, oldest first")
             ->capture_default_str()
             ->type_name("N");
       }});
}

void add_tables(CLI::App& app, Command& chosen) {
  auto& group = add_group(app, "table", "The tables, and their upkeep");
  const auto add_table = [](CLI::App& command, TableOptions& options) {
    add_name(command, "NAME", options.table, "The table");
  };
  add_companion<TableOptions>(group, chosen,
                              {"list", "The tables, their rows and files", list_tables, {}});
  add_companion<TableOptions>(group, chosen,
                              {"history", "The commits of a table", show_history,
                               [add_table](CLI::App& command, TableOptions& options) {
                                 add_table(command, options);
                                 add_limit(command, options.limit);
                               }});
  add_companion<TableOptions>(
      group, chosen,
      {"compact", "Rewrite small files into large ones; changes no row", compact_table,
       [add_table](CLI::App& command, TableOptions& options) {
         add_table(command, options);
         command
             .add_option("--target-bytes", options.target_bytes, "Size of the new files [128MiB]")
             ->type_name("BYTES");
       }});
  add_companion<TableOptions>(
      group, chosen,
      {"maintain", "What the schedule does: all upkeep of one table, or of all", maintain_tables,
       [](CLI::App& command, TableOptions& options) {
         command.add_option("NAME", options.table, "The table; all if left out")->type_name("");
       }});
  add_companion<TableOptions>(
      group, chosen,
      {"vacuum", "Delete files that no version within the retention needs", vacuum_table,
       [add_table](CLI::App& command, TableOptions& options) {
         add_table(command, options);
         command.add_option("--retention", options.retention, "How long old versions stay")
             ->capture_default_str()
             ->type_name("TIME");
         command.add_flag("--dry-run", options.is_dry_run, "Only say what would be deleted");
       }});
}

}  // namespace

void add_companions(CLI::App& app, Command& chosen) {
  add_queries(app, chosen);
  add_tail(app, chosen);
  add_jobs(app, chosen);
  add_rejects(app, chosen);
  add_alerts(app, chosen);
  add_tables(app, chosen);
  add_companion<DataOptions>(app, chosen,
                             {"status", "How the running instance is", show_status, {}});
}

}  // namespace millrace::app
