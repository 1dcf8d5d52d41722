#include "parquet/shred.hpp"

#include <algorithm>

namespace millrace::parquet {
namespace {

// What stands for a row that is missing.
constexpr std::uint32_t kNone = UINT32_MAX;

Values empty_values(const sql::Type& type) {
  switch (type.id()) {
    case DUCKDB_TYPE_BOOLEAN:
    case DUCKDB_TYPE_TINYINT:
      return std::vector<std::int8_t>();
    case DUCKDB_TYPE_SMALLINT:
      return std::vector<std::int16_t>();
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_DATE:
      return std::vector<std::int32_t>();
    case DUCKDB_TYPE_FLOAT:
      return std::vector<float>();
    case DUCKDB_TYPE_DOUBLE:
      return std::vector<double>();
    case DUCKDB_TYPE_VARCHAR:
    case DUCKDB_TYPE_BLOB:
      return std::vector<std::string_view>();
    case DUCKDB_TYPE_DECIMAL:
      // DuckDB stores a decimal in the smallest of four integers.
      if (type.decimal_precision() <= 4) return std::vector<std::int16_t>();
      if (type.decimal_precision() <= 9) return std::vector<std::int32_t>();
      if (type.decimal_precision() <= 18) return std::vector<std::int64_t>();
      return std::vector<sql::Int128>();
    default:
      return std::vector<std::int64_t>();
  }
}

void append(std::vector<std::string_view>& values, sql::Vector vector,
            std::span<const std::uint32_t> rows) {
  const auto* texts = vector.data<duckdb_string_t>();
  for (const auto row : rows) values.push_back(sql::Vector::text_of(texts[row]));
}

void append(std::vector<sql::Int128>& values, sql::Vector vector,
            std::span<const std::uint32_t> rows) {
  const auto* numbers = vector.data<duckdb_hugeint>();
  for (const auto row : rows) {
    values.push_back(static_cast<sql::Int128>(numbers[row].upper) << 64 |
                     static_cast<sql::Int128>(numbers[row].lower));
  }
}

template <class T>
void append(std::vector<T>& values, sql::Vector vector, std::span<const std::uint32_t> rows) {
  const auto* stored = vector.data<T>();
  const auto at = values.size();
  values.resize(at + rows.size());
  std::ranges::transform(rows, values.begin() + static_cast<std::ptrdiff_t>(at),
                         [stored](std::uint32_t row) { return stored[row]; });
}

}  // namespace

// Where one is on the way from a column to the leaf. Entries whose row is `kNone` ended above.
struct LeafRows::Way {
  sql::Vector vector;
  std::vector<std::uint32_t> rows;
  std::vector<std::uint8_t> definitions;  // empty: all are `definition`
  std::vector<std::uint8_t> repetitions;  // empty: all are 0
  std::uint8_t definition = 0;
  std::uint8_t repetition = 0;  // of the lists on the way so far

  // An entry that is there has one level more than it had.
  void pass_nulls() {
    const bool has_nulls = duckdb_vector_get_validity(vector.handle()) != nullptr;
    if (has_nulls && definitions.empty()) definitions.assign(rows.size(), definition);
    ++definition;
    if (definitions.empty()) return;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (rows[i] == kNone) continue;
      if (has_nulls && vector.is_null(rows[i])) {
        rows[i] = kNone;
      } else {
        ++definitions[i];
      }
    }
  }

  void enter_elements() {
    const auto* lists = vector.data<duckdb_list_entry>();
    Way inner{.vector = vector.list_child(),
              .rows = {},
              .definitions = {},
              .repetitions = {},
              .definition = static_cast<std::uint8_t>(definition + 1),
              .repetition = static_cast<std::uint8_t>(repetition + 1)};
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::uint8_t level = definitions.empty() ? definition : definitions[i];
      const std::uint8_t begins = repetitions.empty() ? std::uint8_t{0} : repetitions[i];
      const auto length = rows[i] == kNone ? 0 : lists[rows[i]].length;
      if (length == 0) inner.push(kNone, level, begins);
      for (std::uint64_t j = 0; j < length; ++j) {
        inner.push(static_cast<std::uint32_t>(lists[rows[i]].offset + j), inner.definition,
                   j == 0 ? begins : inner.repetition);
      }
    }
    *this = std::move(inner);
  }

  void push(std::uint32_t row, std::uint8_t level, std::uint8_t begins) {
    rows.push_back(row);
    definitions.push_back(level);
    repetitions.push_back(begins);
  }
};

LeafRows::LeafRows(const Leaf& leaf) : leaf_(leaf), values_(empty_values(leaf.type)) {}

std::size_t LeafRows::value_count() const {
  return std::visit([](const auto& values) { return values.size(); }, values_);
}

void LeafRows::add(const RowSlice& slice, std::size_t column) {
  const auto vector = slice.chunk->column(column);
  if (leaf_.steps.empty() && definitions_.empty() &&
      duckdb_vector_get_validity(vector.handle()) == nullptr) {
    entries_ += slice.rows.size();
    return add_values(vector, slice.rows);
  }
  Way way{.vector = vector,
          .rows = {slice.rows.begin(), slice.rows.end()},
          .definitions = {},
          .repetitions = {}};
  way.pass_nulls();
  for (const auto& step : leaf_.steps) {
    if (step.into == Leaf::Step::Into::Field) {
      way.vector = way.vector.field(step.field);
    } else {
      way.enter_elements();
    }
    way.pass_nulls();
  }
  add_entries(way);
}

void LeafRows::add_missing(std::size_t rows) {
  if (definitions_.empty()) {
    definitions_.assign(entries_, static_cast<std::uint8_t>(leaf_.definition_max));
  }
  entries_ += rows;
  definitions_.resize(entries_, 0);
  if (leaf_.repetition_max > 0) repetitions_.resize(entries_, 0);
}

void LeafRows::add_entries(const Way& way) {
  if (definitions_.empty() && !way.definitions.empty()) {
    definitions_.assign(entries_, static_cast<std::uint8_t>(leaf_.definition_max));
  }
  entries_ += way.rows.size();
  if (way.definitions.empty()) {
    if (!definitions_.empty()) {
      definitions_.resize(entries_, static_cast<std::uint8_t>(leaf_.definition_max));
    }
    return add_values(way.vector, way.rows);
  }
  definitions_.insert(definitions_.end(), way.definitions.begin(), way.definitions.end());
  repetitions_.insert(repetitions_.end(), way.repetitions.begin(), way.repetitions.end());
  auto rows = way.rows;
  std::erase(rows, kNone);
  add_values(way.vector, rows);
}

void LeafRows::add_values(sql::Vector vector, std::span<const std::uint32_t> rows) {
  std::visit([&](auto& values) { append(values, vector, rows); }, values_);
}

}  // namespace millrace::parquet
