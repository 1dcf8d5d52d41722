// What of a pipeline file are names of parts of AWS.
#include <algorithm>

#include "deploy/variables.hpp"

namespace millrace::deploy {
namespace {

using Facts = std::vector<Fact>;

void add_secret(Facts& facts, const std::string& of, const std::string& value) {
  if (!value.empty()) facts.push_back({Part::Secret, of, value});
}

void add_kafka(Facts& facts, const std::string& of, const config::KafkaSecurity& security) {
  add_secret(facts, of + " password", security.password);
  add_secret(facts, of + " key password", security.key_password);
}

struct SourceFacts {
  Facts& facts;
  const std::string& name;

  void operator()(const config::LogSource&) const {}
  void operator()(const config::FilesSource& from) const {
    if (!from.s3) return;
    facts.push_back({Part::Bucket, name, from.s3->bucket});
    facts.push_back({Part::Path, name, from.s3->key});
  }
  void operator()(const config::KinesisSource& from) const {
    facts.push_back({Part::Stream, name, from.stream});
  }
  void operator()(const config::KafkaSource& from) const { add_kafka(facts, name, from.security); }
};

struct LookupFacts {
  Facts& facts;
  const std::string& name;

  void operator()(const config::LookupFile&) const {}
  void operator()(const config::S3Place& from) const {
    facts.push_back({Part::Bucket, name, from.bucket});
    facts.push_back({Part::Path, name, from.key});
  }
  void operator()(const config::LookupDynamoDb& from) const {
    facts.push_back({Part::LookupTable, name, from.table});
  }
  void operator()(const config::LookupPostgres& from) const { add_secret(facts, name, from.url); }
};

struct TargetFacts {
  Facts& facts;
  const std::string& name;

  void operator()(const config::WebhookTarget& to) const {
    add_secret(facts, name + " url", to.url);
    for (const auto& secret : to.secrets) add_secret(facts, name + " secret", secret);
    for (const auto& [header, value] : to.headers) add_secret(facts, name + " " + header, value);
  }
  void operator()(const config::SnsTarget& to) const {
    facts.push_back({Part::Topic, name, to.topic});
  }
  void operator()(const config::SqsTarget& to) const {
    facts.push_back({Part::Queue, name, to.queue});
  }
  void operator()(const config::KinesisTarget& to) const {
    facts.push_back({Part::AlertStream, name, to.stream});
  }
  void operator()(const config::KafkaTarget& to) const { add_kafka(facts, name, to.security); }
  void operator()(const config::LogTarget&) const {}
};

void add_warehouse(Facts& facts, const config::Warehouse& warehouse) {
  const auto& name = warehouse.name;
  add_secret(facts, name, warehouse.url);
  if (warehouse.kind != config::Warehouse::Kind::Redshift) return;
  const auto& redshift = warehouse.redshift;
  facts.push_back({Part::Workgroup, name, redshift.workgroup});
  facts.push_back({Part::RedshiftRole, name, redshift.role});
  facts.push_back({Part::Bucket, name, redshift.staging.bucket});
  facts.push_back({Part::Path, name, redshift.staging.key});
}

}  // namespace

std::vector<Fact> facts_of(const config::Pipeline& pipeline) {
  Facts facts;
  if (pipeline.is_lake_on_s3()) {
    const auto place = pipeline.lake.substr(5);
    const auto slash = std::min(place.find('/'), place.size());
    facts.push_back({Part::LakeBucket, "", place.substr(0, slash)});
    facts.push_back({Part::Path, "lake", place.substr(slash)});
  }
  for (const auto& source : pipeline.sources) {
    std::visit(SourceFacts{facts, source.name}, source.from);
    if (source.registry) add_secret(facts, source.name + " registry", source.registry->password);
  }
  for (const auto& lookup : pipeline.lookups) {
    std::visit(LookupFacts{facts, lookup.name}, lookup.from);
  }
  for (const auto& alert : pipeline.alerts) {
    for (const auto& target : alert.targets) {
      std::visit(TargetFacts{facts, alert.name}, target.to);
    }
    if (!alert.dead_letter) continue;
    const auto name = alert.name + "_dead";
    std::visit(TargetFacts{facts, name}, alert.dead_letter->to);
  }
  for (const auto& warehouse : pipeline.warehouses) add_warehouse(facts, warehouse);
  if (const auto& glue = pipeline.engines.glue) {
    facts.push_back({Part::GlueJob, "", glue->job});
    facts.push_back({Part::Path, "glue", glue->file});
  }
  return facts;
}

}  // namespace millrace::deploy
