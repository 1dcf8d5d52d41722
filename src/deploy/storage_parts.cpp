// What holds data: the lake's bucket, streams, tables of lookups; and topics.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "deploy/names.hpp"
#include "deploy/site.hpp"

namespace millrace::deploy {
namespace {

constexpr int kOldVersionDays = 30;
constexpr int kStagedDays = 7;

Json lifecycle_rules(const Site& site) {
  Json rules = Json::array();
  rules.push_back({{"Id", "IncompleteUploads"},
                   {"Status", "Enabled"},
                   {"AbortIncompleteMultipartUpload", {{"DaysAfterInitiation", 1}}}});
  rules.push_back({{"Id", "OldVersions"},
                   {"Status", "Enabled"},
                   {"NoncurrentVersionExpiration", {{"NoncurrentDays", kOldVersionDays}}},
                   {"ExpiredObjectDeleteMarker", true}});
  std::vector<std::string> staged{"staging/"};
  for (const auto& warehouse : site.pipeline.warehouses) {
    const auto& key = warehouse.redshift.staging.key;
    if (warehouse.kind == config::Warehouse::Kind::Redshift && !key.empty()) {
      staged.push_back(key + "millrace/");
    }
  }
  for (std::size_t i = 0; i < staged.size(); ++i) {
    if (site.lake_prefix().starts_with(staged[i])) continue;
    rules.push_back({{"Id", fmt::format("Staged{}", i + 1)},
                     {"Status", "Enabled"},
                     {"Prefix", staged[i]},
                     {"ExpirationInDays", kStagedDays}});
  }
  return rules;
}

Json tls_only() {
  Json statement{{"Sid", "OnlyTls"}, {"Effect", "Deny"}, {"Principal", "*"}, {"Action", "s3:*"}};
  statement["Resource"] = Json::array({sub("${LakeBucket.Arn}"), sub("${LakeBucket.Arn}/*")});
  statement["Condition"] = {{"Bool", {{"aws:SecureTransport", "false"}}}};
  return {{"Version", "2012-10-17"}, {"Statement", Json::array({statement})}};
}

Json encryption() {
  const Json rule{{"ServerSideEncryptionByDefault", {{"SSEAlgorithm", "AES256"}}}};
  return {{"ServerSideEncryptionConfiguration", Json::array({rule})}};
}

std::string attribute_type(const config::Pipeline& pipeline, const config::Lookup& lookup) {
  const auto letter = [](const config::ColumnType& type) {
    using Kind = config::ColumnType::Kind;
    switch (type.kind) {
      case Kind::TinyInt:
      case Kind::SmallInt:
      case Kind::Integer:
      case Kind::BigInt:
      case Kind::Float:
      case Kind::Double:
      case Kind::Decimal:
        return "N";
      default:
        return "S";
    }
  };
  const auto of = [&](const std::vector<config::Column>& columns, const std::string& name) {
    const auto found = std::ranges::find(columns, name, &config::Column::name);
    return found == columns.end() ? "" : letter(found->type);
  };
  if (const std::string declared = of(lookup.columns, lookup.key); !declared.empty()) {
    return declared;
  }
  for (const auto& table : pipeline.tables) {
    for (const auto& one : table.lookups) {
      if (one.lookup != lookup.name) continue;
      const std::string type = of(pipeline.root_source(table).columns(), one.column);
      if (!type.empty()) return type;
    }
  }
  return "S";
}

}  // namespace

void put_lake(Json& root, const Site& site) {
  const auto* bucket = site.thing(Part::LakeBucket);
  if (!bucket || !bucket->is_made()) return;
  auto& resource =
      put_resource(root, bucket->id, "AWS::S3::Bucket",
                   {{"BucketName", sub(bucket->made_name)},
                    {"BucketEncryption", encryption()},
                    {"OwnershipControls",
                     {{"Rules", Json::array({{{"ObjectOwnership", "BucketOwnerEnforced"}}})}}},
                    {"PublicAccessBlockConfiguration",
                     {{"BlockPublicAcls", true},
                      {"BlockPublicPolicy", true},
                      {"IgnorePublicAcls", true},
                      {"RestrictPublicBuckets", true}}},
                    {"VersioningConfiguration", {{"Status", "Enabled"}}},
                    {"LifecycleConfiguration", {{"Rules", lifecycle_rules(site)}}},
                    {"Tags", tag_list(site.tags)}});
  site.keep_data(resource);
  auto& policy = put_resource(root, "LakeBucketPolicy", "AWS::S3::BucketPolicy",
                              {{"Bucket", ref_to(bucket->id)}, {"PolicyDocument", tls_only()}});
  site.keep_data(policy);
  put_output(root, "LakeBucketName", "The bucket of the tables", ref_to(bucket->id));
}

void put_streams(Json& root, const Site& site) {
  for (const auto& thing : site.things) {
    if (thing.part != Part::Stream) continue;
    if (thing.is_made()) {
      Json properties{{"Name", sub(thing.made_name)},
                      {"RetentionPeriodHours", site.options.retention.count()},
                      {"StreamModeDetails",
                       {{"StreamMode", site.options.is_on_demand ? "ON_DEMAND" : "PROVISIONED"}}}};
      if (!site.options.is_on_demand) properties["ShardCount"] = site.capacity.shards;
      properties["StreamEncryption"] = {{"EncryptionType", "KMS"}, {"KeyId", "alias/aws/kinesis"}};
      properties["Tags"] = tag_list(site.tags);
      site.keep_data(put_resource(root, thing.id, "AWS::Kinesis::Stream", std::move(properties)));
    }
    put_output(root, id_of(thing.of) + "StreamName",
               fmt::format("Where records of source {} are sent", thing.of), sub(thing.name));
  }
}

void put_lookup_tables(Json& root, const Site& site) {
  for (const auto& thing : site.things) {
    if (thing.part != Part::LookupTable || !thing.is_made()) continue;
    const auto& lookup = *site.pipeline.lookup(thing.of);
    const Json key{{"AttributeName", lookup.key},
                   {"AttributeType", attribute_type(site.pipeline, lookup)}};
    site.keep_data(put_resource(
        root, thing.id, "AWS::DynamoDB::Table",
        {{"TableName", sub(thing.made_name)},
         {"BillingMode", "PAY_PER_REQUEST"},
         {"AttributeDefinitions", Json::array({key})},
         {"KeySchema", Json::array({{{"AttributeName", lookup.key}, {"KeyType", "HASH"}}})},
         {"PointInTimeRecoverySpecification", {{"PointInTimeRecoveryEnabled", true}}},
         {"SSESpecification", {{"SSEEnabled", true}}},
         {"Tags", tag_list(site.tags)}}));
    put_output(root, id_of(thing.of) + "TableName", fmt::format("The items of {}", thing.of),
               ref_to(thing.id));
  }
}

void put_claims(Json& root, const Site& site) {
  if (!site.has_claims()) return;
  const Json key{{"AttributeName", "key"}, {"AttributeType", "S"}};
  site.keep_data(
      put_resource(root, "UniqueClaims", "AWS::DynamoDB::Table",
                   {{"TableName", site.prefix + "-unique-claims"},
                    {"BillingMode", "PAY_PER_REQUEST"},
                    {"AttributeDefinitions", Json::array({key})},
                    {"KeySchema", Json::array({{{"AttributeName", "key"}, {"KeyType", "HASH"}}})},
                    {"TimeToLiveSpecification", {{"AttributeName", "expires"}, {"Enabled", true}}},
                    {"PointInTimeRecoverySpecification", {{"PointInTimeRecoveryEnabled", true}}},
                    {"SSESpecification", {{"SSEEnabled", true}}},
                    {"Tags", tag_list(site.tags)}}));
}

void put_topics(Json& root, const Site& site) {
  put_parameter(root, "AlarmEmail",
                {{"Type", "String"},
                 {"Default", ""},
                 {"Description", "Who is told of alarms by mail; empty: nobody yet"}});
  put_condition(
      root, "HasAlarmEmail",
      {{"Fn::Not", Json::array({{{"Fn::Equals", Json::array({ref_to("AlarmEmail"), ""})}}})}});
  // Not encrypted: with AWS's own key alarms could not be sent to it.
  put_resource(root, "Alarms", "AWS::SNS::Topic",
               {{"TopicName", site.prefix + "-alarm-topic"}, {"Tags", tag_list(site.tags)}});
  auto& mail = put_resource(
      root, "AlarmMail", "AWS::SNS::Subscription",
      {{"TopicArn", ref_to("Alarms")}, {"Protocol", "email"}, {"Endpoint", ref_to("AlarmEmail")}});
  mail["Condition"] = "HasAlarmEmail";
  put_output(root, "AlarmsArn", "Where alarms are told", ref_to("Alarms"));
  for (const auto& thing : site.things) {
    if (thing.part != Part::Topic || !thing.is_made()) continue;
    put_resource(root, thing.id, "AWS::SNS::Topic",
                 {{"TopicName", sub(thing.made_name)},
                  {"KmsMasterKeyId", "alias/aws/sns"},
                  {"Tags", tag_list(site.tags)}});
    put_output(root, thing.id + "Arn", fmt::format("Messages of alert {}", thing.of),
               ref_to(thing.id));
  }
}

}  // namespace millrace::deploy
