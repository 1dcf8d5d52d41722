#include "watch/embedded_sink.hpp"

#include <cstdio>

#include "watch/embedded.hpp"
#include "watch/events.hpp"

namespace millrace::watch {

using base::Code;
using base::Error;
using base::Result;

namespace {

Result<std::unique_ptr<os::File>> open_to_append(os::Disk& disk, const os::Path& path) {
  auto opened = disk.open(path, os::OpenMode::Append);
  if (opened || opened.error().code != Code::NotFound) return opened;
  return disk.open(path, os::OpenMode::CreateNew);
}

}  // namespace

Result<void> EmbeddedSink::write(const std::string& text) {
  if (!options_.to.empty()) {
    auto file = TRY(open_to_append(disk_, options_.to));
    return file->append(text);
  }
  const bool is_written =
      std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (is_written) return {};
  std::clearerr(stdout);
  return Error{Code::Unavailable, "standard output cannot be written"};
}

void EmbeddedSink::take(std::vector<aws::MetricDatum> data, base::Time at,
                        const std::stop_token& /*stop*/) {
  std::string text;
  for (const auto& line : embedded_lines(data, at, options_.format)) text += line + "\n";
  const auto written = write(text);
  if (written) {
    if (trouble_) events::works_again(telemetry_, name());
    trouble_.reset();
    events::sent(telemetry_, name(), data.size());
    return;
  }
  events::dropped(telemetry_, name(), "refused", data.size());
  if (trouble_ == written.error().code) return;
  trouble_ = written.error().code;
  events::failing(telemetry_, name(), written.error(),
                  "these metrics are dropped; make room, or allow the file to be written");
}

}  // namespace millrace::watch
