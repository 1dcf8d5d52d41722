#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "decode/decoder.hpp"
#include "decode/row_reader.hpp"

namespace millrace::decode {

/// Reads records as most senders write them: one object of plain values, no escapes, fields in the
/// same order each time. It answers only what it is sure of; anything else, also everything wrong,
/// is left to the general reader, which gives the same row or the reason.
/// Threads: one at a time.
class PlainJsonReader {
 public:
  explicit PlainJsonReader(const DecoderOptions& options);

  /// False: not plain; then the row's content is undefined.
  bool read(std::string_view record, std::size_t row, std::vector<CellWriter>& cells);

 private:
  struct Cursor;

  /// A field as the record before had it at this place.
  struct Expected {
    std::string start;  ///< `"order_id":`
    std::size_t column = 0;
  };

  bool read_fields(Cursor& cursor, std::size_t row, std::vector<CellWriter>& cells);
  bool read_field(Cursor& cursor, std::size_t place, std::size_t row,
                  std::vector<CellWriter>& cells);
  bool take_key(Cursor& cursor, std::size_t place, std::size_t& column);
  void learn(std::string_view key, std::size_t place, std::size_t column);

  const bool ignores_unknown_;
  const bool keeps_unknown_;
  std::vector<std::string> names_;
  std::vector<char> is_nested_;
  std::vector<Expected> expected_;
  std::vector<std::uint64_t> seen_in_;  // by column: the last record that had it
  std::uint64_t record_ = 0;
  std::size_t seen_count_ = 0;
};

}  // namespace millrace::decode
