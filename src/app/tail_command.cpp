#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "app/commands.hpp"
#include "app/companion.hpp"
#include "http/url.hpp"

namespace millrace::app {
namespace {

using base::Code;
using base::Error;
using base::Result;

/// Takes server-sent events as they come, prints rows and tells of those that were missed.
class Rows {
 public:
  Rows(Screen& screen, std::uint64_t limit) : screen_(screen), limit_(limit) {}

  bool has_all() const { return limit_ > 0 && count_ == limit_; }

  Result<void> take(std::string_view piece) {
    buffer_ += piece;
    std::size_t at = 0;
    for (std::size_t end = 0; (end = buffer_.find('\n', at)) != std::string::npos; at = end + 1) {
      take_line(std::string_view(buffer_).substr(at, end - at));
      if (has_all()) break;
    }
    buffer_.erase(0, at);
    screen_.flush();
    if (has_all() || !screen_.is_good()) return Error{Code::Cancelled, "enough was seen"};
    return {};
  }

 private:
  void take_line(std::string_view line) {
    constexpr std::string_view kData = "data: ", kEvent = "event: ";
    if (line.empty()) is_missed_ = false;
    if (line.starts_with(kEvent)) is_missed_ = line.substr(kEvent.size()) == "missed";
    if (!line.starts_with(kData)) return;
    line.remove_prefix(kData.size());
    if (is_missed_) {
      const auto missed = nlohmann::json::parse(line, nullptr, false);
      screen_.note(fmt::format("{} rows came too fast to be shown",
                               missed.is_object() ? missed.value("rows", 0) : 0));
      return;
    }
    screen_.line(line);
    ++count_;
  }

  Screen& screen_;
  const std::uint64_t limit_;
  std::uint64_t count_ = 0;
  std::string buffer_;
  bool is_missed_ = false;
};

}  // namespace

Exit tail_table(const TailOptions& options, Screen& screen) {
  auto companion = reach_running(options.data);
  if (!companion) return fail(screen, companion.error());
  if (!*companion) {
    return fail(screen, {Code::Unavailable,
                         fmt::format("nothing runs on {}, so no rows come; start it with "
                                     "`millrace run`, or see what is there with `millrace query`",
                                     options.data.string())});
  }
  Rows rows(screen, options.limit);
  const auto path = fmt::format("/v1/tables/{}/tail", http::percent_encode(options.table));
  const auto watched =
      (*companion)->stream(get(path), [&](std::string_view piece) { return rows.take(piece); });
  if (!watched && !rows.has_all()) return fail(screen, watched.error());
  return screen.is_good() ? Exit::Fine : Exit::Failed;
}

}  // namespace millrace::app
