#include "deploy/steps.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "deploy/names.hpp"
#include "deploy/prices.hpp"

namespace millrace::deploy {
namespace {

std::string stack_name(const Site& site) {
  const bool begins_with_letter = site.small_prefix.front() >= 'a';
  return begins_with_letter ? site.small_prefix : "millrace-" + site.small_prefix;
}

bool needs_zip(const Site& site) {
  return site.is_lambda() && site.options.code == CodeForm::Zip;
}

bool has_glue(const Site& site) {
  const auto* job = site.thing(Part::GlueJob);
  return job && job->is_made();
}

/// Files that the pipeline reads, relative to its own folder.
std::set<std::string> local_files(const config::Pipeline& pipeline) {
  std::set<std::string> files;
  const auto folder = pipeline.file.parent_path();
  const auto add = [&](const std::filesystem::path& path) {
    if (!path.empty()) files.insert(path.lexically_relative(folder).string());
  };
  for (const auto& lookup : pipeline.lookups) {
    if (const auto* file = std::get_if<config::LookupFile>(&lookup.from)) add(file->path);
  }
  const auto add_kafka = [&](const config::KafkaSecurity& security) {
    add(security.ca), add(security.certificate), add(security.key);
  };
  for (const auto& source : pipeline.sources) {
    if (source.registry) add(source.registry->ca);
    const auto* kafka = std::get_if<config::KafkaSource>(&source.from);
    if (kafka) add_kafka(kafka->security);
  }
  for (const auto& alert : pipeline.alerts) {
    for (const auto& target : alert.targets) {
      const auto* kafka = std::get_if<config::KafkaTarget>(&target.to);
      if (kafka) add_kafka(kafka->security);
    }
  }
  return files;
}

class Page {
 public:
  void title(std::string_view text) { text_ += fmt::format("\n## {}. {}\n\n", ++steps_, text); }
  void say(std::string_view text) { text_ += std::string(text) + "\n"; }
  void call(std::string_view text) { text_ += "    " + std::string(text) + "\n"; }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
  int steps_ = 0;
};

void tell_zip(Page& page, const Site& site) {
  page.title("Pack the program, the pipeline file and the files that it names");
  page.say(fmt::format("In Millrace's own folder, where PIPELINE is {} with its path:\n",
                       site.pipeline.file.filename().string()));
  page.call("./mill package lambda --pipeline PIPELINE");
  page.call("CODE=$(ls build/packages/millrace-*-lambda.zip)");
  page.call(fmt::format("CODE_KEY={}/$(sha256sum \"$CODE\" | cut -c1-16).zip", site.small_prefix));
  page.call("aws s3 cp \"$CODE\" \"s3://$CODE_BUCKET/$CODE_KEY\"");
  page.say(
      "\nUnpacked it may have 250 MB; a larger one goes as an image (`--code image`). The key "
      "changes "
      "with what\nis in it, so that CloudFormation sees a new program.");
}

void tell_image(Page& page, const Site& site) {
  page.title("Make an image of the program, the pipeline file and the files that it names");
  page.say(
      "MILLRACE_IMAGE is the image that `./mill package image` makes, IMAGE_REPOSITORY a "
      "repository "
      "of\nECR, IMAGE_URI its address with a tag of this version. In the pipeline file's folder; "
      "OUT "
      "is this one:\n");
  page.call("mkdir -p OUT/code");
  page.call(fmt::format("cp {} OUT/code/pipeline.yaml", site.pipeline.file.filename().string()));
  for (const auto& one : local_files(site.pipeline)) {
    page.call(fmt::format("cp --parents {} OUT/code/", one));
  }
  page.call(R"(printf 'FROM %s\nCOPY . /etc/millrace/\n' "$MILLRACE_IMAGE" > OUT/Dockerfile)");
  page.call("docker build -t \"$IMAGE_URI\" -f OUT/Dockerfile OUT/code");
  page.call("docker push \"$IMAGE_URI\"");
}

void tell_glue(Page& page, const Site& site) {
  page.title("Bring Glue its script and package");
  page.say("In Millrace's own folder:\n");
  page.call("pip wheel --no-deps -w OUT spark/");
  page.call(R"(printf 'from millrace_spark.glue import main\nmain()\n' > OUT/glue_job.py)");
  page.call(fmt::format("aws s3 cp OUT/glue_job.py \"s3://$CODE_BUCKET/{}/\"", site.prefix));
  page.call(
      fmt::format("aws s3 cp OUT/millrace_spark-0.1.0-py3-none-any.whl "
                  "\"s3://$CODE_BUCKET/{}/\"",
                  site.prefix));
  const auto& file = site.pipeline.engines.glue->file;
  const auto name = site.pipeline.file.filename().string();
  const auto place = file.starts_with("s3://")
                         ? file
                         : fmt::format("\"s3://$CODE_BUCKET/{}/{}\"", site.prefix, file);
  page.call(fmt::format("aws s3 cp {} {}", name, place));
}

void tell_secrets(Page& page, const Site& site) {
  const bool has_secrets = std::ranges::any_of(
      site.variables, [](const Variable& variable) { return variable.is_secret; });
  if (!has_secrets) return;
  page.title("Keep the secrets");
  page.say("Each call answers with an ARN: put it into parameters.json.\n");
  for (const auto& variable : site.variables) {
    if (!variable.is_secret) continue;
    page.call(
        fmt::format("aws secretsmanager create-secret --name {}-{} --secret-string "
                    "file://{}.txt     # {}{}",
                    site.prefix, variable.name, variable.name, parameter_of(variable.name),
                    variable.fallback ? ", may be left out" : ""));
  }
}

void tell_deploy(Page& page, const Site& site) {
  page.title("Make it all");
  page.say(
      "What stands between < and > in parameters.json is put in here; look through the "
      "others.\n");
  page.call("sed -e \"s|<CODE_BUCKET>|$CODE_BUCKET|; s|<CODE_KEY>|$CODE_KEY|\" \\");
  page.call("    -e \"s|<IMAGE_URI>|$IMAGE_URI|; s|<IMAGE_REPOSITORY>|$IMAGE_REPOSITORY|\" \\");
  page.call("    OUT/parameters.json > OUT/parameters.filled.json");
  page.call(
      fmt::format("aws cloudformation deploy --stack-name {} --template-file "
                  "OUT/template.json \\",
                  stack_name(site)));
  page.call(
      fmt::format("    --s3-bucket \"$CODE_BUCKET\" --s3-prefix {} --capabilities "
                  "CAPABILITY_NAMED_IAM \\",
                  site.small_prefix));
  page.call("    --parameter-overrides file://OUT/parameters.filled.json");
  page.call(
      fmt::format("aws cloudformation describe-stacks --stack-name {} --query "
                  "'Stacks[0].Outputs' --output table",
                  stack_name(site)));
}

void tell_data(Page& page, const Site& site) {
  const auto file = site.pipeline.file.filename().string();
  bool has_title = false;
  const auto title = [&] {
    if (!has_title) page.title("Bring the reference data");
    has_title = true;
  };
  for (const auto& lookup : site.pipeline.lookups) {
    if (const auto* table = site.thing(Part::LookupTable, lookup.name)) {
      if (table->id.empty()) continue;
      title();
      page.call(fmt::format(
          "{}millrace lookup load {} {} --from {}.csv",
          table->variable.empty() ? "" : fmt::format("{}={} ", table->variable, table->made_name),
          file, lookup.name, lookup.name));
    } else if (const auto* bucket = site.thing(Part::Bucket, lookup.name)) {
      title();
      const auto& key = std::get<config::S3Place>(lookup.from).key;
      page.call(fmt::format("aws s3 cp {} \"s3://{}/{}\"",
                            std::filesystem::path(key).filename().string(),
                            bucket->id.empty() ? bucket->given_name : "$LAKE_BUCKET", key));
    }
  }
  if (has_title)
    page.say(
        "\nLAKE_BUCKET is the output LakeBucketName. Until then the program ends "
        "with what it misses.");
}

void tell_redshift(Page& page, const Site& site) {
  const auto made = std::ranges::find_if(site.things, [](const Thing& thing) {
    return thing.part == Part::Workgroup && thing.is_made();
  });
  if (made == site.things.end()) return;
  const auto* warehouse = site.pipeline.warehouse(made->of);
  page.title("Let the program into the warehouse");
  page.say("It comes as a user of its role, which may make tables:\n");
  const auto role =
      fmt::format("{}-{}-$AWS_REGION", site.prefix, site.is_lambda() ? "jobs" : "task");
  page.call(fmt::format(
      "aws redshift-data batch-execute-statement --workgroup-name {} --database {} --sqls \\",
      made->made_name, warehouse->redshift.database));
  page.call(fmt::format("    \"CREATE USER \\\"IAMR:{}\\\" PASSWORD DISABLE\" \\", role));
  page.call(fmt::format("    \"GRANT CREATE, USAGE ON SCHEMA public TO \\\"IAMR:{}\\\"\"", role));
}

void tell_end(Page& page, const Site& site) {
  page.title("Take it away again");
  if (site.options.deletes_data) {
    page.say("The data go with it; the bucket must be empty before, all versions of it.\n");
  } else {
    page.say(
        "The bucket, the streams, tables of lookups and Redshift's namespace stay, and cost "
        "what they hold.\nA stack made anew uses them with `--existing NAME`, their names as "
        "parameters.\n");
  }
  page.call(fmt::format("aws cloudformation delete-stack --stack-name {}", stack_name(site)));
}

}  // namespace

std::string steps_of(const Site& site, const Deployment& deployment) {
  Page page;
  page.say(fmt::format("# {} on AWS\n", site.prefix));
  page.say(fmt::format("{} from {}; docs/deploy_aws.md tells of it.", kOurs,
                       site.pipeline.file.filename().string()));
  if (!deployment.warnings.empty()) page.say("");
  for (const auto& warning : deployment.warnings) page.say("- Mind: " + warning + ".");
  page.say("\nCODE_BUCKET is a bucket of yours in the same region, AWS_REGION that region.");
  if (needs_zip(site)) {
    tell_zip(page, site);
  } else {
    tell_image(page, site);
  }
  if (has_glue(site)) tell_glue(page, site);
  tell_secrets(page, site);
  tell_deploy(page, site);
  tell_data(page, site);
  tell_redshift(page, site);
  tell_end(page, site);
  page.say(fmt::format(
      "\n## What it costs in a month\n\nAt {} records of {} bytes a second in each "
      "stream, all the time, with prices of {} of {}, from memory.\n",
      site.options.records_per_second, site.options.record_bytes, kPriceRegion, kPriceDate));
  page.say("| what | computed | $ |\n|---|---|---|");
  double sum = 0;
  for (const auto& cost : deployment.costs) {
    page.say(fmt::format("| {} | {} | {:.2f} |", cost.what, cost.formula, cost.dollars));
    sum += cost.dollars;
  }
  page.say(fmt::format("| **together** | | **{:.2f}** |", sum));
  return page.take();
}

}  // namespace millrace::deploy
