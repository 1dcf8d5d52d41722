#include "serve/ingest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <mutex>
#include <utility>
#include <variant>
#include <vector>

#include "base/text.hpp"
#include "decode/partition_key.hpp"
#include "log/stream.hpp"
#include "serve/answer.hpp"
#include "serve/events.hpp"
#include "serve/request.hpp"

namespace millrace::serve {
namespace {

using base::Code;
using base::Error;
using base::Result;

constexpr std::size_t kKeyBytesMax = 1024;

/// What the log's views point into, until the records are durable.
struct Held {
  std::string body;
  decode::SplitBody split;
  std::string keys;  // one after the other
};

std::string appended_json(std::size_t records, const std::vector<log::OffsetRange>& ranges) {
  std::string out;
  const auto to = std::back_inserter(out);
  fmt::format_to(to, R"({{"records":{},"shards":[)", records);
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    const auto& range = ranges[i];
    fmt::format_to(to, R"({}{{"shard":{},"first":{},"end":{}}})", i > 0 ? "," : "",
                   range.shard.value(), range.first.value(), range.end.value());
  }
  out += "]}\n";
  return out;
}

constexpr std::string_view kJson = "application/json";

bool is_json_type(std::string_view type) {
  return type == kJson || type == "application/x-ndjson" || type == "application/ndjson" ||
         type == "application/jsonl" || type == "application/x-jsonlines";
}

// The body's type was checked: what is JSON but not `application/json` is one value per line.
Result<decode::SplitBody> split(std::string_view body, std::string_view type,
                                const config::Source& source, const decode::SplitLimits& limits) {
  if (source.format == config::Format::Csv) return decode::split_csv(body, source, limits);
  return type == kJson ? decode::split_json(body, limits) : decode::split_ndjson(body, limits);
}

}  // namespace

/// One stream that takes records.
struct Ingest::Target {
  Target(const config::Source& source_, log::Stream& stream_, base::Telemetry telemetry)
      : source(source_),
        stream(stream_),
        has_key_column(!std::get<config::LogSource>(source_.from).partition_key.empty()),
        counters(telemetry, source_.name) {}

  const config::Source& source;
  log::Stream& stream;
  const bool has_key_column;
  events::IngestCounters counters;

  // A reader serves one thread at a time; there are as many as were ever needed at once.
  std::unique_ptr<decode::KeyReader> take_reader() {
    std::lock_guard lock(mutex);
    if (readers.empty()) return std::make_unique<decode::KeyReader>(source);
    auto reader = std::move(readers.back());
    readers.pop_back();
    return reader;
  }
  void give_back(std::unique_ptr<decode::KeyReader> reader) {
    std::lock_guard lock(mutex);
    readers.push_back(std::move(reader));
  }

  /// Errors  Invalid: the body's type is not the source's. To be answered with 415.
  Result<void> check_type(const http::Request& request) const {
    const std::string type = media_type(request.headers.value("Content-Type"));
    const bool is_json = source.format == config::Format::Json;
    if (is_json ? is_json_type(type) : type == "text/csv") return {};
    return Error{Code::Invalid,
                 fmt::format("the stream '{}' takes {}: the Content-Type must be {}, not '{}'",
                             source.name, is_json ? "JSON" : "CSV",
                             is_json ? "application/x-ndjson or application/json" : "text/csv",
                             base::printable(type))};
  }

  std::vector<log::NewRecord> records_of(Held& held, std::string_view given_key);

  std::mutex mutex;
  std::vector<std::unique_ptr<decode::KeyReader>> readers;  // Guarded by mutex.
};

// Without a key all records of a body go to one shard: they stay together and in order.
std::vector<log::NewRecord> Ingest::Target::records_of(Held& held, std::string_view given_key) {
  std::vector<log::NewRecord> records;
  records.reserve(held.split.records.size());
  if (!given_key.empty() || !has_key_column) {
    held.keys = given_key;
    const auto place = stream.place(*stream.shard_map(), held.keys);
    for (const auto bytes : held.split.records) {
      records.push_back({place.shard, held.keys, bytes, place.hash_key});
    }
    return records;
  }
  auto reader = take_reader();
  const auto map = stream.shard_map();
  std::vector<std::size_t> key_ends;
  key_ends.reserve(held.split.records.size());
  for (const auto bytes : held.split.records) {
    const auto key = reader->read(bytes).substr(0, kKeyBytesMax);
    const auto place = stream.place(*map, key);
    records.push_back({place.shard, {}, bytes, place.hash_key});
    held.keys += key;
    key_ends.push_back(held.keys.size());
  }
  give_back(std::move(reader));
  const std::string_view keys = held.keys;
  std::size_t from = 0;
  for (std::size_t i = 0; i < records.size(); ++i) {
    records[i].partition_key = keys.substr(from, key_ends[i] - from);
    from = key_ends[i];
  }
  return records;
}

Ingest::Ingest(const ApiParts& parts, http::Workers& quick)
    : pipeline_(parts.pipeline), options_(parts.options), quick_(quick) {
  for (const auto& [name, stream] : parts.streams) {
    const auto* source = pipeline_.source(name);
    CHECK(source && std::holds_alternative<config::LogSource>(source->from));
    targets_.emplace(name, std::make_shared<Target>(*source, *stream, parts.telemetry));
  }
}

void Ingest::add_to(Routes& routes) {
  routes.post_handler("/v1/streams/{stream}/records",
                      [this](const auto& exchange) { handle(exchange); });
}

Result<std::shared_ptr<Ingest::Target>> Ingest::target_of(const http::Request& request) const {
  const std::string& name = request.path_parameter("stream");
  const auto found = targets_.find(name);
  if (found != targets_.end()) return found->second;
  const auto* source = pipeline_.source(name);
  if (source) {
    const char* what = std::holds_alternative<config::FilesSource>(source->from) ? "files"
                       : std::holds_alternative<config::KafkaSource>(source->from)
                           ? "a topic of Kafka"
                           : "a Kinesis data stream";
    return Error{Code::Invalid,
                 fmt::format("the source '{}' reads {}; records cannot be sent to it", name, what)};
  }
  std::vector<std::string> names;
  for (const auto& [known, target] : targets_) names.push_back(known);
  return Error{Code::NotFound, fmt::format("no stream is named '{}'{}", base::printable(name),
                                           base::did_you_mean(name, names))};
}

namespace {

void refuse(const std::shared_ptr<http::Exchange>& exchange, events::IngestCounters& counters,
            int status, const Error& error) {
  counters.refused(error);
  exchange->answer(error_answer(status, error));
}

}  // namespace

void Ingest::handle(const std::shared_ptr<http::Exchange>& exchange) const {
  auto found = target_of(exchange->request());
  if (!found) return exchange->answer(error_answer(found.error()));
  auto target = std::move(found).value();
  if (const auto checked = target->check_type(exchange->request()); !checked) {
    return refuse(exchange, target->counters, 415, checked.error());
  }
  const std::string_view key = exchange->request().headers.value("X-Partition-Key");
  if (key.size() > kKeyBytesMax) {
    return refuse(exchange, target->counters, 400,
                  {Code::Invalid, fmt::format("X-Partition-Key has {} bytes; {} is the limit",
                                              key.size(), kKeyBytesMax)});
  }
  const auto take_in = [exchange, target, limits = options_.ingest] {
    auto held = std::make_shared<Held>();
    held->body = exchange->take_body();
    const auto type = media_type(exchange->request().headers.value("Content-Type"));
    auto records = split(held->body, type, target->source, limits);
    if (!records) return refuse(exchange, target->counters, 400, records.error());
    held->split = std::move(records).value();
    if (held->split.records.empty()) return exchange->answer(http::json(200, appended_json(0, {})));
    target->stream.append(
        target->records_of(*held, exchange->request().headers.value("X-Partition-Key")), held,
        [exchange, target, count = held->split.records.size(), bytes = held->body.size()](
            Result<std::vector<log::OffsetRange>> appended, auto) {
          if (!appended) {
            // A stream that is closed comes back with the process: retry, as if unavailable.
            const auto code = appended.error().code;
            const int status = code == Code::Cancelled ? 503 : status_of(code);
            return refuse(exchange, target->counters, status, appended.error());
          }
          target->counters.accepted(count, bytes);
          exchange->answer(http::json(200, appended_json(count, appended.value())));
        });
  };
  if (exchange->request().body.size() < options_.inline_bytes_max) return take_in();
  if (!quick_.try_run(take_in)) {
    refuse(exchange, target->counters, 503,
           {Code::Unavailable, "too many large bodies wait to be read; try again"});
  }
}

}  // namespace millrace::serve
