#include "decode/csv_header.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/text.hpp"

namespace millrace::decode {

using base::Code;
using base::Error;
using base::Result;

namespace {
constexpr std::string_view kMark{"\0header:", 8};
}  // namespace

std::string misfit_mark(std::size_t header_width) {
  return fmt::format("{}{}", kMark, header_width);
}

std::optional<std::size_t> marked_width(std::string_view tail) {
  if (!tail.starts_with(kMark)) return std::nullopt;
  const auto digits = tail.substr(kMark.size());
  std::size_t width = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), width);
  if (read.ec != std::errc() || read.ptr != digits.data() + digits.size()) return std::nullopt;
  return width;
}

Result<CsvHeader> CsvHeader::read(std::string_view line, const config::Source& source) {
  CsvHeader header(source.csv_delimiter, source.csv_null);
  if (const auto at = header.row_.split(line); at != std::string_view::npos) {
    return Error{Code::Invalid,
                 fmt::format("the header is not CSV: a quote is wrong at byte {}", at)};
  }
  const auto& fields = header.row_.fields();
  std::vector<std::string> names;
  for (const auto& column : source.schema) names.push_back(column.name);
  header.width_ = fields.size();
  header.field_of_column_.resize(names.size());
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const std::string name(base::trimmed(fields[i].text));
    const auto found = std::ranges::find(names, name);
    if (found == names.end()) {
      if (source.unknown_fields == config::UnknownFields::Ignore) continue;
      return Error{
          Code::Invalid,
          fmt::format("the header names '{}', which is not in the schema of '{}'{}",
                      base::printable(name), source.name, base::did_you_mean(name, names))};
    }
    auto& field = header.field_of_column_[static_cast<std::size_t>(found - names.begin())];
    if (field) return Error{Code::Invalid, fmt::format("the header names '{}' twice", name)};
    field = i;
  }
  const bool has_any =
      std::ranges::any_of(header.field_of_column_, [](auto f) { return f.has_value(); });
  if (!has_any) {
    return Error{Code::Invalid,
                 fmt::format("the first line must be a header with columns of '{}': {}",
                             source.name, base::join(names, std::string(1, source.csv_delimiter)))};
  }
  header.is_schema_ = fields.size() == names.size();
  for (std::size_t i = 0; i < names.size(); ++i) {
    header.is_schema_ = header.is_schema_ && header.field_of_column_[i] == i;
  }
  return header;
}

bool CsvHeader::arrange(std::string_view line, std::string& into) {
  if (row_.split(line) != std::string_view::npos) return false;
  if (row_.fields().size() != width_) {
    into += line;
    into += misfit_mark(width_);
    return true;
  }
  for (std::size_t i = 0; i < field_of_column_.size(); ++i) {
    if (i > 0) into += delimiter_;
    const auto field = field_of_column_[i];
    into += field ? row_.fields()[*field].raw : std::string_view(null_);
  }
  return true;
}

std::size_t CsvHeader::arranged_extra_bytes() const {
  return std::max(field_of_column_.size() * (1 + null_.size()), misfit_mark(width_).size());
}

}  // namespace millrace::decode
