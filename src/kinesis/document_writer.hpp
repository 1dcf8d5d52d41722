#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "kinesis/codec.hpp"

namespace millrace::kinesis {

/// Writes a document from its beginning to its end, as JSON or CBOR.
/// Objects and lists of CBOR are of indefinite length, as AWS sends them.
class DocumentWriter {
 public:
  explicit DocumentWriter(Encoding encoding) : encoding_(encoding) {}

  void begin_object();
  void end_object();
  void begin_list();
  void end_list();
  void key(std::string_view name);
  void text(std::string_view value);  ///< what is not UTF-8 is written as `\xNN`
  void integer(std::int64_t value);
  void boolean(bool value);
  void blob(std::string_view bytes);
  void time(base::Time time);  ///< to the millisecond

  void text(std::string_view name, std::string_view value) { key(name), text(value); }
  void integer(std::string_view name, std::int64_t value) { key(name), integer(value); }
  void boolean(std::string_view name, bool value) { key(name), boolean(value); }
  void time(std::string_view name, base::Time value) { key(name), time(value); }
  void begin_object(std::string_view name) { key(name), begin_object(); }
  void begin_list(std::string_view name) { key(name), begin_list(); }

  void reserve(std::size_t bytes) { out_.reserve(bytes); }
  std::string take() { return std::move(out_); }
  std::size_t size() const { return out_.size(); }
  Encoding encoding() const { return encoding_; }

 private:
  void separate();
  void head(std::uint8_t major, std::uint64_t argument);
  void json_string(std::string_view text);

  const Encoding encoding_;
  std::string out_;
  bool needs_comma_ = false;
};

}  // namespace millrace::kinesis
