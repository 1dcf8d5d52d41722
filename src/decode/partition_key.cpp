#include "decode/partition_key.hpp"

#include <simdjson.h>

#include <algorithm>

#include "decode/csv_fields.hpp"

namespace millrace::decode {

namespace ondemand = simdjson::ondemand;

class KeyReader::State {
 public:
  explicit State(const config::Source& source)
      : format_(source.format), row_(source.csv_delimiter) {
    if (const auto* log = std::get_if<config::LogSource>(&source.from))
      column_ = log->partition_key;
    const auto found = std::ranges::find(source.schema, column_, &config::Column::name);
    index_ = static_cast<std::size_t>(found - source.schema.begin());
  }

  std::string_view read(std::string_view record) {
    if (column_.empty()) return {};
    return format_ == config::Format::Json ? read_json(record) : read_csv(record);
  }

 private:
  std::string_view read_csv(std::string_view record) {
    if (row_.split(record) != std::string_view::npos || index_ >= row_.fields().size()) return {};
    return row_.fields()[index_].text;
  }

  std::string_view read_json(std::string_view record) {
    // simdjson compares a key with as many bytes as the name has, also at the end.
    const std::size_t needed = record.size() + simdjson::SIMDJSON_PADDING + column_.size();
    if (buffer_.size() < needed) buffer_.resize(needed);
    std::ranges::copy(record, buffer_.begin());
    ondemand::document document;
    ondemand::value value;
    if (parser_.iterate(buffer_.data(), record.size(), buffer_.size()).get(document)) return {};
    if (document.find_field_unordered(column_).get(value)) return {};
    std::string_view text;
    ondemand::json_type type;
    if (value.type().get(type)) return {};
    if (type == ondemand::json_type::string)
      return value.get_string().get(text) ? std::string_view{} : text;
    if (type != ondemand::json_type::number) return {};
    text = value.raw_json_token();
    return text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
  }

  const config::Format format_;
  std::string column_;
  std::size_t index_ = 0;
  CsvRow row_;
  std::string buffer_;
  ondemand::parser parser_;
};

KeyReader::KeyReader(const config::Source& source) : state_(std::make_unique<State>(source)) {}
KeyReader::KeyReader(KeyReader&&) noexcept = default;
KeyReader::~KeyReader() = default;

std::string_view KeyReader::read(std::string_view record) {
  return state_->read(record);
}

}  // namespace millrace::decode
