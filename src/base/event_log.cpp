#include "base/event_log.hpp"

#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/null_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <nlohmann/json.hpp>

#include "base/clock.hpp"
#include "base/text.hpp"

namespace millrace::base {
namespace {

constexpr std::size_t kValueBytesMax = 4096;

std::string_view name_of(Level level) {
  switch (level) {
    case Level::Debug:
      return "debug";
    case Level::Info:
      return "info";
    case Level::Warn:
      return "warn";
    case Level::Error:
      return "error";
  }
  return "info";
}

spdlog::level::level_enum level_of(Level level) {
  switch (level) {
    case Level::Debug:
      return spdlog::level::debug;
    case Level::Info:
      return spdlog::level::info;
    case Level::Warn:
      return spdlog::level::warn;
    case Level::Error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

std::string text_line(Level level, std::string_view event, std::initializer_list<Field> fields) {
  std::string line =
      fmt::format("{} {} {}", format_time(SystemClock().now()), name_of(level), event);
  for (const auto& field : fields) {
    const std::string value = printable(field.value, kValueBytesMax);
    const bool is_bare = !value.empty() && value.find_first_of(" \"=") == std::string::npos;
    line += ' ';
    line += field.name;
    line += '=';
    line += is_bare ? value : nlohmann::json(value).dump();
  }
  return line;
}

std::string json_line(Level level, std::string_view event, std::initializer_list<Field> fields) {
  nlohmann::ordered_json line{
      {"time", format_time(SystemClock().now())}, {"level", name_of(level)}, {"event", event}};
  for (const auto& field : fields) {
    const std::string name(field.name);
    auto& value = line[name];
    if (!field.is_text) value = nlohmann::ordered_json::parse(field.value, nullptr, false);
    // JSON has no nan and no inf: they are written as text.
    if (field.is_text || value.is_discarded()) value = printable(field.value, kValueBytesMax);
  }
  return line.dump();
}

}  // namespace

struct EventLog::State {
  LogFormat format;
  spdlog::logger logger;
};

EventLog::EventLog(LogFormat format, Level level_min)
    : state_(new State{
          format, spdlog::logger("millrace", std::make_shared<spdlog::sinks::stderr_sink_mt>())}) {
  state_->logger.set_pattern("%v");
  state_->logger.set_level(level_of(level_min));
  state_->logger.flush_on(spdlog::level::debug);
}

EventLog::EventLog(std::unique_ptr<State> state) : state_(std::move(state)) {}

EventLog EventLog::silent() {
  auto sink = std::make_shared<spdlog::sinks::null_sink_mt>();
  EventLog log(std::unique_ptr<State>(new State{LogFormat::Text, spdlog::logger("silent", sink)}));
  log.state_->logger.set_level(spdlog::level::off);
  return log;
}

EventLog::~EventLog() = default;
EventLog::EventLog(EventLog&&) noexcept = default;

void EventLog::write(Level level, std::string_view event, std::initializer_list<Field> fields) {
  if (!state_->logger.should_log(level_of(level))) return;
  const std::string line = state_->format == LogFormat::Json ? json_line(level, event, fields)
                                                             : text_line(level, event, fields);
  state_->logger.log(level_of(level), "{}", line);
}

}  // namespace millrace::base
