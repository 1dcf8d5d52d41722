#include "parquet/column_chunk.hpp"

#include "parquet/dictionary.hpp"
#include "parquet/rle.hpp"
#include "parquet/thrift.hpp"

namespace millrace::parquet {

using base::Result;

namespace {

enum class PageType : std::uint8_t { Data = 0, Dictionary = 2 };

/// Puts pages behind each other, compressed and with their headers.
class Pages {
 public:
  Pages(ColumnChunk& chunk, Compressor& compressor) : chunk_(chunk), compressor_(compressor) {}

  Result<void> write(PageType type, std::size_t values, Encoding encoding, std::string_view body) {
    compressed_.clear();
    TRY(compressor_.append(body, compressed_));
    ThriftWriter header;
    header.i32(1, static_cast<std::int32_t>(type));
    header.i32(2, static_cast<std::int32_t>(body.size()));
    header.i32(3, static_cast<std::int32_t>(compressed_.size()));
    header.begin(type == PageType::Data ? 5 : 7);
    header.i32(1, static_cast<std::int32_t>(values));
    header.i32(2, static_cast<std::int32_t>(encoding));
    if (type == PageType::Data) {
      header.i32(3, static_cast<std::int32_t>(Encoding::Rle));
      header.i32(4, static_cast<std::int32_t>(Encoding::Rle));
    }
    header.end();
    header.end();
    chunk_.bytes += header.bytes();
    chunk_.bytes += compressed_;
    chunk_.bytes_uncompressed += static_cast<std::int64_t>(header.bytes().size() + body.size());
    return {};
  }

 private:
  ColumnChunk& chunk_;
  Compressor& compressor_;
  std::string compressed_;
};

/// Entries and values of one page.
struct Part {
  std::size_t entry_from = 0, entry_until = 0;
  std::size_t value_from = 0, value_until = 0;

  template <class T>
  std::span<const T> entries(const std::vector<T>& all) const {
    return std::span(all).subspan(entry_from, entry_until - entry_from);
  }
  template <class T>
  std::span<const T> values(const std::vector<T>& all) const {
    return std::span(all).subspan(value_from, value_until - value_from);
  }
};

// A row is never in two pages.
template <class T>
std::vector<Part> parts_of(const Leaf& leaf, const LeafRows& rows, const std::vector<T>& values,
                           std::size_t bytes_max) {
  std::vector<Part> parts{{}};
  std::size_t bytes = 0, value = 0;
  for (std::size_t entry = 0; entry < rows.entry_count(); ++entry) {
    const bool begins_row = rows.repetitions().empty() || rows.repetitions()[entry] == 0;
    if (bytes >= bytes_max && begins_row) {
      parts.back().entry_until = entry;
      parts.back().value_until = value;
      parts.push_back({.entry_from = entry, .value_from = value});
      bytes = 0;
    }
    if (rows.definitions().empty() || rows.definitions()[entry] == leaf.definition_max) {
      bytes += plain_bytes(values[value++]);
    }
  }
  parts.back().entry_until = rows.entry_count();
  parts.back().value_until = value;
  return parts;
}

void append_levels(std::span<const std::uint8_t> levels, std::size_t count, int highest,
                   std::string& out) {
  const auto at = out.size();
  const auto width = bit_width(static_cast<std::uint32_t>(highest));
  std::uint32_t length = 0;
  out.append(sizeof length, '\0');
  if (levels.empty()) {
    append_run(static_cast<std::uint32_t>(highest), count, width, out);
  } else {
    append_rle(levels, width, out);
  }
  length = static_cast<std::uint32_t>(out.size() - at - sizeof length);
  std::memcpy(out.data() + at, &length, sizeof length);
}

// Repetitions, then definitions.
void append_levels(const Leaf& leaf, const LeafRows& rows, const Part& part, std::string& out) {
  const auto count = part.entry_until - part.entry_from;
  if (leaf.repetition_max > 0) {
    append_levels(part.entries(rows.repetitions()), count, leaf.repetition_max, out);
  }
  const auto& definitions = rows.definitions();
  append_levels(definitions.empty() ? std::span<const std::uint8_t>() : part.entries(definitions),
                count, leaf.definition_max, out);
}

template <class T>
void append_values(const Leaf& leaf, std::span<const T> values, std::string& out) {
  if constexpr (std::is_same_v<T, std::int8_t>) {
    if (leaf.physical == Physical::Boolean) return append_bits(values, out);
  }
  append_plain(values, out);
}

template <class T>
Result<void> encode_values(const Leaf& leaf, const LeafRows& rows, const WriterOptions& options,
                           ColumnChunk& chunk, Compressor& compressor) {
  const auto& values = std::get<std::vector<T>>(rows.values());
  Pages pages(chunk, compressor);
  std::string body;
  auto dictionary = leaf.physical == Physical::Boolean
                        ? std::nullopt
                        : dictionary_of(std::span(values), options.dictionary_entries_max);
  int width = 0;
  if (dictionary) {
    append_plain(std::span<const T>(dictionary->words), body);
    TRY(pages.write(PageType::Dictionary, dictionary->words.size(), Encoding::Plain, body));
    chunk.statistics = statistics_of(rows, dictionary->words);
    chunk.dictionary_size = chunk.bytes.size();
    width = std::max(1, bit_width(static_cast<std::uint32_t>(dictionary->words.size() - 1)));
  } else {
    chunk.statistics = statistics_of(rows, rows.values());
  }
  for (const auto& part : parts_of(leaf, rows, values, options.page_bytes_max)) {
    body.clear();
    append_levels(leaf, rows, part, body);
    if (dictionary) {
      body.push_back(static_cast<char>(width));
      append_rle(part.values(dictionary->indexes), width, body);
    } else {
      append_values(leaf, part.values(values), body);
    }
    TRY(pages.write(PageType::Data, part.entry_until - part.entry_from,
                    dictionary ? Encoding::RleDictionary : Encoding::Plain, body));
  }
  return {};
}

}  // namespace

Result<ColumnChunk> encode(const Leaf& leaf, const LeafRows& rows, const WriterOptions& options,
                           Compressor& compressor) {
  ColumnChunk chunk{.entry_count = static_cast<std::int64_t>(rows.entry_count())};
  TRY(std::visit(
      [&]<class T>(const std::vector<T>&) {
        return encode_values<T>(leaf, rows, options, chunk, compressor);
      },
      rows.values()));
  return chunk;
}

}  // namespace millrace::parquet
