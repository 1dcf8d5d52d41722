#include "source/events.hpp"

namespace millrace::source::events {

using base::Level;

void files_found(base::Telemetry telemetry, const std::string& source, std::size_t count,
                 const std::string& first) {
  telemetry.metrics
      .counter("millrace_source_files_total", "Files that a source found.", {{"source", source}})
      .add(static_cast<double>(count));
  telemetry.log.write(Level::Info, "source.files_found",
                      {{"source", source}, {"count", count}, {"first", first}});
}

void file_finished(base::Telemetry telemetry, const std::string& source, const std::string& file,
                   std::uint64_t bytes) {
  telemetry.metrics
      .counter("millrace_source_files_finished_total", "Files that a source read to their end.",
               {{"source", source}})
      .add();
  telemetry.log.write(Level::Info, "source.file_finished",
                      {{"source", source}, {"file", file}, {"bytes", bytes}});
}

void records_read(base::Telemetry telemetry, const std::string& source, std::uint64_t records,
                  std::uint64_t bytes) {
  telemetry.metrics
      .counter("millrace_source_fetched_records_total",
               "Records fetched from files, Kinesis or Kafka.", {{"source", source}})
      .add(static_cast<double>(records));
  telemetry.metrics
      .counter("millrace_source_fetched_bytes_total",
               "Bytes of records fetched from files (unpacked), Kinesis or Kafka.",
               {{"source", source}})
      .add(static_cast<double>(bytes));
}

void look_failed(base::Telemetry telemetry, const std::string& source, const std::string& error) {
  telemetry.metrics
      .counter("millrace_source_look_failures_total",
               "Times that a source could not look for new files.", {{"source", source}})
      .add();
  telemetry.log.write(Level::Warn, "source.look_failed", {{"source", source}, {"error", error}});
}

void file_changed_too_late(base::Telemetry telemetry, const std::string& source,
                           const std::string& file, const std::string& how) {
  telemetry.metrics
      .counter("millrace_source_files_changed_total",
               "Files that were overwritten after they had been read.", {{"source", source}})
      .add();
  telemetry.log.write(Level::Warn, "source.file_changed_too_late",
                      {{"source", source},
                       {"file", file},
                       {"how", how},
                       {"reason",
                        "it was read to its end before, so it is not read again; put new data into "
                        "a file with a new name"}});
}

void file_grew_too_late(base::Telemetry telemetry, const std::string& source,
                        const std::string& file) {
  telemetry.log.write(
      Level::Warn, "source.file_grew_too_late",
      {{"source", source},
       {"file", file},
       {"reason",
        "a later file was begun already, so the new part is not read; put it into a file "
        "of its own"}});
}

void records_fetched(base::Telemetry telemetry, const std::string& source, std::int64_t records,
                     std::uint64_t bytes) {
  if (records <= 0) return;
  records_read(telemetry, source, static_cast<std::uint64_t>(records), bytes);
}

void behind(base::Telemetry telemetry, const std::string& source, std::int64_t shard,
            std::chrono::milliseconds behind) {
  telemetry.metrics
      .gauge("millrace_source_behind_seconds", "How far behind a shard's newest record reading is.",
             {{"source", source}, {"shard", std::to_string(shard)}})
      .set(static_cast<double>(behind.count()) / 1000);
}

void fetch_failed(base::Telemetry telemetry, const std::string& source, bool is_throttled,
                  bool is_first, const base::Error& error) {
  telemetry.metrics
      .counter("millrace_source_failures_total", "Times that a source could not be asked.",
               {{"source", source}, {"reason", is_throttled ? "throttled" : "failed"}})
      .add();
  if (!is_first) return;
  telemetry.log.write(is_throttled ? Level::Info : Level::Warn, "source.fetch_failed",
                      {{"source", source}, {"error", error.text()}});
}

void shard_ended(base::Telemetry telemetry, const std::string& source, const std::string& shard,
                 std::int64_t position) {
  telemetry.log.write(Level::Info, "source.shard_ended",
                      {{"source", source}, {"shard", shard}, {"position", position}});
}

void records_lost(base::Telemetry telemetry, const std::string& source, const std::string& shard,
                  std::int64_t position) {
  telemetry.metrics
      .counter("millrace_source_losses_total",
               "Times that reading went on behind records that were no longer retained.",
               {{"source", source}})
      .add();
  telemetry.log.write(Level::Error, "source.records_lost",
                      {{"source", source}, {"shard", shard}, {"position", position}});
}

void tombstones_skipped(base::Telemetry telemetry, const std::string& source, std::int64_t count) {
  if (count <= 0) return;
  telemetry.metrics
      .counter("millrace_source_tombstones_total",
               "Records of Kafka without a value that were passed over.", {{"source", source}})
      .add(static_cast<double>(count));
}

void partitions_found(base::Telemetry telemetry, const std::string& source, std::size_t count,
                      std::size_t all) {
  telemetry.log.write(Level::Info, "source.partitions_found",
                      {{"source", source}, {"count", count}, {"all", all}});
}

void shared(base::Telemetry telemetry, const std::string& source, std::size_t owned,
            std::uint64_t more_rebalances) {
  telemetry.metrics
      .gauge("millrace_source_partitions_owned",
             "Partitions of a topic that several workers share which this one reads.",
             {{"source", source}})
      .set(static_cast<double>(owned));
  telemetry.metrics
      .counter("millrace_source_rebalances_total",
               "Times that partitions came to this worker or went to another.",
               {{"source", source}})
      .add(static_cast<double>(more_rebalances));
  if (more_rebalances == 0) return;
  telemetry.log.write(Level::Info, "source.rebalanced",
                      {{"source", source}, {"partitions", static_cast<std::int64_t>(owned)}});
}

void state_lost(base::Telemetry telemetry, const std::string& source) {
  telemetry.log.write(Level::Warn, "source.state_lost",
                      {{"source", source},
                       {"reason",
                        "tables have read it before, but its folder in the data folder is gone: a "
                        "table without a position begins where the others stand"}});
}

}  // namespace millrace::source::events
