#include "source/file_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <deque>

#include "base/units.hpp"
#include "decode/split.hpp"

namespace millrace::source {
namespace {

using base::Code;
using base::Error;
using base::RecordBatch;
using base::Result;
using namespace base::literals;

constexpr std::uint64_t kHeadBytes = 64_KiB;
constexpr std::uint64_t kBlockBytesMin = 64_KiB;
constexpr std::uint64_t kBlockBytesMax = 16_MiB;
constexpr std::size_t kArrangedBytes = 256_KiB;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

// What a batch's records point into.
struct FileReader::Owner {
  std::unique_ptr<char[]> block;
  std::size_t block_bytes = 0;
  std::deque<std::string> arranged;  // CSV rows in the schema's order, many to a string

  std::string_view text() const { return {block.get(), block_bytes}; }
};

Result<std::unique_ptr<FileReader>> FileReader::open(std::unique_ptr<StoredBytes> bytes,
                                                     Options options, const config::Source& source,
                                                     std::uint64_t byte) {
  std::unique_ptr<FileReader> reader(new FileReader(std::move(options), source));
  TRY(reader->begin(std::move(bytes), byte));
  return reader;
}

// The file's first bytes say what it is, wherever the reading goes on.
Result<void> FileReader::begin(std::unique_ptr<StoredBytes> bytes, std::uint64_t byte) {
  stream_ = make_byte_stream(std::move(bytes), options_.path);
  std::string head = TRY(read_head());
  if (options_.end) head.resize(std::min<std::uint64_t>(head.size(), *options_.end));
  std::size_t begin = head.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  if (source_.format == config::Format::Csv) {
    const auto* files = std::get_if<config::FilesSource>(&source_.from);
    if (files != nullptr && files->header) begin = TRY(read_header(head, begin));
    cutter_ = make_csv_cutter(source_.csv_delimiter, kRecordBytesMax);
  } else {
    const std::size_t first = head.find_first_not_of(" \t\r\n", begin);
    const bool is_array = first != std::string::npos && head[first] == '[';
    cutter_ = is_array ? make_array_cutter(byte > first) : make_line_cutter();
  }
  byte_ = std::max<std::uint64_t>(byte, begin);
  if (byte_ > head.size()) {
    TRY(stream_->skip(byte_ - head.size()));
  } else {
    carry_ = head.substr(byte_);
  }
  return {};
}

// As much as is needed to see the first line whole, if it is a header.
Result<std::string> FileReader::read_head() {
  std::string head;
  for (std::uint64_t bytes = kHeadBytes;; bytes *= 2) {
    const std::size_t had = head.size();
    head.resize(bytes);
    head.resize(had + TRY(stream_->read(head.data() + had, bytes - had)));
    const bool has_line =
        source_.format != config::Format::Csv || head.find('\n') != std::string::npos;
    if (head.size() < bytes || has_line || bytes > kRecordBytesMax) return head;
  }
}

// Returns where the rows begin.
Result<std::size_t> FileReader::read_header(std::string_view head, std::size_t begin) {
  while (begin < head.size() && (head[begin] == '\n' || head[begin] == '\r')) ++begin;
  if (begin == head.size()) return begin;  // an empty file
  std::size_t end = decode::csv_row_end(head, begin, source_.csv_delimiter);
  if (end == std::string_view::npos) end = std::min(head.find('\n', begin), head.size());
  std::string_view line = head.substr(begin, end - begin);
  if (line.ends_with('\r')) line.remove_suffix(1);
  auto header = decode::CsvHeader::read(line, source_);
  if (!header) {
    Error error = std::move(header).error();
    error.place = options_.path.string();
    return error;
  }
  if (!header->is_schema()) header_.emplace(std::move(header).value());
  return std::min(end + 1, head.size());
}

Result<RecordBatch> FileReader::read(std::uint64_t bytes_max) {
  RecordBatch batch;
  auto owner = std::make_shared<Owner>();
  std::uint64_t bytes = std::clamp(bytes_max, kBlockBytesMin, kBlockBytesMax);
  for (;; bytes = std::max(bytes, carry_.size())) {
    const bool is_last = TRY(read_block(*owner, bytes));
    TRY(take_records(*owner, batch, is_last));
    if (!batch.records.empty() || is_last) break;
    if (carry_.size() > kRecordBytesMax) return too_large();
  }
  batch.next = position_of(ordinal(), byte_);
  batch.owner = std::move(owner);
  return batch;
}

// Fills a block with what was carried over and `bytes` further ones. True: the file ends there.
Result<bool> FileReader::read_block(Owner& owner, std::uint64_t bytes) {
  const std::uint64_t at = byte_ + carry_.size();
  const std::uint64_t left = options_.end ? *options_.end - std::min(at, *options_.end) : bytes;
  const std::uint64_t wanted = std::min(bytes, left);
  owner.block = std::make_unique_for_overwrite<char[]>(carry_.size() + wanted);
  std::memcpy(owner.block.get(), carry_.data(), carry_.size());
  const std::size_t count = TRY(stream_->read(owner.block.get() + carry_.size(), wanted));
  if (options_.end && count < wanted) {
    return Error{Code::Corrupt,
                 fmt::format("the file had {} bytes when it was read first, now it has {}",
                             *options_.end, at + count),
                 options_.path.string()};
  }
  if (at + count > kByteMax) {
    return Error{Code::Invalid, "a file of more than 1 TiB cannot be read: split it",
                 options_.path.string()};
  }
  owner.block_bytes = carry_.size() + count;
  carry_.clear();
  return count < bytes;
}

Result<void> FileReader::take_records(Owner& owner, RecordBatch& batch, bool is_last) {
  const std::string_view text = owner.text();
  std::size_t at = 0;
  for (;;) {
    auto found = cutter_->next(text, at, is_last);
    if (!found) {
      if (!batch.records.empty()) break;  // the next read finds it first
      Error error = std::move(found).error();
      error.place = fmt::format("{}, byte {}", options_.path.string(), byte_ + at);
      return error;
    }
    const Cut cut = *found;
    if (cut.kind != Cut::Kind::Record) {
      at = cut.next;
      break;
    }
    if (cut.end - cut.begin > kRecordBytesMax) {
      if (!batch.records.empty()) break;
      byte_ += cut.begin;
      return too_large();
    }
    const auto line = text.substr(cut.begin, cut.end - cut.begin);
    batch.records.push_back({.offset = position_of(ordinal(), byte_ + cut.begin),
                             .received_at = options_.received_at,
                             .partition_key = {},
                             .bytes = header_ ? arranged(line, owner) : line});
    at = cut.next;
  }
  carry_ = text.substr(at);
  byte_ += at;
  return {};
}

std::string_view FileReader::arranged(std::string_view line, Owner& owner) {
  const std::size_t bytes_max = line.size() + header_->arranged_extra_bytes();
  auto& strings = owner.arranged;
  if (strings.empty() || strings.back().capacity() - strings.back().size() < bytes_max) {
    strings.emplace_back().reserve(std::max(kArrangedBytes, bytes_max));
  }
  const std::size_t begin = strings.back().size();
  if (!header_->arrange(line, strings.back())) return line;
  return std::string_view(strings.back()).substr(begin);
}

Error FileReader::too_large() const {
  return {Code::Invalid,
          fmt::format("the record at byte {} has more than {} bytes, which is the limit", byte_,
                      kRecordBytesMax),
          options_.path.string()};
}

}  // namespace millrace::source
