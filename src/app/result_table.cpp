#include "app/result_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

#include "app/chart.hpp"

namespace millrace::app {
namespace {

using base::Code;
using base::Error;
using base::Result;
using Json = nlohmann::json;

constexpr std::size_t kChartWidth = 80;

// Reads `rows` alone, and keeps the digits of numbers: a DOM would turn decimals into doubles.
// Values within a cell (lists, structs) are put together again as JSON.
class RowsReader final : public nlohmann::json_sax<Json> {
 public:
  std::vector<std::vector<Cell>> take() { return std::move(rows_); }

  bool null() override { return is_in_cell() ? raw("null") : whole(std::nullopt); }
  bool boolean(bool value) override { return scalar(value ? "true" : "false"); }
  bool number_integer(number_integer_t value) override { return scalar(std::to_string(value)); }
  bool number_unsigned(number_unsigned_t value) override { return scalar(std::to_string(value)); }
  bool number_float(number_float_t, const string_t& digits) override { return scalar(digits); }
  bool string(string_t& value) override {
    return is_in_cell() ? raw(Json(value).dump()) : whole(std::move(value));
  }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open('{'); }
  bool end_object() override { return close('}'); }
  bool start_array(std::size_t) override { return open('['); }
  bool end_array() override { return close(']'); }
  bool key(string_t& name) override {
    if (depth_ == 1) is_rows_ = name == "rows";
    if (is_rows_ && is_in_cell()) {
      separate();
      text_ += Json(name).dump() + ":";
      is_first_ = true;
    }
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

 private:
  // The document is depth 1, its rows 2, a row 3.
  static constexpr int kRowDepth = 3;

  bool is_in_cell() const { return depth_ > kRowDepth; }

  void separate() {
    if (!is_first_) text_ += ",";
    is_first_ = false;
  }

  bool raw(std::string_view json) {
    if (!is_rows_) return true;
    separate();
    text_ += json;
    return true;
  }

  bool whole(Cell cell) {
    if (is_rows_ && depth_ == kRowDepth) rows_.back().push_back(std::move(cell));
    return true;
  }

  bool scalar(std::string text) { return is_in_cell() ? raw(text) : whole(std::move(text)); }

  bool open(char bracket) {
    ++depth_;
    if (!is_rows_) return true;
    if (depth_ == kRowDepth) rows_.emplace_back();
    if (depth_ == kRowDepth + 1) text_.clear(), is_first_ = true;
    if (is_in_cell()) {
      separate();
      text_ += bracket;
      is_first_ = true;
    }
    return true;
  }

  bool close(char bracket) {
    if (is_rows_ && is_in_cell()) text_ += bracket, is_first_ = false;
    --depth_;
    if (depth_ == kRowDepth && is_rows_) return whole(std::move(text_));
    return true;
  }

  int depth_ = 0;
  bool is_rows_ = false;
  bool is_first_ = true;  // no comma before the next value of the cell
  std::string text_;      // of the cell at hand
  std::vector<std::vector<Cell>> rows_;
};

std::string text_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

bool is_number(std::string_view type) {
  static constexpr std::array<std::string_view, 13> kNumbers{
      "TINYINT",  "SMALLINT",  "INTEGER",  "BIGINT",  "HUGEINT",  "FLOAT", "DOUBLE",
      "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT", "BIGNUM"};
  return type.starts_with("DECIMAL") || std::ranges::find(kNumbers, type) != kNumbers.end();
}

std::optional<double> number_of(const Cell& cell) {
  double value = 0;
  if (!cell) return std::nullopt;
  const auto [end, error] = std::from_chars(cell->data(), cell->data() + cell->size(), value);
  if (error != std::errc() || end != cell->data() + cell->size()) return std::nullopt;
  return value;
}

}  // namespace

Result<ResultTable> parse_result_table(std::string_view json) {
  const auto without_rows = [](int depth, Json::parse_event_t event, Json& parsed) {
    return !(depth == 1 && event == Json::parse_event_t::key && parsed == "rows");
  };
  const auto head = Json::parse(json, without_rows, false);
  RowsReader reader;
  const bool is_read = Json::sax_parse(json, &reader);
  if (!is_read || !head.is_object() || !head.contains("columns")) {
    return Error{Code::Corrupt, "the answer is no result table"};
  }
  ResultTable table;
  for (const auto& column : head["columns"]) {
    table.columns.push_back({text_at(column, "name"), text_at(column, "type")});
  }
  table.rows = reader.take();
  for (const auto& row : table.rows) {
    if (row.size() != table.columns.size()) {
      return Error{Code::Corrupt, "a row of the answer has another number of values than columns"};
    }
  }
  table.is_truncated = head.value("is_truncated", false);
  table.elapsed_ms = head.value("elapsed_ms", 0.0);
  if (const auto chart = head.find("chart"); chart != head.end() && chart->is_object()) {
    const std::string kind = chart->contains("line") ? "line" : "bar";
    table.chart = {kind, text_at(*chart, kind.c_str()), text_at(*chart, "by")};
  }
  return table;
}

std::string text_of(const ResultTable& table, const Paint& paint, std::size_t width) {
  std::vector<TextTable::Column> columns;
  for (const auto& column : table.columns) {
    columns.push_back({column.name, is_number(column.type) ? Align::Right : Align::Left});
  }
  TextTable text(std::move(columns));
  for (const auto& row : table.rows) text.add(row);
  const auto count = table.rows.size();
  const auto foot = fmt::format("{} row{}{}", count, count == 1 ? "" : "s",
                                table.is_truncated ? ", cut off here: there are more" : "");
  return text.text(paint, width) + paint(Colour::Dim, foot) + "\n";
}

std::string chart_text(const ResultTable& table, const Paint& paint, std::size_t width) {
  if (!table.chart || table.rows.empty()) return "";
  const auto index_of = [&](const std::string& name) {
    const auto found = std::ranges::find(table.columns, name, &ResultTable::Column::name);
    return static_cast<std::size_t>(found - table.columns.begin());
  };
  const auto value = index_of(table.chart->value);
  const auto by = index_of(table.chart->by);
  if (value == table.columns.size() || by == table.columns.size()) return "";
  std::vector<Mark> marks;
  for (const auto& row : table.rows) {
    marks.push_back({row[by].value_or("NULL"), number_of(row[value]), row[value].value_or("NULL")});
  }
  const auto cells = width == 0 ? kChartWidth : width;
  return table.chart->kind == "line" ? line_chart(marks, paint, cells)
                                     : bar_chart(marks, paint, cells);
}

}  // namespace millrace::app
