#include "deploy/deployment.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "base/text.hpp"
#include "deploy/capacity.hpp"
#include "deploy/names.hpp"
#include "deploy/prices.hpp"

namespace millrace::deploy {
namespace {

using testing::HasSubstr;

const std::string kSources =
    "sources:\n  orders: {from: kinesis, schema: {id: varchar, customer: bigint}}\n";
const std::string kTables = "tables:\n  kept: {from: orders, sql: SELECT id FROM orders}\n";
const std::string kLake = "lake: s3://${LAKE:-lake}/tables\n";

std::string file_of(const std::string& parts) {
  return "pipeline: shop\n" + parts;
}

std::variant<Deployment, std::vector<base::Error>> deployed(const std::string& text,
                                                            const Options& options = {}) {
  const auto read =
      read_deployed(text, "/shop/shop.yaml", [](const std::string&) { return std::nullopt; });
  if (const auto* problems = std::get_if<config::Problems>(&read)) return problems->errors;
  return deployment_of(text, std::get<DeployedFile>(read), options);
}

/// All that is wrong, one a line.
std::string wrong(const std::string& text, const Options& options = {}) {
  const auto made = deployed(text, options);
  const auto* errors = std::get_if<std::vector<base::Error>>(&made);
  if (!errors) return "nothing";
  std::vector<std::string> lines;
  for (const auto& error : *errors) lines.push_back(error.text());
  return base::join(lines, "\n");
}

Json template_of(const std::string& text, const Options& options = {}) {
  const auto made = deployed(text, options);
  const auto* deployment = std::get_if<Deployment>(&made);
  EXPECT_NE(deployment, nullptr) << wrong(text, options);
  return deployment ? Json::parse(deployment->files[0].text) : Json();
}

std::string page(const char* name) {
  const std::ifstream file(std::string(MILLRACE_SOURCE_DIR) + "/docs/" + name);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(Deployment, RefusesTablesThatWouldBeLost) {
  EXPECT_EQ(wrong(file_of(kSources + kTables)),
            "/shop/shop.yaml: the tables must lie on S3, because the disk there is lost with the "
            "machine: say `lake: s3://${LAKE_BUCKET:-my-bucket}/tables`, and the bucket is made");
  EXPECT_THAT(wrong(file_of("lake: ./lake\n" + kSources + kTables)),
              HasSubstr("/shop/shop.yaml:2:1: the tables must lie on S3"));
}

TEST(Deployment, RefusesSourcesThatCannotRunThereWithTheirPlaces) {
  const auto of = [](const std::string& source, Worker worker = Worker::Lambda) {
    return wrong(
        file_of(kLake + "sources:\n  orders: {" + source + ", schema: {id: varchar}}\n" + kTables),
        {.worker = worker, .code = CodeForm::Image});
  };
  EXPECT_THAT(of("from: log"), HasSubstr("/shop/shop.yaml:4:3: source 'orders': `from: log` keeps "
                                         "records on this machine's disk"));
  EXPECT_THAT(of("from: log", Worker::Fargate), HasSubstr("say `from: kinesis`"));
  EXPECT_THAT(of("from: files, path: in/*.json"), HasSubstr("/shop/in/*.json is not there on AWS"));
  EXPECT_THAT(of("from: files, path: s3://data/b/*.json"), HasSubstr("say --worker fargate"));
  EXPECT_EQ(of("from: files, path: s3://data/b/*.json", Worker::Fargate), "nothing");
  EXPECT_THAT(of("from: kafka, brokers: a:9092"), HasSubstr("needs a process that goes on"));
  EXPECT_EQ(of("from: kafka, brokers: a:9092", Worker::Fargate), "nothing");
}

TEST(Deployment, RefusesLookupsWarehousesAndEnginesThatAreNotThere) {
  EXPECT_THAT(wrong(file_of(kLake + kSources + kTables +
                            "warehouses:\n  w: {kind: duckdb, path: "
                            "w.duckdb}\n")),
              HasSubstr("shop.yaml:8:3: warehouse 'w': the file /shop/w.duckdb would be lost"));
  EXPECT_THAT(wrong(file_of(kLake + kSources + kTables +
                            "engines: {spark: {submit: spark-submit}}\njobs:\n  j: {engine: spark, "
                            "sql: SELECT 1 AS a FROM kept}\n")),
              HasSubstr("job 'j': there is no spark-submit on Lambda or Fargate; say `engine: "
                        "glue`"));
}

TEST(Deployment, RefusesASecondWorkgroup) {
  EXPECT_THAT(
      wrong(file_of(kLake + kSources + kTables +
                    "warehouses:\n  a: {kind: redshift, workgroup: a, staging: s3://bucket/c/, "
                    "role: default}\n  b: {kind: redshift, workgroup: b, staging: "
                    "s3://bucket/c/, role: default}\n")),
      HasSubstr("shop.yaml:9:3: warehouse 'b': a template makes one workgroup"));
}

TEST(Deployment, RefusesSchedulesWithTheirPlaces) {
  EXPECT_THAT(wrong(file_of(kLake + kSources + kTables +
                            "jobs:\n  j: {at: \"0 0 */2 * mon\", sql: SELECT 1 AS a FROM kept}\n")),
              HasSubstr("/shop/shop.yaml:8:3: job 'j': the schedule '0 0 */2 * mon' asks for"));
  EXPECT_THAT(wrong(file_of(kLake + "maintenance: {at: \"0 0 */2 * mon\"}\n" + kSources + kTables)),
              HasSubstr("/shop/shop.yaml:3:1: maintenance: the schedule"));
}

TEST(Deployment, RefusesRatesAboveTheQuotas) {
  const auto text = file_of(kLake + kSources + kTables);
  EXPECT_THAT(
      wrong(text, {.records_per_second = 10e6}),
      HasSubstr("a peak of 100000000 records and 30000 MB a second needs 125000 shards, and "
                "20000 is AWS's default quota: lower --rate"));
  EXPECT_THAT(wrong(text, {.records_per_second = 10e6, .is_on_demand = true}),
              HasSubstr("above what a stream on demand can have"));
  EXPECT_THAT(wrong(text, {.records_per_second = -1}), HasSubstr("--rate is -1"));
  EXPECT_THAT(wrong(text, {.record_bytes = 2 << 20}), HasSubstr("--record-bytes is 2097152"));
  EXPECT_THAT(wrong(text, {.stage = "Prod"}), HasSubstr("--stage 'Prod' is part of names"));
  EXPECT_THAT(wrong(text, {.retention = std::chrono::hours(9000)}), HasSubstr("24 to 8760"));
}

TEST(Deployment, RefusesNamesThatAreTooLong) {
  const auto named = [](std::size_t bytes) {
    return wrong("pipeline: " + std::string(bytes, 'p') + "\n" + kLake + kSources + kTables);
  };
  EXPECT_EQ(named(25), "nothing");
  EXPECT_THAT(named(26), HasSubstr("and a bucket may have 63: shorten `pipeline` or --stage"));
  EXPECT_THAT(named(50), HasSubstr("and an IAM role may have 64"));
  EXPECT_THAT(named(60), HasSubstr("and a Lambda function may have 64"));
  const auto job = std::string(60, 'j');
  EXPECT_THAT(wrong(file_of(kLake + kSources + kTables + "jobs:\n  " + job +
                            ": {at: \"@daily\", sql: SELECT 1 AS a FROM kept}\n")),
              HasSubstr("shop.yaml:8:3: the name 'shop-prod-" + job +
                        "-2' has 72 characters, and "
                        "a schedule may have 64"));
}

TEST(Deployment, RefusesPiecesOfNamesThatAreNotSet) {
  EXPECT_THAT(wrong(file_of("lake: s3://lake-${STAGE}/t\n" + kSources + kTables)),
              HasSubstr("a variable is a piece of a name here"));
}

TEST(Deployment, NamesWhatAVariableDecidesAndKeepsWhatTheFileSays) {
  const auto root = template_of(file_of(kLake + kSources + kTables));
  const auto& resources = root["Resources"];
  EXPECT_EQ(resources["LakeBucket"]["Properties"]["BucketName"]["Fn::Sub"],
            "shop-prod-lake-${AWS::AccountId}-${AWS::Region}");
  EXPECT_EQ(resources["OrdersStream"]["Properties"]["Name"], "orders");
  const auto& variables = resources["StreamFunction"]["Properties"]["Environment"]["Variables"];
  EXPECT_EQ(variables["LAKE"]["Ref"], "LakeBucket");
  EXPECT_EQ(resources["LakeBucket"]["DeletionPolicy"], "Retain");
}

TEST(Deployment, MakesNothingOfWhatIsThere) {
  const auto root = template_of(file_of(kLake + kSources + kTables),
                                {.existing = {"LAKE", "orders"}, .deletes_data = true});
  EXPECT_FALSE(root["Resources"].contains("LakeBucket"));
  EXPECT_FALSE(root["Resources"].contains("OrdersStream"));
  EXPECT_EQ(root["Parameters"]["EnvLake"]["Default"], "lake");
  EXPECT_THAT(root["Resources"]["OrdersMapping"]["Properties"]["EventSourceArn"].dump(),
              HasSubstr("stream/orders"));
}

TEST(Deployment, HasNoSecondFunctionWithoutWorkForIt) {
  const auto root = template_of(file_of(kLake + "maintenance: off\n" + kSources + kTables));
  EXPECT_FALSE(root["Resources"].contains("JobsFunction"));
  EXPECT_FALSE(root["Resources"].contains("Schedules"));
}

// Each function is told of the table for claims, as its file is refused without, and one may write.
TEST(Deployment, TheStreamsFunctionMayPutClaimsAndNothingElse) {
  const auto rest = "jobs:\n  days: {at: \"@daily\", sql: SELECT 1 AS a FROM kept}\n";
  const auto with_unique =
      "tables:\n  kept: {from: orders, unique: {key: id, within: 1h}, sql: SELECT id FROM "
      "orders}\n";
  const auto resources = template_of(file_of(kLake + kSources + with_unique + rest))["Resources"];
  for (const char* function : {"StreamFunction", "JobsFunction"}) {
    const auto& variables = resources[function]["Properties"]["Environment"]["Variables"];
    EXPECT_EQ(variables["MILLRACE_CLAIMS_TABLE"], Json({{"Ref", "UniqueClaims"}})) << function;
    Json allowed = Json::array();
    const auto role = std::string(function) + "Role";
    for (const auto& policy : resources[role]["Properties"]["Policies"]) {
      for (const auto& one : policy["PolicyDocument"]["Statement"]) {
        if (one["Resource"].dump().find("UniqueClaims") != std::string::npos) {
          allowed.push_back(one["Action"]);
        }
      }
    }
    const bool is_streams = role == "StreamFunctionRole";
    EXPECT_EQ(allowed.dump(), is_streams ? R"([["dynamodb:PutItem"]])" : "[]") << function;
  }
  const auto without = template_of(file_of(kLake + kSources + kTables + rest)).dump();
  EXPECT_EQ(without.find("Claims"), std::string::npos);
  EXPECT_EQ(without.find("MILLRACE_CLAIMS_TABLE"), std::string::npos);
}

// Names of the file that are those of things which are always there.
TEST(Deployment, IsMadeWhateverTheFileCallsThings) {
  const auto root = template_of(
      file_of(kLake +
              "sources:\n  lake: {from: kinesis, schema: {id: varchar, n: bigint}}\nlookups:\n"
              "  claims: {from: \"dynamodb://${T:-things}\", key: id}\n"
              "tables:\n  kept: {from: lake, lookups: {claims: id}, unique: {key: id, within: 1h}, "
              "sql: SELECT id FROM lake}\n"
              "jobs:\n  catch_up: {at: \"@daily\", sql: SELECT 1 AS a FROM kept}\n"
              "alerts:\n  alarm: {from: kept, send: {sns: \"${A}\"}}\n"
              "  alarms: {from: kept, send: {sns: \"${B}\"}}\n"));
  std::map<std::string, std::set<std::string>> names;
  for (const auto& [id, resource] : root["Resources"].items()) {
    const auto& properties = resource["Properties"];
    for (const char* key : {"TableName", "TopicName", "Name", "AlarmName", "RoleName"}) {
      if (!properties.contains(key)) continue;
      EXPECT_TRUE(names[resource["Type"]].insert(properties[key].dump()).second) << id;
    }
  }
  EXPECT_EQ(names["AWS::SNS::Topic"].size(), 3U);
  EXPECT_EQ(names["AWS::DynamoDB::Table"].size(), 2U);
}

TEST(Deployment, KeepsValuesThatSomebodyFilledIn) {
  EXPECT_THAT(kept_values(R"([{"ParameterKey":"A","ParameterValue":""},
                              {"ParameterKey":"B","ParameterValue":"new"}])",
                          R"([{"ParameterKey":"A","ParameterValue":"mine"},
                              {"ParameterKey":"C","ParameterValue":"old"}])"),
              testing::AllOf(HasSubstr("mine"), HasSubstr("new"), testing::Not(HasSubstr("old"))));
  EXPECT_TRUE(is_ours(R"([{"ParameterKey": "A"}])"));
  EXPECT_FALSE(is_ours("{}"));
}

TEST(Capacity, CountsShardsForThePeak) {
  const auto shards = [](double rate, std::uint64_t bytes, double burst) {
    const auto capacity =
        capacity_of({.records_per_second = rate, .record_bytes = bytes, .burst = burst});
    return capacity.value().shards;
  };
  EXPECT_EQ(shards(1, 300, 1), 1);
  EXPECT_EQ(shards(100, 300, 10), 2);      // 1,000 a second, and a quarter more
  EXPECT_EQ(shards(100, 10'000, 10), 13);  // 10 MB a second
}

TEST(Names, OfDifferentThingsAreDifferent) {
  EXPECT_EQ(id_of("checked_orders"), "CheckedOrders");
  EXPECT_NE(id_of("a_1b"), id_of("a1b"));
  EXPECT_NE(id_of("a__b"), id_of("a_b"));
  EXPECT_EQ(parameter_of("FRAUD_WEBHOOK"), "EnvFraudWebhook");
  EXPECT_NE(parameter_of("fraud_webhook"), parameter_of("FRAUD_WEBHOOK"));
}

// One truth: the page has the table, and the older page the same prices.
TEST(Prices, AreThoseOfTheDocumentation) {
  EXPECT_THAT(page("deploy_aws.md"), HasSubstr(price_table()));
  const auto scaling = page("scaling.md");
  EXPECT_THAT(scaling, HasSubstr(fmt::format("${:.0f} a shard", price("shard") * kHoursOfMonth)));
  EXPECT_THAT(scaling, HasSubstr(fmt::format("${} a million", price("put"))));
  EXPECT_THAT(scaling, HasSubstr(fmt::format("${:.7f} a GB-second", price("lambda"))));
  EXPECT_THAT(scaling, HasSubstr(fmt::format("${} a DPU hour", price("dpu"))));
  EXPECT_THAT(scaling, HasSubstr(fmt::format("A month of {} days", kDaysOfMonth)));
  EXPECT_THAT(scaling, HasSubstr(fmt::format("List prices of {}", kPriceRegion)));
}

}  // namespace
}  // namespace millrace::deploy
