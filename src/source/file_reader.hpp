#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/record.hpp"
#include "base/result.hpp"
#include "config/pipeline.hpp"
#include "decode/csv_header.hpp"
#include "os/disk.hpp"
#include "source/byte_stream.hpp"
#include "source/record_cutter.hpp"

namespace millrace::source {

inline constexpr std::uint64_t kRecordBytesMax = std::uint64_t{10} << 20;
/// A position is `ordinal << kByteBits | byte`.
inline constexpr int kByteBits = 40;
inline constexpr std::uint64_t kByteMax = (std::uint64_t{1} << kByteBits) - 1;

constexpr base::Offset position_of(std::uint64_t ordinal, std::uint64_t byte) {
  return base::Offset(static_cast<std::int64_t>(ordinal << kByteBits | byte));
}

/// Reads the records of one file from a byte on.
/// Threads: one at a time.
class FileReader {
 public:
  struct Options {
    os::Path path;  ///< for its end and for people
    std::uint64_t ordinal = 0;
    base::Time received_at;            ///< what its records get
    std::optional<std::uint64_t> end;  ///< bytes of the unpacked file; none: to its end
  };
  /// `source` must outlive the reader. `byte` is 0, or where a read left off.
  /// Errors  Invalid: a bad CSV header. Corrupt: the file is shorter than `byte`.
  static base::Result<std::unique_ptr<FileReader>> open(std::unique_ptr<StoredBytes> bytes,
                                                        Options options,
                                                        const config::Source& source,
                                                        std::uint64_t byte);

  std::uint64_t ordinal() const { return options_.ordinal; }
  /// Where the next read goes on.
  std::uint64_t byte() const { return byte_; }

  /// Shape   one record at least, if there is any before the file's end; positions, not numbers, so
  ///         there are gaps between them.
  /// Errors  Invalid: a record is too large, or the records cannot be told apart, with the byte.
  base::Result<base::RecordBatch> read(std::uint64_t bytes_max);

 private:
  struct Owner;
  FileReader(Options options, const config::Source& source)
      : options_(std::move(options)), source_(source) {}
  base::Result<void> begin(std::unique_ptr<StoredBytes> bytes, std::uint64_t byte);
  base::Result<std::string> read_head();
  base::Result<std::size_t> read_header(std::string_view head, std::size_t begin);
  base::Result<bool> read_block(Owner& owner, std::uint64_t bytes);
  base::Result<void> take_records(Owner& owner, base::RecordBatch& batch, bool is_last);
  std::string_view arranged(std::string_view line, Owner& owner);
  base::Error too_large() const;

  const Options options_;
  const config::Source& source_;
  std::unique_ptr<ByteStream> stream_;
  std::unique_ptr<RecordCutter> cutter_;
  std::optional<decode::CsvHeader> header_;  // of rows that do not stand in the schema's order
  std::uint64_t byte_ = 0;
  std::string carry_;  // bytes from byte_ on that were read already
};

}  // namespace millrace::source
