#include "batch/proof.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace millrace::batch {
namespace {

using base::Result;

bool has_exact_sum(const sql::Type& type) {
  switch (type.id()) {
    case DUCKDB_TYPE_TINYINT:
    case DUCKDB_TYPE_SMALLINT:
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_BIGINT:
    case DUCKDB_TYPE_DECIMAL:
      return true;
    default:
      return false;
  }
}

// What differs between the engines in how a value is said exactly.
struct Words {
  std::string_view days, micros, bytes, size, hash;
};

constexpr Words kDuckDb{.days = "date_diff('day', DATE '1970-01-01', {0})",
                        .micros = "epoch_us({0})",
                        .bytes = "lower(hex({0}))",
                        .size = "strlen({0})",
                        .hash = "CAST('0x' || substr(md5({0}), 1, 15) AS BIGINT)"};
constexpr Words kPostgres{
    .days = "({0} - DATE '1970-01-01')",
    .micros = "CAST(extract(epoch FROM {0}) * 1000000 AS bigint)",
    .bytes = "encode({0}, 'hex')",
    .size = "octet_length(convert_to({0}, 'UTF8'))",
    .hash = "CAST(CAST('x' || substr(md5(convert_to({0}, 'UTF8')), 1, 15) AS bit(60)) AS bigint)"};

std::string with(std::string_view pattern, const std::string& name) {
  return fmt::format(fmt::runtime(pattern), name);
}

// A value as a text that both engines write alike; no text: only whether it is NULL is told.
std::string text_of(const sql::Column& column, const Words& words) {
  const auto name = base::sql_name(column.name);
  const auto finite = [&](std::string_view pattern) {
    return fmt::format(
        "CASE WHEN isfinite({0}) THEN CAST({1} AS VARCHAR) ELSE CAST({0} AS VARCHAR) END", name,
        with(pattern, name));
  };
  switch (column.type.id()) {
    case DUCKDB_TYPE_BOOLEAN:
      return fmt::format("CASE WHEN {} THEN 't' ELSE 'f' END", name);
    case DUCKDB_TYPE_DATE:
      return finite(words.days);
    case DUCKDB_TYPE_TIMESTAMP_TZ:
      return finite(words.micros);
    case DUCKDB_TYPE_BLOB:
      return with(words.bytes, name);
    case DUCKDB_TYPE_VARCHAR:
      return column.type.is_json() ? "''" : name;
    default:
      break;
  }
  if (!has_exact_sum(column.type)) return "''";
  // A column that is wider there shows more zeros.
  const auto text = fmt::format("CAST({} AS VARCHAR)", name);
  return fmt::format("CASE WHEN {0} LIKE '%.%' THEN rtrim(rtrim({0}, '0'), '.') ELSE {0} END",
                     text);
}

std::string_view bare(std::string_view text) {
  if (text.find('.') == std::string_view::npos) return text;
  text = text.substr(0, text.find_last_not_of('0') + 1);
  return text.ends_with('.') ? text.substr(0, text.size() - 1) : text;
}

ProofValues values_of(const sql::Chunk& chunk, std::size_t row) {
  ProofValues values;
  for (std::size_t i = 0; i < chunk.column_count(); ++i) {
    const auto column = chunk.column(i);
    values.push_back(column.is_null(row) ? std::nullopt
                                         : std::optional<std::string>(column.text(row)));
  }
  return values;
}

}  // namespace

ProofPart checksum_of(const LoadTarget& target, Dialect dialect) {
  const auto& words = dialect == Dialect::Postgres ? kPostgres : kDuckDb;
  // With its length before it no value runs into the next one.
  std::vector<std::string> values;
  for (const auto& column : target.columns) {
    const auto text = text_of(column, words);
    values.push_back(
        fmt::format("CASE WHEN {} IS NULL THEN '-' ELSE CAST({} AS VARCHAR) || ':' || "
                    "{} END",
                    base::sql_name(column.name), with(words.size, text), text));
  }
  return {"checksum",
          fmt::format("sum({})", with(words.hash, "(" + base::join(values, " || ") + ")"))};
}

std::vector<ProofPart> proof_parts(const LoadTarget& target, Dialect dialect) {
  std::vector<ProofPart> parts{{"count(*)", "count(*)"}};
  for (const auto& column : target.columns) {
    if (!has_exact_sum(column.type)) continue;
    const auto sum = fmt::format("sum({})", base::sql_name(column.name));
    parts.push_back({sum, sum});
  }
  if (dialect != Dialect::Redshift) parts.push_back(checksum_of(target, dialect));
  return parts;
}

std::vector<ProofPart> proof_parts_here(const LoadTarget& target, Dialect there) {
  auto parts = proof_parts(target, Dialect::DuckDb);
  if (there == Dialect::Redshift) parts.pop_back();
  return parts;
}

std::string proof_list(const std::vector<ProofPart>& parts) {
  std::vector<std::string> list;
  for (const auto& part : parts) list.push_back(fmt::format("CAST({} AS VARCHAR)", part.sql));
  return base::join(list, ", ");
}

Result<ProofValues> proof_here(sql::Instance& engine, const std::vector<ProofPart>& parts,
                               const std::string& select) {
  auto reader = TRY(engine.connect());
  auto rows = TRY(reader.query(fmt::format("SELECT {} FROM ({})", proof_list(parts), select)));
  const auto chunk = TRY(rows.next());
  CHECK(chunk && chunk->row_count() == 1);
  return values_of(*chunk, 0);
}

std::string partition_proofs_query(const LoadTarget& target, const std::vector<ProofPart>& parts,
                                   const std::string& rows, const std::optional<Partition>& only) {
  const auto list = proof_list(parts);
  if (target.partition_column.empty()) {
    return fmt::format("SELECT CAST(0 AS VARCHAR), {} FROM {}", list, rows);
  }
  const auto& column =
      *std::ranges::find(target.columns, target.partition_column, &sql::Column::name);
  const auto name = base::sql_name(column.name);
  const auto start =
      column.type.id() == DUCKDB_TYPE_DATE ? fmt::format("CAST({} AS TIMESTAMP)", name) : name;
  return fmt::format(
      "SELECT CAST(CAST(extract(epoch FROM {}) AS BIGINT) AS VARCHAR), {} FROM {}{} GROUP BY {}",
      start, list, rows, only ? " WHERE " + rows_of(target, *only) : "", name);
}

PartitionProofs partition_proofs(std::vector<ProofValues> rows) {
  PartitionProofs proofs;
  for (auto& values : rows) {
    const auto key = values.front().value_or("");
    values.erase(values.begin());
    proofs[key] = std::move(values);
  }
  return proofs;
}

Result<PartitionProofs> read_partition_proofs(sql::Connection& connection,
                                              const std::string& query) {
  std::vector<ProofValues> all;
  auto rows = TRY(connection.query(query));
  while (const auto chunk = TRY(rows.next())) {
    for (std::size_t row = 0; row < chunk->row_count(); ++row) {
      all.push_back(values_of(*chunk, row));
    }
  }
  return partition_proofs(std::move(all));
}

std::string proof_key(const Partition& partition) {
  using std::chrono::seconds;
  switch (partition.each) {
    case config::Each::Day:
      return std::to_string(seconds(partition.day.time_since_epoch()).count());
    case config::Each::Hour:
      return std::to_string(
          std::chrono::floor<seconds>(partition.start).time_since_epoch().count());
    case config::Each::None:
      break;
  }
  return "0";
}

ProofValues proof_at(const PartitionProofs& proofs, const Partition& partition,
                     const std::vector<ProofPart>& parts) {
  const auto found = proofs.find(proof_key(partition));
  if (found != proofs.end()) return found->second;
  ProofValues values(parts.size());
  values.front() = "0";
  return values;
}

std::string difference(const std::vector<ProofPart>& parts, const ProofValues& here,
                       const ProofValues& there) {
  CHECK(parts.size() == here.size() && parts.size() == there.size());
  std::vector<std::string> differences;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto ours = here[i].value_or("NULL"), theirs = there[i].value_or("NULL");
    if (bare(ours) == bare(theirs)) continue;
    differences.push_back(
        fmt::format("{} is {} in the warehouse and {} in the lake", parts[i].name, theirs, ours));
  }
  return base::join(differences, ", ");
}

}  // namespace millrace::batch
