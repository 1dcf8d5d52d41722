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
      .counter("millrace_source_records_total", "Records read from files.", {{"source", source}})
      .add(static_cast<double>(records));
  telemetry.metrics
      .counter("millrace_source_bytes_total", "Bytes of records read from files, unpacked.",
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

}  // namespace millrace::source::events
