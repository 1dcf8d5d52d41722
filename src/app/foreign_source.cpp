#include "app/foreign_source.hpp"

#include <fmt/format.h>

#include "source/files_source.hpp"
#include "source/kafka_source.hpp"
#include "source/kinesis_source.hpp"
#include "source/resting_source.hpp"
#include "source/s3_files.hpp"

namespace millrace::app {
namespace {

using base::Result;

Result<std::unique_ptr<source::Source>> open_files(const config::Source& source,
                                                   const InstanceOptions& options, World& world) {
  const auto& place = std::get<config::FilesSource>(source.from).s3;
  std::unique_ptr<source::FileStore> store;
  if (place) {
    auto* session = TRY(place->is_anonymous ? world.aws.unsigned_session() : world.aws.session());
    store = TRY(source::open_s3_files(source, session->client(), world.clock));
  } else {
    store = TRY(source::open_local_files(source, world.disk));
  }
  return source::open_files_source(source, std::move(store), options.data / "files" / source.name,
                                   {world.disk, world.clock, world.random, world.telemetry()});
}

Result<std::unique_ptr<source::Source>> open_kinesis(const config::Source& source,
                                                     const InstanceOptions& options, World& world) {
  const auto state_folder = options.data / "kinesis" / source.name;
  if (!options.reads_streams) {
    if (auto resting = TRY(source::open_resting_source(world.disk, state_folder))) return resting;
  }
  auto* session = TRY(world.aws.session().context(fmt::format("source '{}'", source.name)));
  return source::open_kinesis_source(
      source,
      {.state_folder = state_folder,
       .buffer_bytes_max = options.memory.fetched,
       .accepts_lost_records = options.accepts_lost_records},
      {session->client(), world.disk, world.clock, world.random, world.telemetry()});
}

Result<std::unique_ptr<source::Source>> open_kafka(const config::Source& source,
                                                   const InstanceOptions& options, World& world) {
  const auto state_folder = options.data / "kafka" / source.name;
  if (!options.reads_streams) {
    return source::open_resting_kafka_source(source, world.disk, state_folder);
  }
  return source::open_kafka_source(source,
                                   {.state_folder = state_folder,
                                    .buffer_bytes_max = options.memory.fetched,
                                    .accepts_lost_records = options.accepts_lost_records},
                                   {world.disk, world.clock, world.telemetry()});
}

}  // namespace

Result<std::unique_ptr<source::Source>> open_foreign_source(const config::Source& source,
                                                            const InstanceOptions& options,
                                                            World& world) {
  if (std::holds_alternative<config::KinesisSource>(source.from)) {
    return open_kinesis(source, options, world);
  }
  if (std::holds_alternative<config::KafkaSource>(source.from)) {
    return open_kafka(source, options, world);
  }
  return open_files(source, options, world);
}

}  // namespace millrace::app
