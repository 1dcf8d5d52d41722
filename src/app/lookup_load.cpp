// `millrace lookup load`: the rows of a file, as items of the table that a lookup reads.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "app/commands.hpp"
#include "app/pipeline_file.hpp"
#include "app/world.hpp"
#include "aws/dynamodb.hpp"
#include "base/text.hpp"
#include "deploy/variables.hpp"
#include "sql/instance.hpp"

namespace millrace::app {
namespace {

using aws::Attribute;
using base::Code;
using base::Error;
using base::Result;
using Json = nlohmann::json;
using Kind = aws::Attribute::Kind;

constexpr std::size_t kItemsAtOnce = 500;
// A text that is a number in each of its digits: `007` is none.
constexpr const char* kNumber = "-?(0|[1-9][0-9]*)(\\.[0-9]+)?";

/// The file as a table function of SQL; all columns of text files are texts.
std::string reader_of(const os::Path& path) {
  auto name = path.filename().string();
  for (const char* packed : {".gz", ".zst"}) {
    if (name.ends_with(packed)) name.resize(name.size() - std::string_view(packed).size());
  }
  const auto quoted = base::sql_string(path.string());
  if (name.ends_with(".parquet")) return fmt::format("read_parquet({})", quoted);
  if (name.ends_with(".json") || name.ends_with(".ndjson") || name.ends_with(".jsonl")) {
    return fmt::format("read_json({})", quoted);
  }
  return fmt::format(
      R"(read_csv({}, header = true, strict_mode = true, quote = '"', escape = '"', )"
      "all_varchar = true)",
      quoted);
}

bool is_number(const config::ColumnType& type) {
  using Type = config::ColumnType::Kind;
  return type.kind == Type::TinyInt || type.kind == Type::SmallInt || type.kind == Type::Integer ||
         type.kind == Type::BigInt || type.kind == Type::Float || type.kind == Type::Double ||
         type.kind == Type::Decimal;
}

/// Rows of a file, on their way into a table.
class Loader {
 public:
  Loader(const config::Lookup& lookup, const os::Path& from, sql::Connection& connection)
      : lookup_(lookup),
        from_(std::get<config::LookupDynamoDb>(lookup.from)),
        path_(from),
        reader_(reader_of(from)),
        connection_(connection) {}

  Result<std::size_t> load(aws::DynamoDb& table) {
    const auto described = TRY(table.describe(from_.table));
    TRY(check_key(described));
    TRY(look_at_columns(described.keys.front().kind));
    auto rows = TRY(connection_.query(
        fmt::format("SELECT CAST(to_json(r) AS VARCHAR) FROM (SELECT *{} FROM {}) r",
                    exact_.empty() ? "" : fmt::format(" REPLACE ({})", base::join(exact_, ", ")),
                    reader_),
        sql::Fetch::Streamed));
    std::vector<aws::Item> items;
    std::size_t count = 0;
    const auto put = [&]() -> Result<void> {
      TRY(table.put_all(from_.table, items, aws::pause));
      count += items.size();
      items.clear();
      return {};
    };
    while (auto chunk = TRY(rows.next())) {
      for (std::size_t row = 0; row < chunk->row_count(); ++row) {
        items.push_back(item_of(Json::parse(chunk->column(0).text(row))));
        if (items.size() == kItemsAtOnce) TRY(put());
      }
    }
    TRY(put());
    return count;
  }

 private:
  Error wrong(std::string message) const {
    return {Code::Invalid, std::move(message), path_.string()};
  }

  Result<void> check_key(const aws::TableDescription& table) const {
    if (table.keys.size() == 1 && table.keys.front().name == lookup_.key) return {};
    return Error{Code::Invalid,
                 fmt::format("lookup '{}' has the key '{}', and the table {} the key '{}'{}: a "
                             "lookup's table has its key as partition key, and no sort key",
                             lookup_.name, lookup_.key, from_.table, table.keys.front().name,
                             table.keys.size() > 1 ? " with a sort key" : ""),
                 lookup_.place.text()};
  }

  /// Which columns there are, which of texts are numbers, and whether each key is there once.
  Result<void> look_at_columns(Kind key_kind) {
    const auto prepared = TRY(connection_.prepare(fmt::format("SELECT * FROM {}", reader_)));
    std::vector<std::string> names;
    const bool is_text = reader_.starts_with("read_csv");
    for (const auto& column : prepared.columns()) {
      names.push_back(column.name);
      if (is_text && TRY(holds_numbers(column.name))) numbers_.insert(column.name);
      if (is_text || !is_exact(column.type)) continue;
      numbers_.insert(column.name);
      exact_.push_back(fmt::format("CAST({0} AS VARCHAR) AS {0}", base::sql_name(column.name)));
    }
    if (std::ranges::find(names, lookup_.key) == names.end()) {
      return wrong(fmt::format("there is no column '{}', the lookup's key{}", lookup_.key,
                               base::did_you_mean(lookup_.key, names)));
    }
    const auto key = base::sql_name(lookup_.key);
    if (key_kind == Kind::Number && is_text && !numbers_.contains(lookup_.key)) {
      return wrong(
          fmt::format("the key '{}' is a number in the table, and a text here that is "
                      "none",
                      lookup_.key));
    }
    if (key_kind == Kind::Text) numbers_.erase(lookup_.key);
    is_key_text_ = key_kind == Kind::Text;
    const auto without = TRY(
        connection_.scalar(fmt::format("SELECT count(*) FROM {} WHERE {} IS NULL", reader_, key)));
    if (without && *without != "0") {
      return wrong(fmt::format("{} rows have no '{}', the key", *without, lookup_.key));
    }
    const auto twice = TRY(connection_.scalar(
        fmt::format("SELECT CAST({0} AS VARCHAR) FROM {1} GROUP BY {0} HAVING count(*) > 1 LIMIT 1",
                    key, reader_)));
    if (!twice) return {};
    return wrong(fmt::format("the key '{}' occurs more than once", base::printable(*twice)));
  }

  static bool is_exact(const sql::Type& type) {
    return type.id() == DUCKDB_TYPE_DECIMAL || type.id() == DUCKDB_TYPE_HUGEINT;
  }

  Result<bool> holds_numbers(const std::string& name) const {
    const auto declared = std::ranges::find(lookup_.columns, name, &config::Column::name);
    if (declared != lookup_.columns.end() && !is_number(declared->type)) return false;
    const auto column = base::sql_name(name);
    const auto others = TRY(connection_.scalar(fmt::format(
        "SELECT count({0}) = 0 OR count(*) FILTER (WHERE NOT regexp_full_match({0}, '{1}')) > 0 "
        "FROM {2}",
        column, kNumber, reader_)));
    return others && *others == "false";
  }

  aws::Item item_of(const Json& row) const {
    aws::Item item;
    for (const auto& [name, value] : row.items()) {
      if (value.is_null()) continue;
      auto attribute = attribute_of(value);
      const bool is_number = numbers_.contains(name);
      const bool is_key = name == lookup_.key;
      if (is_number && attribute.kind == Kind::Text) attribute.kind = Kind::Number;
      if (is_key && is_key_text_) attribute.kind = Kind::Text;
      item.push_back({name, std::move(attribute)});
    }
    return item;
  }

  static Attribute attribute_of(const Json& value) {
    if (value.is_null()) return {};
    if (value.is_boolean()) return {.kind = Kind::Bool, .text = value.dump()};
    if (value.is_number()) return {.kind = Kind::Number, .text = value.dump()};
    if (value.is_string()) return {.kind = Kind::Text, .text = value.get<std::string>()};
    Attribute out{.kind = value.is_array() ? Kind::List : Kind::Map};
    if (value.is_array()) {
      for (const auto& element : value) out.elements.push_back(attribute_of(element));
      return out;
    }
    for (const auto& [name, field] : value.items()) {
      out.fields.push_back({name, attribute_of(field)});
    }
    return out;
  }

  const config::Lookup& lookup_;
  const config::LookupDynamoDb& from_;
  const os::Path path_;
  const std::string reader_;
  sql::Connection& connection_;
  std::set<std::string> numbers_;   // columns that come as texts and are numbers
  std::vector<std::string> exact_;  // how those come whose digits JSON would not keep
  bool is_key_text_ = true;
};

Result<const config::Lookup*> lookup_of(const config::Pipeline& pipeline, const std::string& name) {
  const auto* lookup = pipeline.lookup(name);
  if (!lookup) {
    std::vector<std::string> names;
    for (const auto& one : pipeline.lookups) names.push_back(one.name);
    return Error{Code::Invalid,
                 fmt::format("no such lookup '{}'{}", base::printable(name),
                             base::did_you_mean(name, names)),
                 pipeline.file.string()};
  }
  if (std::holds_alternative<config::LookupDynamoDb>(lookup->from)) return lookup;
  return Error{
      Code::Invalid,
      fmt::format("lookup '{}' does not come from DynamoDB: put its file where `from` says", name),
      lookup->place.text()};
}

Result<std::size_t> load(const config::Pipeline& pipeline, const LookupLoadOptions& options,
                         World& world) {
  const auto* lookup = TRY(lookup_of(pipeline, options.lookup));
  if (!TRY(world.disk.stat(options.from))) {
    return Error{Code::NotFound, "no such file", options.from.string()};
  }
  const auto engine = TRY(sql::Instance::open({.time_zone = pipeline.timezone}));
  auto connection = TRY(engine->connect());
  auto* session = TRY(world.aws.session());
  const auto& from = std::get<config::LookupDynamoDb>(lookup->from);
  if (from.table.find(deploy::kUnset) != std::string::npos) {
    return Error{Code::Invalid,
                 "a variable says which table it is, and is not set: set it to the table's name",
                 lookup->place.text()};
  }
  auto table = TRY(aws::DynamoDb::open(session->client(), from.region));
  return Loader(*lookup, options.from, connection).load(table);
}

}  // namespace

Exit load_lookup(const LookupLoadOptions& options, Screen& screen) {
  const auto text = read_pipeline_text(options.file);
  if (!text) return fail(screen, text.error());
  // Variables that say nothing of the lookup need not be set.
  const auto read = deploy::read_deployed(*text, std::filesystem::absolute(options.file),
                                          config::system_environment);
  if (const auto* problems = std::get_if<config::Problems>(&read)) {
    print_problems({.text = *text, .outcome = problems->errors}, screen);
    return Exit::Usage;
  }
  World world(base::LogFormat::Text, base::Level::Warn);
  const auto count = load(std::get<deploy::DeployedFile>(read).pipeline, options, world);
  if (!count) return fail(screen, count.error());
  screen.line(fmt::format("{} {} items are in the table of {}", screen.paint()(Colour::Green, "ok"),
                          *count, options.lookup));
  return Exit::Fine;
}

}  // namespace millrace::app
