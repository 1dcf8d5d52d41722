#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>

#include "base/text.hpp"
#include "decode/csv_fields.hpp"
#include "decode/csv_header.hpp"
#include "decode/row_reader.hpp"

namespace millrace::decode {
namespace {

using Kind = config::ColumnType::Kind;

class CsvReader final : public RowReader {
 public:
  explicit CsvReader(const DecoderOptions& options)
      : options_(options), row_(options.csv_delimiter) {
    if (std::ranges::any_of(options.schema, [](const auto& column) { return is_nested(column); })) {
      nested_ = make_json_value_reader({.depth_max = options.depth_max});
    }
  }

  Fit read(std::string_view record, std::size_t row, std::vector<CellWriter>& cells) override {
    if (!simdjson::validate_utf8(record.data(), record.size())) {
      return Misfit{"invalid_utf8", "the record is not UTF-8"};
    }
    // What looks like text with NUL bytes is mostly UTF-16.
    if (const auto at = record.find('\0'); at != std::string_view::npos) {
      if (const auto header_width = marked_width(record.substr(at))) {
        (void)row_.split(record.substr(0, at));
        return Misfit{"column_count", fmt::format("{} fields, where the header has {}",
                                                  row_.fields().size(), *header_width)};
      }
      return Misfit{"malformed", fmt::format("not CSV in UTF-8: a NUL at byte {}", at)};
    }
    const std::size_t wrong_at = row_.split(record);
    if (wrong_at != std::string_view::npos) {
      return Misfit{"malformed", fmt::format("not CSV: a quote is wrong at byte {}", wrong_at)};
    }
    const auto& fields = row_.fields();
    if (fields.size() != options_.schema.size()) {
      return Misfit{"column_count",
                    fmt::format("{} fields instead of {}", fields.size(), options_.schema.size())};
    }
    for (std::size_t i = 0; i < fields.size(); ++i) {
      if (auto misfit = read_field(fields[i], i, row, cells[i])) {
        misfit->detail = fmt::format("field '{}': {}", options_.schema[i].name, misfit->detail);
        return misfit;
      }
    }
    // A row has no unknown fields: the body's header was mapped onto the schema.
    if (cells.size() > fields.size()) cells.back().put_null(row);
    return std::nullopt;
  }

 private:
  // Nested values stand in a field as JSON text.
  static bool is_nested(const config::Column& column) {
    return column.type.kind == Kind::Struct || column.type.kind == Kind::List ||
           column.type.kind == Kind::Json;
  }

  Fit read_field(const CsvField& field, std::size_t index, std::size_t row, CellWriter& cell) {
    if (!field.is_quoted && field.text == options_.csv_null) {
      cell.put_null(row);
      return std::nullopt;
    }
    if (is_nested(options_.schema[index])) return nested_->read_value(field.text, row, cell);
    return cell.put_text(row, field.text);
  }

  const DecoderOptions options_;
  CsvRow row_;
  std::unique_ptr<JsonValueReader> nested_;
};

}  // namespace

std::unique_ptr<RowReader> make_csv_reader(const DecoderOptions& options) {
  return std::make_unique<CsvReader>(options);
}

}  // namespace millrace::decode
