#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace millrace::base {

/// What the *caller* should do about an error.
enum class Code : std::uint8_t {
  Invalid,      ///< the input is wrong: fix it
  NotFound,     ///< no such thing
  Denied,       ///< not allowed: ask the operator
  Corrupt,      ///< stored bytes are damaged: stop
  Exhausted,    ///< a limit is reached: slow down and come again
  Unavailable,  ///< a passing fault: retry
  Unknown,      ///< it may or may not have happened: read back before retrying
  Cancelled,    ///< somebody asked to stop
};

std::string_view name_of(Code code);

/// A failure as a value. `place` is where it is to be mended: `file:line:column`, a path, or a
/// position in a stream; empty if the message says it all.
struct Error {
  Code code = Code::Invalid;
  std::string message;
  std::string place = {};

  /// `place: message`, or the message alone.
  std::string text() const;
};

[[noreturn]] void check_failed(const char* expression, const char* file, int line);

template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(*-explicit-*)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(*-explicit-*)

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T& value() & { return ok(), *std::get_if<0>(&state_); }
  const T& value() const& { return ok(), *std::get_if<0>(&state_); }
  T value() && { return ok(), std::move(*std::get_if<0>(&state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const& { return failed(), *std::get_if<1>(&state_); }
  Error error() && { return failed(), std::move(*std::get_if<1>(&state_)); }

  T value_or(T other) && { return has_value() ? std::move(*this).value() : std::move(other); }

  /// Puts `what: ` before an error's message; a value passes unchanged.
  Result context(std::string_view what) && {
    if (!has_value()) std::get_if<1>(&state_)->message.insert(0, std::string(what) + ": ");
    return std::move(*this);
  }

 private:
  void ok() const {
    if (!has_value()) check_failed(std::get_if<1>(&state_)->text().c_str(), "Result::value", 0);
  }
  void failed() const {
    if (has_value()) check_failed("has_error()", "Result::error", 0);
  }

  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;

  Result() : failed_(false) {}
  Result(Error error) : failed_(true), error_(std::move(error)) {}  // NOLINT(*-explicit-*)

  bool has_value() const { return !failed_; }
  explicit operator bool() const { return has_value(); }
  void value() const {
    if (failed_) check_failed(error_.text().c_str(), "Result::value", 0);
  }
  const Error& error() const& { return failed(), error_; }
  Error error() && { return failed(), std::move(error_); }

  Result context(std::string_view what) && {
    if (failed_) error_.message.insert(0, std::string(what) + ": ");
    return std::move(*this);
  }

 private:
  void failed() const {
    if (!failed_) check_failed("has_error()", "Result::error", 0);
  }

  bool failed_;
  Error error_;
};

}  // namespace millrace::base

// The value of `expression`, or return its error from the enclosing function. Stands alone: a
// statement, after `=`, or after `return`.
#define TRY(expression)                                      \
  __extension__({                                            \
    auto try_result_ = (expression);                         \
    if (!try_result_) return std::move(try_result_).error(); \
    std::move(try_result_).value();                          \
  })

// Our own bug if false: stays in release, prints, aborts. Never for input.
#define CHECK(claim) ((claim) ? void() : ::millrace::base::check_failed(#claim, __FILE__, __LINE__))
