#include <CLI/CLI.hpp>

#include "app/command_table.hpp"

namespace millrace::app {
namespace {

using deploy::CodeForm;
using deploy::Worker;

template <class Value>
void add_word(CLI::App& command, const std::string& name, Value& value,
              const std::map<std::string, Value>& words, const std::string& doc) {
  std::string all;
  for (const auto& [word, meaning] : words) all += (all.empty() ? "" : "|") + word;
  const auto set = [&value, words, all, name](const std::string& given) {
    const auto found = words.find(given);
    if (found == words.end()) {
      throw CLI::ValidationError(name, "'" + given + "' is none of " + all);
    }
    value = found->second;
  };
  command.add_option_function<std::string>(name, set, doc)->type_name(all);
}

void add_load(CLI::App& command, deploy::Options& how) {
  command.add_option("--rate", how.records_per_second, "Records a second, of each stream")
      ->capture_default_str()
      ->type_name("N");
  command.add_option("--record-bytes", how.record_bytes, "How large a record is")
      ->capture_default_str()
      ->type_name("N");
  command.add_option("--burst", how.burst, "How many times the rate at its highest")
      ->capture_default_str()
      ->type_name("N");
  command.add_flag("--on-demand", how.is_on_demand, "Streams grow and shrink by themselves");
}

void add_sizes(CLI::App& command, DeployOptions& options) {
  auto& how = options.how;
  command.add_option("--retention", options.retention, "How long streams keep records")
      ->capture_default_str()
      ->type_name("TIME");
  command
      .add_option("--window", how.window_seconds,
                  "Seconds that records are gathered for one invocation: cheaper, and later")
      ->capture_default_str()
      ->type_name("N");
  command.add_option("--memory", how.memory_mib, "MiB of the stream's function or task")
      ->capture_default_str()
      ->type_name("N");
  command.add_option("--jobs-memory", how.jobs_memory_mib, "MiB of the function that runs jobs")
      ->capture_default_str()
      ->type_name("N");
}

void add_aws(CLI::App& group, Command& chosen) {
  auto* command =
      group.add_subcommand("aws", "A CloudFormation template of a pipeline, with its cost");
  auto options = std::make_shared<DeployOptions>();
  auto& how = options->how;
  command->add_option("FILE", options->file, "The pipeline file")->required()->type_name("");
  command->add_option("--out", options->out, "The folder that is written; made if missing")
      ->type_name("DIR");
  command->add_flag("--plan", options->is_plan,
                    "Only say what it would be and cost, and write nothing");
  command->add_option("--stage", how.stage, "Part of all names")
      ->capture_default_str()
      ->type_name("NAME");
  add_word<Worker>(*command, "--worker", how.worker,
                   {{"lambda", Worker::Lambda}, {"fargate", Worker::Fargate}},
                   "What reads the streams [lambda]");
  add_word<CodeForm>(*command, "--code", how.code,
                     {{"zip", CodeForm::Zip}, {"image", CodeForm::Image}},
                     "How Lambda gets the program [zip]");
  add_load(*command, how);
  add_sizes(*command, *options);
  command
      ->add_option("--existing", how.existing,
                   "A bucket, stream, table or such that is there already, by its name in the file "
                   "or its variable; again for each")
      ->type_name("NAME");
  add_word<bool>(*command, "--on-delete", how.deletes_data, {{"keep", false}, {"delete", true}},
                 "What becomes of the data when the stack is deleted [keep]");
  add_output(*command, options->output, HasCsv::No);
  command->callback([options, &chosen] {
    if (options->out.empty() && !options->is_plan) throw CLI::RequiredError("--out or --plan");
    chosen = [options](Screen& screen) { return deploy_to_aws(*options, screen); };
  });
}

void add_lookup_load(CLI::App& group, Command& chosen) {
  auto* command = group.add_subcommand(
      "load", "Put the rows of a file into the table of DynamoDB that a lookup reads");
  auto options = std::make_shared<LookupLoadOptions>();
  command->add_option("FILE", options->file, "The pipeline file")->required()->type_name("");
  command->add_option("LOOKUP", options->lookup, "The lookup")->required()->type_name("");
  command->add_option("--from", options->from, "The rows: CSV, Parquet or JSON")
      ->required()
      ->type_name("FILE");
  command->callback([options, &chosen] {
    chosen = [options](Screen& screen) { return load_lookup(*options, screen); };
  });
}

}  // namespace

void add_aws_commands(CLI::App& app, Command& chosen) {
  auto* deploy = app.add_subcommand("deploy", "What a pipeline needs to run elsewhere");
  deploy->require_subcommand(1);
  add_aws(*deploy, chosen);
  auto* lookup = app.add_subcommand("lookup", "Reference data");
  lookup->require_subcommand(1);
  add_lookup_load(*lookup, chosen);
}

}  // namespace millrace::app
