#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/result.hpp"
#include "config/pipeline.hpp"

namespace millrace::source {

/// Where a record stands in a text.
struct Cut {
  enum class Kind : std::uint8_t {
    Record,
    More,  ///< the text must go on to tell
    End,   ///< there are no further records in the text, which is the file's last
  };
  Kind kind = Kind::End;
  std::size_t begin = 0;
  std::size_t end = 0;
  std::size_t next = 0;  ///< where to look for the next one; bytes before it are done with
};

/// Finds the records of a file, one after the other, without reading them.
/// Threads: one at a time.
class RecordCutter {
 public:
  virtual ~RecordCutter() = default;
  /// The first record of `text` at or after `at`. `is_last`: the file ends with the text.
  /// Errors  Invalid: the records cannot be told apart from here on.
  virtual base::Result<Cut> next(std::string_view text, std::size_t at, bool is_last) = 0;
};

/// One record a line; blank lines are skipped; the last one needs no line break.
std::unique_ptr<RecordCutter> make_line_cutter();
/// The elements of one JSON array. `is_inside`: the text begins after an element.
std::unique_ptr<RecordCutter> make_array_cutter(bool is_inside);
/// CSV rows, which may hold line breaks within quotes. Where a quoted field is still open after
/// `record_bytes_max`, or at the end, its first line alone is the record.
std::unique_ptr<RecordCutter> make_csv_cutter(char delimiter, std::size_t record_bytes_max);

}  // namespace millrace::source
