#include "deploy/capacity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace millrace::deploy {

using base::Code;
using base::Error;
using base::Result;

namespace {

// Default quotas: shards of an account in us-east-1, us-west-2 and eu-west-1, and in other regions.
constexpr double kShardsMax = 20'000;
constexpr double kShardsElsewhere = 1'000;
// What a stream on demand grows to in those three regions, and elsewhere; and what a new one has.
constexpr double kOnDemandBytesMax = 10e9;
constexpr double kOnDemandBytesElsewhere = 200e6;
constexpr double kOnDemandBytesFirst = 4e6;
constexpr double kOnDemandRecordsFirst = 4'000;
constexpr int kOnDemandShardsFirst = 4;
constexpr double kFunctionsAtOnce = 1'000;

Result<Capacity> on_demand(double records, double bytes) {
  Capacity capacity{.shards = 0, .shards_now = kOnDemandShardsFirst};
  // A shard of such a stream takes 1,000 records a second too.
  const double needed = std::max(bytes, records * 1000);
  if (needed > kOnDemandBytesMax) {
    return Error{Code::Invalid,
                 fmt::format("a peak of {:.0f} records and {:.0f} MB a second is above what a "
                             "stream on demand can have (10 GB/s by AWS's default quotas): lower "
                             "--rate or --burst, or divide the stream",
                             records, bytes / 1e6)};
  }
  if (needed > kOnDemandBytesElsewhere) {
    capacity.warnings.emplace_back(
        "streams on demand reach 200 MB/s or 200,000 records a second, and more only in us-east-1, "
        "us-west-2 and eu-west-1");
  }
  if (bytes > kOnDemandBytesFirst || records > kOnDemandRecordsFirst) {
    capacity.warnings.push_back(
        fmt::format("a new stream on demand takes 4 MB and 4,000 records a second, and grows to "
                    "twice its highest rate before: the first peak of {:.0f} records a second will "
                    "be throttled",
                    records));
  }
  return capacity;
}

}  // namespace

Result<Capacity> capacity_of(const Options& options) {
  const double records = options.records_per_second * options.burst;
  const double bytes = records * static_cast<double>(options.record_bytes);
  if (options.is_on_demand) return on_demand(records, bytes);
  const double needed = std::ceil(
      std::max(records / kShardRecordsPerSecond, bytes / kShardBytesPerSecond) * kShardReserve);
  if (needed > kShardsMax) {
    return Error{Code::Invalid,
                 fmt::format("a peak of {:.0f} records and {:.0f} MB a second needs {:.0f} shards, "
                             "and {:.0f} is AWS's default quota: lower --rate or --burst, or put "
                             "several records into one (the KPL does)",
                             records, bytes / 1e6, needed, kShardsMax)};
  }
  const int shards = std::max(1, static_cast<int>(needed));
  Capacity capacity{.shards = shards, .shards_now = shards};
  if (needed > kShardsElsewhere) {
    capacity.warnings.push_back(
        fmt::format("{} shards need a higher quota in most regions: 20,000 is the default in "
                    "us-east-1, us-west-2 and eu-west-1, elsewhere 1,000 or 6,000",
                    shards));
  }
  if (options.worker == Worker::Lambda && needed > kFunctionsAtOnce) {
    capacity.warnings.push_back(
        fmt::format("{} shards are as many invocations at once, and 1,000 is Lambda's default "
                    "quota of an account: ask AWS for more",
                    shards));
  }
  return capacity;
}

}  // namespace millrace::deploy
