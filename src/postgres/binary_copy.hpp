#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::postgres {

/// Rows in PostgreSQL's binary COPY format, column by column. The server takes a column's bytes
/// only as the type that they were written for.
/// Source  PostgreSQL, COPY, "Binary Format"; the types' own send functions.
///
/// A row of an int4 1 and a NULL:
///   00 02  00 00 00 04 00 00 00 01  ff ff ff ff
class BinaryCopy {
 public:
  __extension__ using Wide = __int128;

  /// Begins with the header.
  BinaryCopy();

  void row(std::size_t column_count) { put(static_cast<std::uint16_t>(column_count)); }
  void null() { put(~std::uint32_t{0}); }
  void boolean(bool value);
  void int2(std::int16_t value) { field(static_cast<std::uint16_t>(value)); }
  void int4(std::int32_t value) { field(static_cast<std::uint32_t>(value)); }
  void int8(std::int64_t value) { field(static_cast<std::uint64_t>(value)); }
  void float4(float value);
  void float8(double value);
  /// text, varchar, char, json, bytea
  void bytes(std::string_view value);
  void jsonb(std::string_view json);
  /// `value` * 10^-`scale`
  void numeric(Wide value, int scale);
  /// Days since 1970-01-01.
  void date(std::int32_t days);
  /// timestamp, timestamptz: microseconds since 1970-01-01T00:00:00Z
  void timestamp(std::int64_t micros);
  /// After the last row.
  void end() { put(static_cast<std::uint16_t>(0xffff)); }

  std::size_t size() const { return bytes_.size(); }
  std::string_view view() const { return bytes_; }
  /// Forgets what was written: it has been sent.
  void clear() { bytes_.clear(); }

 private:
  // Big-endian.
  template <class Unsigned>
  void put(Unsigned value) {
    std::array<char, sizeof(Unsigned)> bytes{};
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      bytes[bytes.size() - 1 - i] = static_cast<char>(value >> (8 * i) & 0xff);
    }
    bytes_.append(bytes.data(), bytes.size());
  }
  template <class Unsigned>
  void field(Unsigned value) {
    put(static_cast<std::uint32_t>(sizeof value));
    put(value);
  }

  std::string bytes_;
};

}  // namespace millrace::postgres
