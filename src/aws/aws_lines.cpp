// Asks AWS for its judges (tests/judges/s3.py, aws_calls.py). Each line of standard input is a JSON
// object: `do` and what it needs. Each answer is a line: a JSON object, or `{"error": code,
// "message": …}`. The settings and credentials are those of the environment; the bucket is the
// first argument.
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "aws/digest.hpp"
#include "aws/s3.hpp"
#include "aws/session.hpp"

namespace {

using namespace millrace;
using namespace base::literals;
using base::Result;
using nlohmann::json;

std::string name_of(aws::PutOutcome::What what) {
  switch (what) {
    case aws::PutOutcome::What::Created:
      return "created";
    case aws::PutOutcome::What::Exists:
      return "exists";
    case aws::PutOutcome::What::Conflict:
      return "conflict";
    default:
      return "ambiguous";
  }
}

/// What an upload of that size consists of.
std::string pattern(std::uint64_t offset, std::uint64_t size) {
  std::string bytes(size, '\0');
  for (std::uint64_t i = 0; i < size; ++i)
    bytes[i] = static_cast<char>((offset + i) * 2654435761U >> 13);
  return bytes;
}

json info_of(const aws::ObjectInfo& object) {
  return {{"key", object.key},
          {"size", object.size},
          {"etag", object.etag},
          {"modified_at", base::format_time(object.modified_at)}};
}

Result<json> race(aws::S3& s3, const std::string& key, int writers) {
  std::map<std::string, int> outcomes;
  std::mutex mutex;
  std::vector<std::jthread> threads;
  for (int i = 0; i < writers; ++i) {
    threads.emplace_back([&, i] {
      const auto outcome = s3.put_if_absent(key, "writer " + std::to_string(i));
      const std::lock_guard lock(mutex);
      ++outcomes[outcome ? name_of(outcome->what) : outcome.error().text()];
    });
  }
  threads.clear();
  return json(outcomes);
}

Result<json> read(aws::S3& s3, const std::string& what, const json& asked) {
  const std::string key = asked.value("key", "");
  if (what == "get") {
    aws::GetOptions options{.offset = asked.value("offset", std::uint64_t{0}),
                            .if_match = asked.value("if_match", "")};
    if (asked.contains("size")) options.size = asked["size"].get<std::uint64_t>();
    const auto object = TRY(s3.get(key, options));
    return json{{"sha256", aws::sha256_hex(object.bytes)},
                {"text", object.bytes.size() < 1000 ? object.bytes : ""},
                {"length", object.bytes.size()},
                {"size", object.size},
                {"etag", object.etag}};
  }
  if (what == "head") {
    const auto found = TRY(s3.head(key));
    return found ? info_of(*found) : json(nullptr);
  }
  const auto page = TRY(s3.list_all({.prefix = asked.value("prefix", ""),
                                     .start_after = asked.value("start_after", ""),
                                     .delimiter = asked.value("delimiter", ""),
                                     .keys_max = asked.value("keys_max", 1000)},
                                    1'000'000));
  json objects = json::array();
  for (const auto& object : page.objects) objects.push_back(info_of(object));
  return json{{"objects", objects}, {"prefixes", page.prefixes}};
}

/// An operation of another service: what it answered, whatever that is.
Result<json> call(aws::Client& client, const json& asked) {
  static const std::map<std::string, aws::Service> kServices = {
      {"kinesis", aws::kKinesis},
      {"dynamodb", aws::kDynamoDb},
      {"cloudwatch", aws::kCloudWatch},
      {"glue", aws::kGlue},
      {"redshift_data", aws::kRedshiftData},
      {"sqs", aws::kSqs},
      {"sns", aws::kSns},
      {"sts", aws::kSts}};
  const auto& service = kServices.at(asked["service"]);
  const std::string operation = asked["operation"];
  aws::QueryCall query{.action = operation};
  if (asked.contains("parameters")) {
    for (const auto& [name, value] : asked["parameters"].items()) {
      query.parameters.emplace_back(name, value);
    }
  }
  const auto outcome =
      TRY(asked.contains("body") ? client.call_json(service, {operation, asked["body"].dump()})
                                 : client.call_query(service, query));
  if (const auto* refused = std::get_if<aws::ServiceError>(&outcome)) {
    return refused->as_error(operation);
  }
  return json(std::get<http::Response>(outcome).body);
}

Result<json> work(aws::S3& s3, base::Random& random, const json& asked) {
  const std::string what = asked["do"];
  const std::string key = asked.value("key", "");
  if (what == "put") {
    TRY(s3.put(key, asked["text"]));
    return json("done");
  }
  if (what == "create") {
    return json(name_of(TRY(s3.put_if_absent(key, asked["text"])).what));
  }
  if (what == "upload") {
    TRY(s3.upload(key, asked["size"], [](std::uint64_t offset, std::uint64_t size) {
      return Result<std::string>(pattern(offset, size));
    }));
    return json(aws::sha256_hex(pattern(0, asked["size"])));
  }
  if (what == "remove") {
    TRY(s3.remove_all(asked["keys"].get<std::vector<std::string>>()));
    return json("done");
  }
  if (what == "probe") {
    TRY(s3.probe(asked["prefix"], random));
    return json("done");
  }
  if (what == "race") return race(s3, key, asked["writers"]);
  return read(s3, what, asked);
}

int run(const std::string& bucket) {
  const base::SystemClock clock;
  base::Random random;
  auto log = base::EventLog(base::LogFormat::Text, base::Level::Warn);
  base::Metrics metrics;
  const auto session =
      aws::Session::open(aws::process_environment(), "", clock, random, {log, metrics});
  if (!session) {
    std::cout << session.error().text() << std::endl;
    return 1;
  }
  auto& client = (*session)->client();
  auto s3 = aws::S3::open(client, {.bucket = bucket, .part_bytes = 5_MiB});
  if (!s3) {
    std::cout << s3.error().text() << std::endl;
    return 1;
  }
  std::string line;
  while (std::getline(std::cin, line)) {
    const auto asked = json::parse(line);
    const auto answer = asked["do"] == "call" ? call(client, asked) : work(*s3, random, asked);
    const auto told =
        answer ? *answer
               : json{{"error", name_of(answer.error().code)}, {"message", answer.error().text()}};
    std::cout << told.dump() << std::endl;
  }
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  return count == 2 ? run(arguments[1]) : 2;
}
