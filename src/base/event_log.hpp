#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>

namespace millrace::base {

enum class Level : std::uint8_t { Debug, Info, Warn, Error };
enum class LogFormat : std::uint8_t { Text, Json };

/// One `name=value` of a log line. Numbers and booleans stay bare in JSON.
struct Field {
  std::string_view name;
  std::string value;
  bool is_text = true;

  Field(std::string_view name_, std::string_view value_) : name(name_), value(value_) {}
  Field(std::string_view name_, const std::string& value_) : name(name_), value(value_) {}
  Field(std::string_view name_, const char* value_) : name(name_), value(value_) {}
  Field(std::string_view name_, bool value_)
      : name(name_), value(value_ ? "true" : "false"), is_text(false) {}
  template <class T>
    requires std::is_arithmetic_v<T>
  Field(std::string_view name_, T value_)
      : name(name_), value(std::to_string(value_)), is_text(false) {}
};

/// Structured log lines, one event a line: `2026-11-23T08:30:00.000000Z info table.committed
/// table=orders version=3`, or the same as a JSON object. Values are made printable.
/// Threads: safe from any.
class EventLog {
 public:
  /// Lines go to standard error, or nowhere (`EventLog::silent()`).
  EventLog(LogFormat format, Level level_min);
  static EventLog silent();
  ~EventLog();
  EventLog(EventLog&&) noexcept;

  void write(Level level, std::string_view event, std::initializer_list<Field> fields);

 private:
  struct State;
  explicit EventLog(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace millrace::base
