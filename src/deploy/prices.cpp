#include "deploy/prices.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/result.hpp"

namespace millrace::deploy {
namespace {

constexpr std::array<Price, 28> kPrices{{
    {"shard", "Kinesis: a shard", "hour", 0.015},
    {"put", "Kinesis: records put, each 25 KB begun", "million", 0.014},
    {"on_demand", "Kinesis on demand: a stream", "hour", 0.04},
    {"on_demand_in", "Kinesis on demand: taken in", "GB", 0.08},
    {"on_demand_out", "Kinesis on demand: given out", "GB", 0.04},
    {"retention", "Kinesis: a shard kept beyond 24 hours, up to 7 days", "hour", 0.02},
    {"fan_out", "Kinesis: a consumer of a shard by fan-out", "hour", 0.015},
    {"fan_out_gb", "Kinesis: given out by fan-out", "GB", 0.013},
    {"lambda", "Lambda: memory while it works", "GB second", 0.0000166667},
    {"invocation", "Lambda: invocations", "million", 0.20},
    {"vcpu", "Fargate: a core", "hour", 0.04048},
    {"memory", "Fargate: memory", "GB hour", 0.004445},
    {"s3_put", "S3: writing and listing requests", "thousand", 0.005},
    {"s3_get", "S3: reading requests", "thousand", 0.0004},
    {"s3_gb", "S3: storage", "GB month", 0.023},
    {"read_unit", "DynamoDB on demand: read units", "million", 0.125},
    {"write_unit", "DynamoDB on demand: write units", "million", 0.625},
    {"table_gb", "DynamoDB: storage", "GB month", 0.25},
    {"pitr_gb", "DynamoDB: point-in-time recovery", "GB month", 0.20},
    {"log_gb", "CloudWatch: log lines taken in", "GB", 0.50},
    {"metric", "CloudWatch: a metric of our own", "month", 0.30},
    {"alarm", "CloudWatch: an alarm, each metric of it", "month", 0.10},
    {"dashboard", "CloudWatch: a dashboard", "month", 3.00},
    {"schedule", "EventBridge Scheduler: calls", "million", 1.00},
    {"secret", "Secrets Manager: a secret", "month", 0.40},
    {"dpu", "Glue: a DPU", "hour", 0.44},
    {"rpu", "Redshift Serverless: an RPU while it works", "hour", 0.375},
    {"redshift_gb", "Redshift: storage", "GB month", 0.024},
}};

}  // namespace

std::span<const Price> prices() {
  return kPrices;
}

double price(std::string_view id) {
  const auto found = std::ranges::find(kPrices, id, &Price::id);
  CHECK(found != kPrices.end());
  return found->dollars;
}

std::string price_table() {
  std::string table = "| what | for each | $ |\n|---|---|---|\n";
  for (const auto& one : kPrices) {
    table += fmt::format("| {} | {} | {} |\n", one.what, one.unit, one.dollars);
  }
  return table;
}

}  // namespace millrace::deploy
