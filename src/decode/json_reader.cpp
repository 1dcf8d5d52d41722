#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <cstring>

#include "base/text.hpp"
#include "decode/parse_value.hpp"
#include "decode/plain_json.hpp"
#include "decode/row_reader.hpp"

namespace millrace::decode {
namespace {

namespace ondemand = simdjson::ondemand;
using Kind = config::ColumnType::Kind;

constexpr std::size_t kDetailBytesMax = 60;
constexpr std::size_t kBufferBytesMin = 4096;
constexpr std::size_t kKeptBytesMax = std::size_t{4} << 20;
constexpr int kPlainFailuresMax = 32;
constexpr std::uint64_t kPlainTriedEvery = 64;

Misfit misfit_of(simdjson::error_code error) {
  switch (error) {
    case simdjson::UTF8_ERROR:
      return {"invalid_utf8", "the record is not UTF-8"};
    case simdjson::DEPTH_ERROR:
      return {"too_deep", "the record is nested too deep"};
    case simdjson::CAPACITY:
      return {"too_large", "the record is larger than 4 GiB"};
    default:
      return {"malformed", fmt::format("not JSON: {}", simdjson::error_message(error))};
  }
}

std::string_view trimmed_token(std::string_view token) {
  const auto end = token.find_last_not_of(" \t\r\n");
  return end == std::string_view::npos ? std::string_view{} : token.substr(0, end + 1);
}

class JsonReader final : public RowReader, public JsonValueReader {
 public:
  explicit JsonReader(const DecoderOptions& options)
      : options_(options),
        plain_(options),
        checker_(make_checker(options)),
        seen_(options.schema.size()) {
    for (const auto& column : options.schema) names_.push_back(column.name);
  }

  Fit read(std::string_view record, std::size_t row, std::vector<CellWriter>& cells) override {
    if (should_try_plain()) {
      if (plain_.read(record, row, cells)) {
        plain_failures_ = 0;
        return std::nullopt;
      }
      ++plain_failures_;
      for (auto& cell : cells) cell.reset(row);
    }
    Fit fit = read_general(record, row, cells);
    if (record.size() > kKeptBytesMax) give_back_memory();
    return fit;
  }

  Fit read_value(std::string_view text, std::size_t row, CellWriter& cell) override {
    // As an array of one, so that a text of two values, or of none, is seen as such.
    copy(fmt::format("[{}]", text));
    ondemand::document document;
    if (const auto error = iterate(text.size() + 2).get(document)) return misfit_of(error);
    ondemand::array array;
    if (const auto error = document.get_array().get(array)) return misfit_of(error);
    std::size_t count = 0;
    for (auto element : array) {
      ondemand::value value;
      if (const auto error = element.get(value)) return misfit_of(error);
      if (++count > 1) break;
      if (auto misfit = read_value(value, row, cell)) return misfit;
    }
    if (count != 1 || has_more(document)) return Misfit{"malformed", "not one JSON value"};
    return std::nullopt;
  }

 private:
  // Where records are of another kind, the plain reader is asked only now and then.
  bool should_try_plain() {
    return plain_failures_ < kPlainFailuresMax || ++general_count_ % kPlainTriedEvery == 0;
  }

  Fit read_general(std::string_view record, std::size_t row, std::vector<CellWriter>& cells) {
    copy(record);
    ondemand::document document;
    if (const auto error = iterate(record.size()).get(document)) return misfit_of(error);
    ondemand::json_type type;
    if (const auto error = document.type().get(type)) return misfit_of(error);
    if (type != ondemand::json_type::object) {
      return Misfit{"wrong_type", "a JSON object is expected as record"};
    }
    ondemand::object object;
    if (const auto error = document.get_object().get(object)) return misfit_of(error);
    std::fill(seen_.begin(), seen_.end(), false);
    extra_.clear();
    if (auto misfit = read_fields(object, row, cells)) return misfit;
    if (has_more(document)) {
      return Misfit{"malformed", "not JSON: there is more after the object"};
    }
    for (std::size_t i = 0; i < names_.size(); ++i) {
      if (!seen_[i]) cells[i].put_null(row);
    }
    if (options_.unknown_fields != config::UnknownFields::Keep) return std::nullopt;
    if (extra_.empty()) {
      cells.back().put_null(row);
      return std::nullopt;
    }
    return cells.back().put_text(row, extra_ + "}");
  }

  static bool has_more(ondemand::document& document) {
    const char* rest = nullptr;
    return !document.current_location().get(rest);
  }

  // What one huge record needed is not kept for all the small ones after it.
  void give_back_memory() {
    buffer_ = {};
    extra_ = {};
    parser_ = ondemand::parser();
    checker_ = make_checker(options_);
  }

  static simdjson::dom::parser make_checker(const DecoderOptions& options) {
    simdjson::dom::parser checker;
    CHECK(checker.allocate(kBufferBytesMin, options.depth_max) == simdjson::SUCCESS);
    return checker;
  }

  simdjson::simdjson_result<ondemand::document> iterate(std::size_t bytes) {
    return parser_.iterate(buffer_.data(), bytes, buffer_.size());
  }

  // simdjson reads up to SIMDJSON_PADDING bytes past the end.
  void copy(std::string_view record) {
    const std::size_t needed = record.size() + simdjson::SIMDJSON_PADDING;
    if (buffer_.size() < needed) buffer_.resize(std::max(needed, kBufferBytesMin));
    std::ranges::copy(record, buffer_.begin());
    std::memset(buffer_.data() + record.size(), ' ', simdjson::SIMDJSON_PADDING);
  }

  Fit read_fields(ondemand::object& object, std::size_t row, std::vector<CellWriter>& cells) {
    std::size_t expected = 0;  // senders mostly keep the order of fields
    for (auto field : object) {
      ondemand::raw_json_string key;
      if (const auto error = field.key().get(key)) return misfit_of(error);
      std::size_t column = 0;
      if (auto misfit = find(key, expected, column)) return misfit;
      ondemand::value value;
      if (const auto error = field.value().get(value)) return misfit_of(error);
      if (column == names_.size()) {
        if (auto misfit = read_unknown(key, value)) return misfit;
        continue;
      }
      if (seen_[column]) {
        return Misfit{"duplicate_field", fmt::format("'{}' occurs twice", names_[column])};
      }
      seen_[column] = true;
      expected = column + 1;
      if (auto misfit = read_value(value, row, cells[column])) {
        misfit->detail = fmt::format("field '{}': {}", names_[column], misfit->detail);
        return misfit;
      }
    }
    return std::nullopt;
  }

  bool equals(const char* raw, const std::string& name) const {
    const auto left = static_cast<std::size_t>(buffer_.data() + buffer_.size() - raw);
    return left > name.size() && std::memcmp(raw, name.data(), name.size()) == 0 &&
           raw[name.size()] == '"';
  }

  // The declared column of a key, or how many there are.
  Fit find(ondemand::raw_json_string key, std::size_t expected, std::size_t& column) {
    column = expected;
    if (expected < names_.size() && equals(key.raw(), names_[expected])) return std::nullopt;
    for (column = 0; column < names_.size(); ++column) {
      if (equals(key.raw(), names_[column])) return std::nullopt;
    }
    const auto raw = raw_key(key);
    if (raw.find('\\') == std::string_view::npos) return std::nullopt;
    std::string plain;
    if (auto misfit = unescape(raw, plain)) return misfit;
    column = static_cast<std::size_t>(std::ranges::find(names_, plain) - names_.begin());
    return std::nullopt;
  }

  // The key as it stands between its quotes.
  static std::string_view raw_key(ondemand::raw_json_string key) {
    const char* end = key.raw();
    while (*end != '"') end += *end == '\\' ? 2 : 1;
    return {key.raw(), static_cast<std::size_t>(end - key.raw())};
  }

  Fit unescape(std::string_view raw, std::string& plain) {
    std::string_view text;
    const std::string quoted = fmt::format("\"{}\"", raw);
    if (const auto error = checker_.parse(quoted).get_string().get(text)) return misfit_of(error);
    plain = text;
    return std::nullopt;
  }

  Fit read_unknown(ondemand::raw_json_string key, ondemand::value& value) {
    const std::string_view name = raw_key(key);
    if (options_.unknown_fields == config::UnknownFields::Reject) {
      const std::string shown = base::printable(name, kDetailBytesMax);
      return Misfit{"unknown_field", fmt::format("'{}' is not in the schema{}", shown,
                                                 base::did_you_mean(shown, names_))};
    }
    std::string_view raw;
    if (auto misfit = read_raw(value, raw)) return misfit;
    if (options_.unknown_fields == config::UnknownFields::Keep) {
      extra_ += fmt::format("{}\"{}\":{}", extra_.empty() ? "{" : ",", name, raw);
    }
    return std::nullopt;
  }

  // The text of any value, checked: what simdjson steps over on demand it does not look at.
  Fit read_raw(ondemand::value& value, std::string_view& raw) {
    ondemand::json_type type;
    if (const auto error = value.type().get(type)) return misfit_of(error);
    if (type == ondemand::json_type::object) {
      ondemand::object object;
      if (const auto error = value.get_object().get(object)) return misfit_of(error);
      if (const auto error = object.raw_json().get(raw)) return misfit_of(error);
    } else if (type == ondemand::json_type::array) {
      ondemand::array array;
      if (const auto error = value.get_array().get(array)) return misfit_of(error);
      if (const auto error = array.raw_json().get(raw)) return misfit_of(error);
    } else {
      raw = trimmed_token(value.raw_json_token());
      ondemand::raw_json_string text;
      if (type == ondemand::json_type::string) {
        if (const auto error = value.get_raw_json_string().get(text)) return misfit_of(error);
        raw = raw.substr(0, raw.find_last_of('"') + 1);
      }
    }
    raw = trimmed_token(raw);  // simdjson gives the blanks behind it too
    const auto checked = checker_.parse(raw.data(), raw.size());
    if (checked.error()) return misfit_of(checked.error());
    return std::nullopt;
  }

  Fit read_value(ondemand::value& value, std::size_t row, CellWriter& cell) {
    if (cell.type().kind == Kind::Json) return read_json_column(value, row, cell);
    ondemand::json_type type;
    if (const auto error = value.type().get(type)) return misfit_of(error);
    switch (type) {
      case ondemand::json_type::string: {
        std::string_view text;
        if (const auto error = value.get_string().get(text)) return misfit_of(error);
        return cell.put_text(row, text);
      }
      case ondemand::json_type::number: {
        // Checked as JSON first: `01` and `1.` are no numbers there.
        const std::string_view token = trimmed_token(value.raw_json_token());
        if (json_number_size(token) != token.size() || token.empty()) {
          return Misfit{"malformed", "not JSON: a number is wrong"};
        }
        return cell.put_number(row, token);
      }
      case ondemand::json_type::boolean: {
        bool truth = false;
        if (const auto error = value.get_bool().get(truth)) return misfit_of(error);
        return cell.put_boolean(row, truth);
      }
      case ondemand::json_type::null: {
        bool is_null = false;
        if (value.is_null().get(is_null) || !is_null)
          return Misfit{"malformed", "not JSON: null is expected"};
        cell.put_null(row);
        return std::nullopt;
      }
      case ondemand::json_type::object:
        return read_struct(value, row, cell);
      case ondemand::json_type::array:
        return read_list(value, row, cell);
    }
    return Misfit{"malformed", "not JSON"};
  }

  Fit read_json_column(ondemand::value& value, std::size_t row, CellWriter& cell) {
    std::string_view raw;
    if (auto misfit = read_raw(value, raw)) return misfit;
    if (raw == "null") {
      cell.put_null(row);
      return std::nullopt;
    }
    return cell.put_text(row, raw);
  }

  Fit read_struct(ondemand::value& value, std::size_t row, CellWriter& cell) {
    if (cell.type().kind != Kind::Struct) return cell.misfit("wrong_type", "an object");
    ondemand::object object;
    if (const auto error = value.get_object().get(object)) return misfit_of(error);
    const auto& fields = cell.type().fields;
    std::vector<bool> seen(fields.size());
    for (auto field : object) {
      ondemand::raw_json_string key;
      if (const auto error = field.key().get(key)) return misfit_of(error);
      ondemand::value inner;
      if (const auto error = field.value().get(inner)) return misfit_of(error);
      auto found = std::ranges::find_if(
          fields, [&](const auto& column) { return equals(key.raw(), column.name); });
      if (const auto name = raw_key(key); name.find('\\') != std::string_view::npos) {
        std::string plain;
        if (auto misfit = unescape(name, plain)) return misfit;
        found = std::ranges::find(fields, plain, &config::Column::name);
      }
      if (found == fields.end()) {
        std::string_view raw;
        if (auto misfit = read_raw(inner, raw)) return misfit;
        continue;
      }
      const auto index = static_cast<std::size_t>(found - fields.begin());
      if (seen[index])
        return Misfit{"duplicate_field", fmt::format("'{}' occurs twice", found->name)};
      seen[index] = true;
      if (auto misfit = read_value(inner, row, cell.children()[index])) return misfit;
    }
    for (std::size_t i = 0; i < fields.size(); ++i) {
      if (!seen[i]) cell.children()[i].put_null(row);
    }
    return std::nullopt;
  }

  Fit read_list(ondemand::value& value, std::size_t row, CellWriter& cell) {
    if (cell.type().kind != Kind::List) return cell.misfit("wrong_type", "an array");
    ondemand::array array;
    if (const auto error = value.get_array().get(array)) return misfit_of(error);
    std::size_t count = 0;
    if (const auto error = array.count_elements().get(count)) return misfit_of(error);
    std::uint64_t at = cell.begin_list(count);
    cell.vector().data<duckdb_list_entry>()[row] = {at, count};
    for (auto element : array) {
      ondemand::value inner;
      if (const auto error = element.get(inner)) return misfit_of(error);
      if (auto misfit = read_value(inner, at++, cell.children()[0])) return misfit;
    }
    return std::nullopt;
  }

  const DecoderOptions options_;
  PlainJsonReader plain_;
  int plain_failures_ = 0;  // in a row
  std::uint64_t general_count_ = 0;
  ondemand::parser parser_;
  simdjson::dom::parser checker_;  // of what the parser steps over without a look
  std::vector<std::string> names_;
  std::vector<bool> seen_;
  std::string buffer_;
  std::string extra_;
};

}  // namespace

std::unique_ptr<RowReader> make_json_reader(const DecoderOptions& options) {
  return std::make_unique<JsonReader>(options);
}
std::unique_ptr<JsonValueReader> make_json_value_reader(const DecoderOptions& options) {
  return std::make_unique<JsonReader>(options);
}

}  // namespace millrace::decode
