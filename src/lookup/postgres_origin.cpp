#include "lookup/postgres_origin.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include "base/text.hpp"
#include "postgres/connection.hpp"
#include "postgres/url.hpp"

namespace millrace::lookup {
namespace {

using base::Error;
using base::Result;
using postgres::Connection;

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;

// By the numbers that the built-in types have in every server (pg_type.dat).
sql::Type type_of(const postgres::Column& column) {
  switch (column.type) {
    case 16:
      return sql::Type(DUCKDB_TYPE_BOOLEAN);
    case 21:
      return sql::Type(DUCKDB_TYPE_SMALLINT);
    case 23:
      return sql::Type(DUCKDB_TYPE_INTEGER);
    case 20:
      return sql::Type(DUCKDB_TYPE_BIGINT);
    case 700:
      return sql::Type(DUCKDB_TYPE_FLOAT);
    case 701:
      return sql::Type(DUCKDB_TYPE_DOUBLE);
    case 1082:
      return sql::Type(DUCKDB_TYPE_DATE);
    case 1114:
      return sql::Type(DUCKDB_TYPE_TIMESTAMP);
    case 1184:
      return sql::Type(DUCKDB_TYPE_TIMESTAMP_TZ);
    case 114:
    case 3802:
      return sql::Type::json();
    case 1700: {
      const int bits = column.modifier - 4;
      const int precision = bits >> 16, scale = bits & 0xffff;
      if (column.modifier < 4 || precision > 38 || scale > precision) {
        return sql::Type(DUCKDB_TYPE_DOUBLE);
      }
      return sql::Type::decimal(static_cast<std::uint8_t>(precision),
                                static_cast<std::uint8_t>(scale));
    }
    default:
      return sql::Type(DUCKDB_TYPE_VARCHAR);
  }
}

// Takes back what COPY escaped in a line of JSON. Only white space of a json value can be a control
// character; JSON's own escapes come as `\\\\n`.
void append_unescaped(std::string_view line, std::string& out) {
  for (std::size_t at = 0; at < line.size(); ++at) {
    const bool is_escape = line[at] == '\\' && at + 1 < line.size();
    if (is_escape) ++at;
    out += is_escape && line[at] != '\\' ? ' ' : line[at];
  }
}

class PostgresOrigin final : public Origin {
 public:
  PostgresOrigin(const config::Lookup& lookup, os::Disk& disk, const os::Path& scratch)
      : from_(std::get<config::LookupPostgres>(lookup.from)),
        disk_(disk),
        path_(scratch / (lookup.name + ".ndjson")) {}

  std::string place() const override { return "postgres://" + postgres::safe_url(from_.url); }

  // Only its rows tell.
  Result<std::optional<std::string>> version(const OriginLimits&, const std::stop_token&) override {
    return std::optional<std::string>();
  }

  Result<LocalCopy> bring(const OriginLimits& limits, const std::stop_token& stop) override {
    const auto connection = TRY(Connection::open({.url = from_.url}, stop));
    // One picture of the table, times as UTC, and all digits of floats.
    TRY(connection->query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
    TRY(connection->query("SET LOCAL timezone = 'UTC'"));
    const auto select = from_.query.empty() ? "SELECT * FROM " + from_.table : from_.query;
    const auto none =
        TRY(connection->query(fmt::format("SELECT * FROM ({}\n) AS q LIMIT 0", select)));
    TRY(disk_.remove(path_));
    LocalCopy copy{
        .path = path_, .format = config::LookupFormat::Json, .keeper = remove_with(disk_, path_)};
    for (const auto& column : none.columns) {
      copy.columns.push_back({column.name, type_of(column)});
    }
    copy.version = TRY(write(*connection, select, limits));
    return copy;
  }

 private:
  Result<std::string> write(Connection& connection, const std::string& select,
                            const OriginLimits& limits) const {
    const auto file = TRY(disk_.open(path_, os::OpenMode::CreateNew));
    const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> hash(XXH3_createState(),
                                                                        XXH3_freeState);
    XXH3_64bits_reset(hash.get());
    std::uint64_t bytes = 0;
    std::string buffer;
    const auto flush = [&]() -> Result<void> {
      bytes += buffer.size();
      if (bytes > limits.file_bytes_max) return too_large(bytes, limits);
      XXH3_64bits_update(hash.get(), buffer.data(), buffer.size());
      TRY(file->append(buffer));
      buffer.clear();
      return {};
    };
    TRY(connection.copy_out(
        fmt::format("COPY (SELECT row_to_json(q) FROM ({}\n) AS q) TO STDOUT", select),
        [&](std::string_view line) -> Result<void> {
          append_unescaped(line, buffer);
          return buffer.size() < kBufferBytes ? Result<void>() : flush();
        }));
    TRY(flush());
    return fmt::format("{} {:016x}", bytes, XXH3_64bits_digest(hash.get()));
  }

  const config::LookupPostgres from_;
  os::Disk& disk_;
  const os::Path path_;
};

}  // namespace

std::unique_ptr<Origin> make_postgres_origin(const config::Lookup& lookup, os::Disk& disk,
                                             const os::Path& scratch) {
  return std::make_unique<PostgresOrigin>(lookup, disk, scratch);
}

}  // namespace millrace::lookup
