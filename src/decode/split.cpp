#include "decode/split.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/text.hpp"
#include "decode/csv_header.hpp"

namespace millrace::decode {
namespace {

using base::Code;
using base::Error;
using base::Result;

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::string_view kBlank = " \t\r\n";

std::string_view without_mark(std::string_view body) {
  if (body.starts_with(kByteOrderMark)) body.remove_prefix(kByteOrderMark.size());
  return body;
}

/// Collects records and keeps the limits.
class Collector {
 public:
  Collector(std::string_view body, const SplitLimits& limits) : body_(body), limits_(limits) {}

  Result<void> add(std::string_view record) {
    const auto at = static_cast<std::size_t>(record.data() - body_.data());
    if (record.size() > limits_.record_bytes_max) {
      return Error{Code::Invalid, fmt::format("the record at byte {} has {} bytes; {} is the limit",
                                              at, record.size(), limits_.record_bytes_max)};
    }
    if (split_.records.size() == limits_.records_max) {
      return Error{Code::Invalid,
                   fmt::format("a body may hold {} records; the next one is at byte {}",
                               limits_.records_max, at)};
    }
    split_.records.push_back(record);
    return {};
  }

  SplitBody take() { return std::move(split_); }

 private:
  const std::string_view body_;
  const SplitLimits& limits_;
  SplitBody split_;
};

Result<SplitBody> split_lines(std::string_view whole, std::string_view body,
                              const SplitLimits& limits) {
  Collector collector(whole, limits);
  for (std::size_t at = 0; at < body.size();) {
    const auto end = std::min(body.find('\n', at), body.size());
    const auto line = base::trimmed(body.substr(at, end - at));
    if (!line.empty()) TRY(collector.add(line));
    at = end + 1;
  }
  return collector.take();
}

// The end of the JSON value at `at`: brackets are counted, strings stepped over; npos if it stays
// open.
std::size_t value_end(std::string_view text, std::size_t at) {
  int depth = 0;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '"') {
      for (++at; at < text.size() && text[at] != '"'; ++at) {
        if (text[at] == '\\') ++at;
      }
      if (at >= text.size()) return std::string_view::npos;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      if (--depth < 0) return at;
    } else if (c == ',' && depth == 0) {
      return at;
    }
  }
  return depth == 0 ? at : std::string_view::npos;
}

Result<SplitBody> split_array(std::string_view whole, std::string_view body,
                              const SplitLimits& limits) {
  Collector collector(whole, limits);
  const auto byte_of = [&](std::size_t at) {
    return at + static_cast<std::size_t>(body.data() - whole.data());
  };
  std::size_t at = 1;
  for (;;) {
    const std::size_t end = value_end(body, at);
    if (end == std::string_view::npos || end == body.size()) {
      return Error{
          Code::Invalid,
          fmt::format("the array is not closed: the record at byte {} has no end", byte_of(at))};
    }
    const auto record = base::trimmed(body.substr(at, end - at));
    const bool is_empty_array = record.empty() && body[end] == ']' && at == 1;
    if (body[end] == '}' || (record.empty() && !is_empty_array)) {
      return Error{Code::Invalid,
                   fmt::format("not a JSON array of records at byte {}", byte_of(end))};
    }
    if (!is_empty_array) TRY(collector.add(record));
    at = end + 1;
    if (body[end] == ']') break;
  }
  const auto rest = body.find_first_not_of(kBlank, at);
  if (rest != std::string_view::npos) {
    return Error{Code::Invalid,
                 fmt::format("there is more after the array, at byte {}", byte_of(rest))};
  }
  return collector.take();
}

// True if the first line alone does not hold a whole object, but the body does.
bool is_one_object(std::string_view body) {
  const auto line_end = std::min(body.find('\n'), body.size());
  const auto first_line = body.substr(0, line_end);
  const auto end = value_end(first_line, 0);
  if (end != std::string_view::npos) return false;
  return value_end(body, 0) == body.size();
}

}  // namespace

Result<SplitBody> split_json(std::string_view whole, const SplitLimits& limits) {
  const auto body = base::trimmed(without_mark(whole));
  if (body.empty()) return SplitBody{};
  if (body.front() == '[') return split_array(whole, body, limits);
  if (body.front() == '{' && is_one_object(body)) {
    Collector collector(whole, limits);
    TRY(collector.add(body));
    return collector.take();
  }
  return split_lines(whole, body, limits);
}

Result<SplitBody> split_ndjson(std::string_view whole, const SplitLimits& limits) {
  return split_lines(whole, without_mark(whole), limits);
}

std::size_t csv_row_end(std::string_view text, std::size_t from, char delimiter) {
  std::size_t at = from;
  for (;;) {
    if (at < text.size() && text[at] == '"') {
      // Up to the quote that is not doubled.
      for (++at;; at += 2) {
        at = text.find('"', at);
        if (at == std::string_view::npos) return at;
        if (at + 1 == text.size() || text[at + 1] != '"') break;
      }
    }
    while (at < text.size() && text[at] != delimiter && text[at] != '\n') ++at;
    if (at == text.size() || text[at] == '\n') return at;
    ++at;
  }
}

Result<SplitBody> split_csv(std::string_view whole, const config::Source& source,
                            const SplitLimits& limits) {
  const auto body = without_mark(whole);
  Collector collector(whole, limits);
  std::optional<CsvHeader> header;
  std::vector<std::unique_ptr<std::string>> owned;
  for (std::size_t at = 0; at < body.size();) {
    const std::size_t end = csv_row_end(body, at, source.csv_delimiter);
    if (end == std::string_view::npos) {
      return Error{Code::Invalid, fmt::format("a quote is never closed in the row at byte {}", at)};
    }
    std::string_view line = body.substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    at = end + 1;
    if (line.empty()) continue;
    if (!header) {
      header.emplace(TRY(CsvHeader::read(line, source)));
      continue;
    }
    TRY(collector.add(line));
    if (header->is_schema()) continue;
    auto text = std::make_unique<std::string>();
    const bool is_arranged = header->arrange(line, *text);
    owned.push_back(is_arranged ? std::move(text) : nullptr);
  }
  SplitBody split = collector.take();
  for (std::size_t i = 0; i < owned.size(); ++i) {
    if (owned[i]) split.records[i] = *owned[i];
  }
  std::erase(owned, nullptr);
  split.owned = std::move(owned);
  return split;
}

}  // namespace millrace::decode
