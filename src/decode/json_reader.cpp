#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <cstring>

#include "base/text.hpp"
#include "decode/row_reader.hpp"

namespace millrace::decode {
namespace {

namespace ondemand = simdjson::ondemand;
using Kind = config::ColumnType::Kind;

constexpr std::size_t kDetailBytesMax = 60;
constexpr std::size_t kBufferBytesMin = 4096;

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

// Leaves simdjson's error as a misfit of the enclosing function.
#define READ(target, expression)                           \
  if (const auto read_error_ = (expression).get(target)) { \
    return misfit_of(read_error_);                         \
  }                                                        \
  static_assert(true)

class JsonReader final : public RowReader {
 public:
  explicit JsonReader(const DecoderOptions& options)
      : options_(options), seen_(options.schema.size()) {
    for (const auto& column : options.schema) names_.push_back(column.name);
    CHECK(checker_.allocate(kBufferBytesMin, options.depth_max) == simdjson::SUCCESS);
  }

  Fit read(std::string_view record, std::size_t row, std::vector<CellWriter>& cells) override {
    copy(record);
    ondemand::document document;
    READ(document, parser_.iterate(buffer_.data(), record.size(), buffer_.size()));
    ondemand::json_type type;
    READ(type, document.type());
    if (type != ondemand::json_type::object) {
      return Misfit{"wrong_type", "a JSON object is expected as record"};
    }
    ondemand::object object;
    READ(object, document.get_object());
    std::fill(seen_.begin(), seen_.end(), false);
    extra_.clear();
    if (auto misfit = read_fields(object, row, cells)) return misfit;
    const char* rest = nullptr;
    if (!document.current_location().get(rest))
      return Misfit{"malformed", "not JSON: there is more after the object"};
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

 private:
  // simdjson reads up to SIMDJSON_PADDING bytes past the end.
  void copy(std::string_view record) {
    const std::size_t needed = record.size() + simdjson::SIMDJSON_PADDING;
    if (buffer_.size() < needed) buffer_.resize(std::max(needed, kBufferBytesMin));
    std::memcpy(buffer_.data(), record.data(), record.size());
    std::memset(buffer_.data() + record.size(), ' ', simdjson::SIMDJSON_PADDING);
  }

  Fit read_fields(ondemand::object& object, std::size_t row, std::vector<CellWriter>& cells) {
    std::size_t expected = 0;  // senders mostly keep the order of fields
    for (auto field : object) {
      ondemand::raw_json_string key;
      READ(key, field.key());
      const std::size_t column = find(key, expected);
      ondemand::value value;
      READ(value, field.value());
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

  static bool equals(const char* raw, const std::string& name) {
    return std::memcmp(raw, name.data(), name.size()) == 0 && raw[name.size()] == '"';
  }

  // The declared column of a key, or how many there are.
  std::size_t find(ondemand::raw_json_string key, std::size_t expected) {
    if (expected < names_.size() && equals(key.raw(), names_[expected])) return expected;
    for (std::size_t i = 0; i < names_.size(); ++i) {
      if (equals(key.raw(), names_[i])) return i;
    }
    if (raw_key(key).find('\\') == std::string_view::npos) return names_.size();
    const std::string plain = unescaped(raw_key(key));
    return static_cast<std::size_t>(std::ranges::find(names_, plain) - names_.begin());
  }

  // The key as it stands between its quotes.
  static std::string_view raw_key(ondemand::raw_json_string key) {
    const char* end = key.raw();
    while (*end != '"') end += *end == '\\' ? 2 : 1;
    return {key.raw(), static_cast<std::size_t>(end - key.raw())};
  }

  std::string unescaped(std::string_view raw) {
    std::string_view plain;
    const std::string quoted = fmt::format("\"{}\"", raw);
    const auto parsed = checker_.parse(quoted);
    if (parsed.error() || parsed.get_string().get(plain)) return {};
    return std::string(plain);
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
    READ(type, value.type());
    if (type == ondemand::json_type::object) {
      ondemand::object object;
      READ(object, value.get_object());
      READ(raw, object.raw_json());
    } else if (type == ondemand::json_type::array) {
      ondemand::array array;
      READ(array, value.get_array());
      READ(raw, array.raw_json());
    } else {
      raw = trimmed_token(value.raw_json_token());
      ondemand::raw_json_string text;
      if (type == ondemand::json_type::string) {
        READ(text, value.get_raw_json_string());
        raw = raw.substr(0, raw.find_last_of('"') + 1);
      }
    }
    const auto checked = checker_.parse(raw.data(), raw.size());
    if (checked.error()) return misfit_of(checked.error());
    return std::nullopt;
  }

  Fit read_value(ondemand::value& value, std::size_t row, CellWriter& cell) {
    if (cell.type().kind == Kind::Json) return read_json_column(value, row, cell);
    ondemand::json_type type;
    READ(type, value.type());
    switch (type) {
      case ondemand::json_type::string: {
        std::string_view text;
        READ(text, value.get_string());
        return cell.put_text(row, text);
      }
      case ondemand::json_type::number: {
        // Checked as JSON first: `01` and `1.` are no numbers there.
        const std::string_view token = trimmed_token(value.raw_json_token());
        if (!is_json_number(token)) return Misfit{"malformed", "not JSON: a number is wrong"};
        return cell.put_number(row, token);
      }
      case ondemand::json_type::boolean: {
        bool truth = false;
        READ(truth, value.get_bool());
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

  static bool is_json_number(std::string_view text) {
    std::size_t at = 0;
    const auto digits = [&] {
      const std::size_t from = at;
      while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
      return at - from;
    };
    if (at < text.size() && text[at] == '-') ++at;
    const std::size_t first = at;
    const std::size_t whole = digits();
    if (whole == 0 || (whole > 1 && text[first] == '0')) return false;
    if (at < text.size() && text[at] == '.') {
      ++at;
      if (digits() == 0) return false;
    }
    if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
      ++at;
      if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
      if (digits() == 0) return false;
    }
    return at == text.size();
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
    READ(object, value.get_object());
    const auto& fields = cell.type().fields;
    std::vector<bool> seen(fields.size());
    for (auto field : object) {
      ondemand::raw_json_string key;
      READ(key, field.key());
      ondemand::value inner;
      READ(inner, field.value());
      const auto found = std::ranges::find_if(
          fields, [&](const auto& column) { return equals(key.raw(), column.name); });
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
    READ(array, value.get_array());
    std::size_t count = 0;
    READ(count, array.count_elements());
    std::uint64_t at = cell.begin_list(count);
    cell.vector().data<duckdb_list_entry>()[row] = {at, count};
    for (auto element : array) {
      ondemand::value inner;
      READ(inner, element);
      if (auto misfit = read_value(inner, at++, cell.children()[0])) return misfit;
    }
    return std::nullopt;
  }

  const DecoderOptions options_;
  std::vector<std::string> names_;
  std::vector<bool> seen_;
  std::string buffer_;
  std::string extra_;
  ondemand::parser parser_;
  simdjson::dom::parser checker_;
};

#undef READ

}  // namespace

std::unique_ptr<RowReader> make_json_reader(const DecoderOptions& options) {
  return std::make_unique<JsonReader>(options);
}

}  // namespace millrace::decode
