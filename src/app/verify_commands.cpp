#include <CLI/CLI.hpp>

#include "app/command_table.hpp"
#include "app/evaluate_command.hpp"
#include "app/generate.hpp"
#include "base/text.hpp"

namespace millrace::app {
namespace {

void add_shares(CLI::App& command, verify::Shares& shares) {
  command.add_option("--invalid", shares.invalid, "Share of records that belong into the rejects")
      ->capture_default_str()
      ->type_name("0..1");
  command.add_option("--late", shares.late, "Share of records whose event time is long ago")
      ->capture_default_str()
      ->type_name("0..1");
  command.add_option("--duplicate", shares.duplicate, "Share of records that were sent before")
      ->capture_default_str()
      ->type_name("0..1");
}

void add_amounts(CLI::App& command, GenerateOptions& options) {
  command.add_option("--rate", options.generator.records_per_second, "Records a second")
      ->capture_default_str()
      ->type_name("N");
  command
      .add_option("--burst", options.bursts,
                  "More for a while: 10x@20s/5s is ten times the rate after 20 s, for 5 s; may be "
                  "repeated")
      ->type_name("BURST")
      ->allow_extra_args(false);
  command.add_option("--count", options.count, "How many records")->type_name("N");
  command.add_option("--duration", options.duration, "Instead: as many as are due in this time")
      ->type_name("TIME");
  command.add_option("--seed", options.generator.seed, "The same seed and start: the same records")
      ->capture_default_str()
      ->type_name("N");
  command.add_option("--start", options.start, "When the first record is due [now]")
      ->type_name("TIME");
}

void add_targets(CLI::App& command, GenerateOptions& options) {
  command
      .add_option("--to", options.to,
                  "Where to: a file, - for standard output, http://HOST:PORT of an instance, "
                  "kinesis://STREAM")
      ->capture_default_str()
      ->type_name("WHERE");
  command.add_option("--stream", options.stream, "Over HTTP: the stream [the dataset's name]")
      ->type_name("NAME");
  command.add_option("--labels", options.labels, "Write the truth about each record to this file")
      ->type_name("FILE");
  command.add_option("--lookups", options.lookups, "Write the example's lookup files here first")
      ->type_name("DIR");
  command.add_flag("--live", options.is_live, "To a file: at the rate, not as fast as it can");
  command.add_option("--records-per-body", options.records_per_body, "Over HTTP: records at most")
      ->capture_default_str()
      ->type_name("N");
  command.add_option("--connections", options.connections, "Over HTTP: how many at once")
      ->capture_default_str()
      ->type_name("N");
}

void add_generate(CLI::App& app, Command& chosen) {
  auto* command = app.add_subcommand("generate", "Make records whose truth is known");
  auto options = std::make_shared<GenerateOptions>();
  const auto names = base::join(verify::dataset_names(), ", ");
  command->add_option("DATASET", options->generator.dataset, names)->required()->type_name("");
  add_amounts(*command, *options);
  add_shares(*command, options->generator.shares);
  command->add_option("--timezone", options->generator.timezone, "Of the days in the labels")
      ->capture_default_str()
      ->type_name("ZONE");
  command
      ->add_option("--owners", options->generator.owners,
                   "Customers, devices or accounts that the lookups know")
      ->capture_default_str()
      ->type_name("N");
  add_targets(*command, *options);
  command->callback([options, &chosen] {
    chosen = [options](Screen& screen) { return generate(*options, screen); };
  });
}

void add_evaluate(CLI::App& app, Command& chosen) {
  auto* command = app.add_subcommand(
      "evaluate", "Measure a pipeline that does the reference job, and judge it");
  auto options = std::make_shared<EvaluateOptions>();
  auto& evaluate = options->evaluate;
  command->add_option("FILE", options->file, "The pipeline file")->required()->type_name("");
  command
      ->add_option(
          "--data", options->data,
          "Measure the instance that runs on this folder [one of its own, in a new folder]")
      ->type_name("DIR");
  command->add_option("--rate", evaluate.records_per_second, "Orders a second")
      ->capture_default_str()
      ->type_name("N");
  command->add_option("--duration", options->duration, "How long to send [30s]")->type_name("TIME");
  command
      ->add_option("--burst", options->burst,
                   "10x@15s/5s is ten times the rate after 15 s, for 5 s [in the middle]")
      ->type_name("BURST");
  command
      ->add_option("--seed", evaluate.seed, "The same seed: the same orders, but for their times")
      ->capture_default_str()
      ->type_name("N");
  command->add_option("--records-per-body", evaluate.records_per_body, "Orders in one request")
      ->capture_default_str()
      ->type_name("N");
  add_shares(*command, evaluate.shares);
  add_output(*command, options->output, HasCsv::No);
  command->callback([options, &chosen] {
    chosen = [options](Screen& screen) { return app::evaluate(*options, screen); };
  });
}

}  // namespace

void add_verify_commands(CLI::App& app, Command& chosen) {
  add_generate(app, chosen);
  add_evaluate(app, chosen);
}

}  // namespace millrace::app
