#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::parquet {

/// Writes Thrift's compact protocol, as much of it as Parquet's headers and footer need. Fields of
/// a struct are written in the order of their ids. Example  a struct with field 1 = i32 3: `15 06
/// 00` (delta 1 and type 5; zigzag of 3; stop). Source   thrift-compact-protocol.md of Apache
/// Thrift.
class ThriftWriter {
 public:
  enum class Type : std::uint8_t { I32 = 5, I64 = 6, Binary = 8, Struct = 12 };

  const std::string& bytes() const { return bytes_; }

  void i32(std::int16_t id, std::int32_t value) { integer(id, 5, value); }
  void i64(std::int16_t id, std::int64_t value) { integer(id, 6, value); }
  void i16(std::int16_t id, std::int16_t value) { integer(id, 4, value); }
  void i8(std::int16_t id, std::int8_t value) {
    header(id, 3);
    bytes_.push_back(static_cast<char>(value));
  }
  void boolean(std::int16_t id, bool value) { header(id, value ? 1 : 2); }
  void binary(std::int16_t id, std::string_view value) {
    header(id, 8);
    element(value);
  }

  /// A struct as a field; `end` closes it, as it closes the outermost one.
  void begin(std::int16_t id) {
    header(id, 12);
    begin_element();
  }
  void empty(std::int16_t id) {
    begin(id);
    end();
  }
  void end() {
    bytes_.push_back('\0');
    last_ = above_.empty() ? std::int16_t{0} : above_.back();
    if (!above_.empty()) above_.pop_back();
  }

  /// A list as a field; that many elements follow.
  void list(std::int16_t id, Type type, std::size_t count) {
    header(id, 9);
    const auto kind = static_cast<std::uint8_t>(type);
    if (count < 15) {
      bytes_.push_back(static_cast<char>(count << 4 | kind));
    } else {
      bytes_.push_back(static_cast<char>(0xF0 | kind));
      varint(count);
    }
  }
  void begin_element() {
    above_.push_back(last_);
    last_ = 0;
  }
  void element(std::int32_t value) { varint(zigzag(value)); }
  void element(std::string_view value) {
    varint(value.size());
    bytes_ += value;
  }

 private:
  void header(std::int16_t id, std::uint8_t type) {
    bytes_.push_back(static_cast<char>((id - last_) << 4 | type));
    last_ = id;
  }
  void integer(std::int16_t id, std::uint8_t type, std::int64_t value) {
    header(id, type);
    varint(zigzag(value));
  }
  static std::uint64_t zigzag(std::int64_t value) {
    return static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63);
  }
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_.push_back(static_cast<char>(value | 0x80));
    bytes_.push_back(static_cast<char>(value));
  }

  std::string bytes_;
  std::int16_t last_ = 0;            // the id of the field before, in this struct
  std::vector<std::int16_t> above_;  // the same in those that hold it
};

}  // namespace millrace::parquet
