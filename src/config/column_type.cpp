#include "config/column_type.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.hpp"

namespace millrace::config {
namespace {

using base::Code;
using base::Error;
using base::Result;
using Kind = ColumnType::Kind;

struct Word {
  const char* name;
  Kind kind;
  const char* sql;
};
constexpr std::array<Word, 13> kWords{
    {{"varchar", Kind::Varchar, "VARCHAR"},
     {"boolean", Kind::Boolean, "BOOLEAN"},
     {"tinyint", Kind::TinyInt, "TINYINT"},
     {"smallint", Kind::SmallInt, "SMALLINT"},
     {"integer", Kind::Integer, "INTEGER"},
     {"bigint", Kind::BigInt, "BIGINT"},
     {"float", Kind::Float, "FLOAT"},
     {"double", Kind::Double, "DOUBLE"},
     {"date", Kind::Date, "DATE"},
     {"timestamptz", Kind::TimestampTz, "TIMESTAMP WITH TIME ZONE"},
     {"timestamp", Kind::Timestamp, "TIMESTAMP"},
     {"json", Kind::Json, "JSON"},
     {"int", Kind::Integer, "INTEGER"}}};
constexpr int kDepthMax = 16;

std::vector<std::string> type_names() {
  std::vector<std::string> names{"decimal", "struct", "list"};
  for (const auto& word : kWords) names.emplace_back(word.name);
  return names;
}

/// Reads a type from the front of a text.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text), rest_(text) {}

  Result<ColumnType> parse() {
    auto type = TRY(read_type(0));
    if (!peek().empty()) return failure(fmt::format("unexpected '{}'", peek()));
    return type;
  }

 private:
  Error failure(const std::string& what) const {
    return {Code::Invalid, fmt::format("'{}' is not a type: {}", base::printable(text_), what)};
  }

  std::string_view peek() {
    rest_ = base::trimmed(rest_);
    return rest_;
  }
  bool take(char c) {
    if (!peek().starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  std::string take_word() {
    const auto word = peek();
    std::size_t size = 0;
    while (size < word.size() &&
           (std::isalnum(static_cast<unsigned char>(word[size])) || word[size] == '_'))
      ++size;
    rest_.remove_prefix(size);
    return std::string(word.substr(0, size));
  }

  Result<ColumnType> read_type(int depth) {
    if (depth > kDepthMax) return failure("nested too deep");
    const std::string name = take_word();
    ColumnType type = TRY(read_named(name, depth));
    while (take('[')) {
      if (!take(']')) return failure("']' is missing");
      ColumnType list{.kind = Kind::List};
      list.fields.push_back({"element", std::move(type)});
      type = std::move(list);
    }
    return type;
  }

  Result<ColumnType> read_named(const std::string& name, int depth) {
    for (const auto& word : kWords) {
      if (base::equal_ignoring_case(name, word.name)) return ColumnType{.kind = word.kind};
    }
    if (base::equal_ignoring_case(name, "decimal")) return read_decimal();
    if (base::equal_ignoring_case(name, "list")) {
      if (!take('(')) return failure("list(TYPE) is expected");
      ColumnType list{.kind = Kind::List};
      list.fields.push_back({"element", TRY(read_type(depth + 1))});
      if (!take(')')) return failure("')' is missing");
      return list;
    }
    if (base::equal_ignoring_case(name, "struct")) return read_struct(depth);
    const auto names = type_names();
    return failure(fmt::format("there is no type '{}'{}", base::printable(name),
                               base::did_you_mean(name, names)));
  }

  Result<ColumnType> read_struct(int depth) {
    ColumnType type{.kind = Kind::Struct};
    if (!take('(')) return failure("struct(NAME TYPE, …) is expected");
    do {
      const std::string name = take_word();
      if (name.empty()) return failure("a field's name is missing");
      const bool is_there = std::ranges::any_of(type.fields, [&](const Column& field) {
        return base::equal_ignoring_case(field.name, name);
      });
      if (is_there) return failure(fmt::format("there are two fields '{}'", name));
      type.fields.push_back({name, TRY(read_type(depth + 1))});
    } while (take(','));
    if (!take(')')) return failure("')' is missing");
    return type;
  }

  Result<int> read_number() {
    const std::string word = take_word();
    int number = -1;
    const auto read = std::from_chars(word.data(), word.data() + word.size(), number);
    if (read.ec != std::errc{} || read.ptr != word.data() + word.size())
      return failure("a number is missing");
    return number;
  }

  Result<ColumnType> read_decimal() {
    if (!take('(')) return failure("decimal(PRECISION,SCALE) is expected");
    const int precision = TRY(read_number());
    const int scale = take(',') ? TRY(read_number()) : 0;
    if (!take(')')) return failure("')' is missing");
    if (precision < 1 || precision > 38 || scale < 0 || scale > precision) {
      return failure("the precision is within 1 to 38 and the scale within 0 to the precision");
    }
    return ColumnType{.kind = Kind::Decimal,
                      .precision = static_cast<std::uint8_t>(precision),
                      .scale = static_cast<std::uint8_t>(scale)};
  }

  std::string_view text_;
  std::string_view rest_;
};

}  // namespace

bool ColumnType::operator==(const ColumnType& other) const {
  return kind == other.kind && precision == other.precision && scale == other.scale &&
         fields == other.fields;
}

Result<ColumnType> parse_column_type(std::string_view text) {
  return Parser(text).parse();
}

std::string sql_of(const ColumnType& type) {
  for (const auto& word : kWords) {
    if (word.kind == type.kind) return word.sql;
  }
  if (type.kind == Kind::Decimal) return fmt::format("DECIMAL({},{})", type.precision, type.scale);
  if (type.kind == Kind::List) return sql_of(type.fields.at(0).type) + "[]";
  std::vector<std::string> parts;
  for (const auto& field : type.fields) {
    parts.push_back(base::sql_name(field.name) + " " + sql_of(field.type));
  }
  return "STRUCT(" + base::join(parts, ", ") + ")";
}

}  // namespace millrace::config
