#include <CLI/CLI.hpp>

#include "app/command_table.hpp"

namespace millrace::app {
namespace {

using base::Level;
using base::LogFormat;

template <class Value>
void add_words(CLI::App& command, const std::string& name, Value& value,
               const std::vector<std::pair<std::string, Value>>& words, const std::string& doc) {
  std::string all;
  for (const auto& [word, meaning] : words) all += (all.empty() ? "" : "|") + word;
  const auto set = [&value, words, all, name](const std::string& given) {
    for (const auto& [word, meaning] : words) {
      if (word == given) {
        value = meaning;
        return;
      }
    }
    throw CLI::ValidationError(name, "'" + given + "' is none of " + all);
  };
  command.add_option_function<std::string>(name, set, doc)->type_name(all);
}

void add_file(CLI::App& command, os::Path& file) {
  command.add_option("FILE", file, "The pipeline file")->required()->type_name("");
}

void add_run(CLI::App& app, Command& chosen) {
  auto* command = app.add_subcommand("run", "Run a pipeline: take records in, fill its tables");
  auto options = std::make_shared<RunOptions>();
  add_file(*command, options->file);
  command->add_option("--data", options->data, "The data folder; made if missing [millrace-data]")
      ->type_name("DIR");
  command->add_option("--listen", options->listen, "Where to listen; port 0: any free one")
      ->capture_default_str()
      ->type_name("HOST:PORT");
  command->add_flag("--insecure", options->is_insecure,
                    "Listen beyond this machine though nobody has to prove who they are");
  command
      ->add_option("--tls-certificate", options->tls_certificate,
                   "Speak TLS, with this certificate and those of its signers behind it (PEM)")
      ->type_name("FILE");
  command->add_option("--tls-key", options->tls_key, "The certificate's private key (PEM)")
      ->type_name("FILE");
  command
      ->add_option("--aws-keys", options->aws_keys,
                   "Keys that requests of the Kinesis API must be signed with: lines ID SECRET")
      ->type_name("FILE");
  command->add_flag("--accept-new-source", options->accepts_new_source,
                    "Read on though a source was deleted and made anew");
  command->add_flag("--accept-lost-records", options->accepts_lost_records,
                    "Read on behind records that Kinesis or Kafka no longer retains");
  command
      ->add_option("--memory", options->memory,
                   "About how much memory to use, divided among the parts")
      ->capture_default_str()
      ->type_name("BYTES");
  command
      ->add_option("--job-threads", options->job_threads,
                   "Partitions of a job that are computed at once [two for each core, at most 8]")
      ->check(CLI::Range(1, 64))
      ->type_name("N");
  command
      ->add_option("--lake-cache", options->lake_cache,
                   "Disk for copies of the tables' files, if the lake is on S3; 0: none")
      ->capture_default_str()
      ->type_name("BYTES");
  command
      ->add_option("--report-cache", options->report_cache,
                   "Memory for answers of reports that are given again; 0: none")
      ->capture_default_str()
      ->type_name("BYTES");
  add_words<LogFormat>(*command, "--log-format", options->log_format,
                       {{"text", LogFormat::Text}, {"json", LogFormat::Json}},
                       "Form of the log lines on standard error [text]");
  add_words<Level>(*command, "--log-level", options->log_level,
                   {{"debug", Level::Debug},
                    {"info", Level::Info},
                    {"warn", Level::Warn},
                    {"error", Level::Error}},
                   "Least level of the log lines [info]");
  command->callback([options, &chosen] {
    chosen = [options](Screen& screen) { return run_pipeline(*options, screen); };
  });
}

void add_validate(CLI::App& app, Command& chosen) {
  auto* command = app.add_subcommand("validate", "Say everything that is wrong with a file");
  auto options = std::make_shared<ValidateOptions>();
  command->add_option("FILE", options->file, "The pipeline file")->type_name("");
  add_words<bool>(*command, "--engine", options->is_for_spark,
                  {{"millrace", false}, {"spark", true}, {"glue", true}},
                  "Say also what this engine cannot run; asks the package millrace_spark");
  command->add_flag("--schema", options->wants_schema,
                    "Print the JSON Schema of pipeline files, for editors");
  command->add_flag("--reference", options->wants_reference,
                    "Print the reference page of pipeline files (Markdown)");
  add_output(*command, options->output, HasCsv::No);
  command->callback([options, &chosen] {
    if (options->file.empty() && !options->wants_schema && !options->wants_reference) {
      throw CLI::RequiredError("FILE");
    }
    chosen = [options](Screen& screen) { return validate_file(*options, screen); };
  });
}

void add_lambda(CLI::App& app, Command& chosen) {
  auto* command = app.add_subcommand(
      "lambda", "Serve as a function of AWS Lambda, whose runtime starts this (docs/lambda.md)");
  auto options = std::make_shared<LambdaOptions>();
  command
      ->add_option("FILE", options->file,
                   "The pipeline file [MILLRACE_PIPELINE, or pipeline.yaml in LAMBDA_TASK_ROOT]")
      ->type_name("");
  command->callback([options, &chosen] {
    chosen = [options](Screen& screen) { return run_lambda(*options, screen); };
  });
}

void add_plan(CLI::App& app, Command& chosen) {
  auto* command = app.add_subcommand(
      "plan", "Say what a file would change about what is there, and change nothing");
  auto options = std::make_shared<PlanOptions>();
  add_file(*command, options->file);
  command->add_option("--data", options->data, "The data folder [millrace-data]")->type_name("DIR");
  add_output(*command, options->output, HasCsv::No);
  command->callback([options, &chosen] {
    chosen = [options](Screen& screen) { return show_plan(*options, screen); };
  });
}

void add_test(CLI::App& app, Command& chosen) {
  auto* command = app.add_subcommand("test", "Run the tests that a file carries");
  auto options = std::make_shared<TestOptions>();
  add_file(*command, options->file);
  command->add_option("--name", options->name, "Only tests with this in their name")
      ->type_name("TEXT");
  add_output(*command, options->output, HasCsv::No);
  command->callback([options, &chosen] {
    chosen = [options](Screen& screen) { return test_file(*options, screen); };
  });
}

void add_doctor(CLI::App& app, Command& chosen) {
  auto* command = app.add_subcommand("doctor", "Check that this machine is fit to run a pipeline");
  auto options = std::make_shared<DoctorOptions>();
  command->add_option("FILE", options->file, "The pipeline file, to check it too")->type_name("");
  command->add_option("--data", options->data, "The data folder [millrace-data]")->type_name("DIR");
  command->add_option("--listen", options->listen, "Where it shall listen")
      ->capture_default_str()
      ->type_name("HOST:PORT");
  add_output(*command, options->output, HasCsv::No);
  command->callback([options, &chosen] {
    chosen = [options](Screen& screen) { return examine(*options, screen); };
  });
}

}  // namespace

void add_file_commands(CLI::App& app, Command& chosen) {
  add_run(app, chosen);
  add_validate(app, chosen);
  add_plan(app, chosen);
  add_test(app, chosen);
  add_doctor(app, chosen);
  add_lambda(app, chosen);
}

}  // namespace millrace::app
