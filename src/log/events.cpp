#include "log/events.hpp"

namespace millrace::log {

using base::Level;

Events::Events(const base::Telemetry& telemetry, const std::string& stream)
    : telemetry_(telemetry),
      stream_(stream),
      appends_(telemetry.metrics.counter(
          "millrace_log_appends_total", "Acknowledged appends to a stream.", {{"stream", stream}})),
      records_(telemetry.metrics.counter(
          "millrace_log_records_total", "Acknowledged records of a stream.", {{"stream", stream}})),
      bytes_(telemetry.metrics.counter("millrace_log_bytes_total",
                                       "Bytes of a stream's acknowledged records.",
                                       {{"stream", stream}})),
      refusals_(telemetry.metrics.counter("millrace_log_refusals_total",
                                          "Appends refused because the queue, the log or the disk "
                                          "was full.",
                                          {{"stream", stream}})),
      failures_(telemetry.metrics.counter("millrace_log_failures_total",
                                          "Writes and syncs of a stream that the disk failed.",
                                          {{"stream", stream}})),
      sync_seconds_(telemetry.metrics.histogram("millrace_log_sync_seconds",
                                                "One write and sync of a shard.",
                                                base::latency_bounds(), {{"stream", stream}})),
      segments_(telemetry.metrics.gauge("millrace_log_segments", "Segment files of a stream.",
                                        {{"stream", stream}})),
      disk_bytes_(telemetry.metrics.gauge(
          "millrace_log_disk_bytes", "Bytes of a stream's segment files.", {{"stream", stream}})),
      is_full_(telemetry.metrics.gauge("millrace_log_full",
                                       "1 while a stream refuses appends for want of room.",
                                       {{"stream", stream}})) {}

void Events::opened(const std::string& incarnation, std::size_t segments,
                    std::chrono::microseconds took) {
  is_full_.set(0);
  telemetry_.log.write(Level::Info, "log.opened",
                       {{"stream", stream_},
                        {"incarnation", incarnation},
                        {"segments", segments},
                        {"seconds", std::chrono::duration<double>(took).count()}});
}

void Events::tail_dropped(const os::Path& segment, std::uint64_t bytes) {
  telemetry_.log.write(
      Level::Warn, "log.tail_dropped",
      {{"stream", stream_},
       {"segment", segment.string()},
       {"bytes", bytes},
       {"reason", "its last write was not finished, so nobody was told that it is durable"}});
}

void Events::tail_written_anew(base::ShardId shard, std::uint64_t records) {
  telemetry_.log.write(Level::Info, "log.tail_written_anew",
                       {{"stream", stream_}, {"shard", shard.value()}, {"records", records}});
}

void Events::appended(std::size_t appends, std::uint64_t records, std::uint64_t bytes) {
  appends_.add(static_cast<double>(appends));
  records_.add(static_cast<double>(records));
  bytes_.add(static_cast<double>(bytes));
}

void Events::synced(std::chrono::duration<double> took) {
  sync_seconds_.observe(took.count());
}

void Events::append_refused() {
  refusals_.add();
}

// A full queue comes and goes under load: it is counted only. A full log or disk wants somebody.
void Events::full_changed(Full full) {
  is_full_.set(full == Full::No ? 0 : 1);
  const bool was_logged = is_full_logged_.exchange(full == Full::Log || full == Full::Disk);
  if (full == Full::Log) {
    telemetry_.log.write(Level::Warn, "log.full",
                         {{"stream", stream_},
                          {"reason",
                           "retention_bytes is reached, and what is there was not yet "
                           "committed by all readers"}});
  } else if (full == Full::Disk) {
    telemetry_.log.write(Level::Warn, "log.full", {{"stream", stream_}, {"reason", "disk full"}});
  } else if (was_logged) {
    telemetry_.log.write(Level::Info, "log.has_room", {{"stream", stream_}});
  }
}

void Events::segment_begun(const os::Path& segment) {
  telemetry_.log.write(Level::Debug, "log.segment_begun",
                       {{"stream", stream_}, {"segment", segment.string()}});
}

void Events::segment_failed(const os::Path& segment, const base::Error& error) {
  failures_.add();
  telemetry_.log.write(
      Level::Error, "log.segment_failed",
      {{"stream", stream_}, {"segment", segment.string()}, {"error", error.text()}});
}

void Events::segment_dropped(const os::Path& segment, std::uint64_t bytes) {
  telemetry_.log.write(Level::Info, "log.segment_dropped",
                       {{"stream", stream_}, {"segment", segment.string()}, {"bytes", bytes}});
}

void Events::drop_failed(const base::Error& error) {
  telemetry_.log.write(Level::Warn, "log.drop_failed",
                       {{"stream", stream_}, {"error", error.text()}});
}

void Events::sizes(std::size_t segments, std::uint64_t bytes) {
  segments_.set(static_cast<double>(segments));
  disk_bytes_.set(static_cast<double>(bytes));
}

void Events::recovered_from_failure() {
  telemetry_.log.write(Level::Info, "log.writes_again", {{"stream", stream_}});
}

void Events::resharded(int shards_before, int shards, int open_shards) {
  telemetry_.log.write(Level::Info, "log.resharded",
                       {{"stream", stream_},
                        {"first_new_shard", shards_before},
                        {"new_shards", shards - shards_before},
                        {"open_shards", open_shards}});
}

}  // namespace millrace::log
