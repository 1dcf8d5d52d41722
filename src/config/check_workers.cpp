#include <fmt/format.h>

#include "config/read_parts.hpp"

// What must hold so that several processes may work on the tables of one pipeline.
namespace millrace::config {
namespace {

// The source at the head of a table's chain; null: there is none, which is said elsewhere.
const Source* head_of(const Pipeline& pipeline, const Table& table) {
  const Table* at = &table;
  for (std::size_t depth = 0; at && depth <= pipeline.tables.size(); ++depth) {
    if (const auto* source = pipeline.source(at->from)) return source;
    at = pipeline.table(at->from);
  }
  return nullptr;
}

// Each worker knows the keys of its own partitions: two records of one key must be in one.
void check_unique(YamlFile& file, const Table& table, const Source& source,
                  const KafkaSource& kafka) {
  const auto fail = [&](const std::string& why) { file.fail(table.unique->place, why); };
  if (table.from_is_table) {
    return fail(
        fmt::format("unique: several workers share '{}', and only a table that reads it itself can "
                    "have `unique` then; move it to that table",
                    source.name));
  }
  if (kafka.partition_key.empty()) {
    return fail(
        fmt::format("unique: several workers share '{0}', so records of one {1} must be in one "
                    "partition; if producers use it as the key of their records, say so by "
                    "`partition_key: {1}` in source '{0}'; else use `workers: one`",
                    source.name, table.unique->key));
  }
  if (kafka.partition_key != table.unique->key) {
    fail(
        fmt::format("unique: several workers share '{}' by its partition_key '{}', and '{}' is "
                    "another column; two records of one key may be read by two workers. Make it "
                    "the partition key, or use `workers: one`",
                    source.name, kafka.partition_key, table.unique->key));
  }
}

}  // namespace

void check_workers(YamlFile& file, Pipeline& pipeline) {
  for (auto& source : pipeline.sources) {
    auto* kafka = std::get_if<KafkaSource>(&source.from);
    if (!kafka || !kafka->has_many_workers) continue;
    if (kafka->group.empty()) kafka->group = fmt::format("{}/{}", pipeline.name, source.name);
    if (!pipeline.lake.empty()) continue;
    file.fail(source.place,
              fmt::format("source '{}': workers: many needs the key `lake` at the top of the file: "
                          "a place on S3, or a folder that all workers share, where the tables are",
                          source.name));
  }
  for (const auto& table : pipeline.tables) {
    const auto* source = head_of(pipeline, table);
    const auto* kafka = source ? std::get_if<KafkaSource>(&source->from) : nullptr;
    if (!kafka || !kafka->has_many_workers) continue;
    if (table.unique) check_unique(file, table, *source, *kafka);
  }
}

}  // namespace millrace::config
