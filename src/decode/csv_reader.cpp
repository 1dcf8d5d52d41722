#include <fmt/format.h>
#include <simdjson.h>

#include "base/text.hpp"
#include "decode/csv_fields.hpp"
#include "decode/row_reader.hpp"

namespace millrace::decode {
namespace {

using Kind = config::ColumnType::Kind;

class CsvReader final : public RowReader {
 public:
  explicit CsvReader(const DecoderOptions& options)
      : options_(options), row_(options.csv_delimiter) {
    // Nested values stand in a field as JSON text.
    for (const auto& column : options.schema) {
      DecoderOptions one;
      one.schema = {column};
      one.depth_max = options.depth_max;
      nested_.push_back(is_nested(column.type) ? make_json_reader(one) : nullptr);
    }
  }

  Fit read(std::string_view record, std::size_t row, std::vector<CellWriter>& cells) override {
    if (!simdjson::validate_utf8(record.data(), record.size())) {
      return Misfit{"invalid_utf8", "the record is not UTF-8"};
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
  static bool is_nested(const config::ColumnType& type) {
    return type.kind == Kind::Struct || type.kind == Kind::List || type.kind == Kind::Json;
  }

  Fit read_field(const CsvField& field, std::size_t index, std::size_t row, CellWriter& cell) {
    if (!field.is_quoted && field.text == options_.csv_null) {
      cell.put_null(row);
      return std::nullopt;
    }
    if (!nested_[index]) return cell.put_text(row, field.text);
    const std::string object =
        fmt::format("{{\"{}\":{}}}", options_.schema[index].name, field.text);
    std::vector<CellWriter> one{cell};
    return nested_[index]->read(object, row, one);
  }

  const DecoderOptions options_;
  CsvRow row_;
  std::vector<std::unique_ptr<RowReader>> nested_;
};

}  // namespace

std::unique_ptr<RowReader> make_csv_reader(const DecoderOptions& options) {
  return std::make_unique<CsvReader>(options);
}

}  // namespace millrace::decode
