#include "app/handed_sources.hpp"

#include <fmt/format.h>

#include "aws/kinesis.hpp"
#include "lambda/handler.hpp"
#include "source/kinesis_names.hpp"

namespace millrace::app {

using base::Code;
using base::Error;
using base::Result;

namespace {

// Lambda gives a start ten seconds.
constexpr auto kDescribeFor = std::chrono::seconds(5);

Result<aws::Kinesis> open_stream(const config::Source& source, World& world) {
  const auto& kinesis = std::get<config::KinesisSource>(source.from);
  auto* session = TRY(world.aws.session().context(fmt::format("source '{}'", source.name)));
  return aws::Kinesis::open(session->client(),
                            {.stream = kinesis.stream, .region = kinesis.region});
}

// AWS answers some twenty of these a second, and many processes may start at once.
Result<aws::StreamSummary> describe(aws::Kinesis& stream, const base::Clock& clock) {
  const auto until = clock.steady_now() + kDescribeFor;
  for (;;) {
    auto summary = stream.describe();
    const bool is_throttled = !summary && summary.error().code == Code::Exhausted;
    if (!is_throttled || clock.steady_now() >= until) return summary;
  }
}

Result<void> take_shards(aws::Kinesis& stream, source::HandedSource& handed) {
  for (const auto& shard : TRY(stream.list_shards())) {
    handed.set_range(TRY(source::shard_number(shard.id)), source::hash_range_of(shard));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<source::HandedSource>> open_handed_source(const config::Source& source,
                                                                 bool accepts_lost_records,
                                                                 World& world) {
  using Numbering = source::HandedSourceOptions::Numbering;
  if (std::holds_alternative<config::LogSource>(source.from)) {
    return std::make_unique<source::HandedSource>(
        source::HandedSourceOptions{.name = source.name,
                                    .incarnation = std::string(source::kArrivals),
                                    .shard_count = lambda::kArrivalShards,
                                    .numbering = Numbering::Arrival});
  }
  if (!std::holds_alternative<config::KinesisSource>(source.from)) {
    return Error{Code::Invalid,
                 fmt::format("source '{}': a function of Lambda is handed records of Kinesis "
                             "(`from: kinesis`), and of SQS, EventBridge and HTTP (`from: log`); "
                             "Kafka and files are read by `millrace run`",
                             source.name),
                 source.place.text()};
  }
  const auto what = fmt::format("source '{}'", source.name);
  auto stream = TRY(open_stream(source, world));
  const auto summary = TRY(describe(stream, world.clock).context(what));
  auto handed = std::make_unique<source::HandedSource>(
      source::HandedSourceOptions{.name = source.name,
                                  .incarnation = source::incarnation_of(summary),
                                  .shard_count = 0,
                                  .accepts_lost_records = accepts_lost_records});
  TRY(take_shards(stream, *handed).context(what));
  return handed;
}

Result<void> look_for_shards(const config::Source& source, source::HandedSource& handed,
                             World& world) {
  auto stream = TRY(open_stream(source, world));
  return take_shards(stream, handed).context(fmt::format("source '{}'", source.name));
}

}  // namespace millrace::app
