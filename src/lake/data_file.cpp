#include "lake/data_file.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "lake/statistics.hpp"
#include "sql/render.hpp"

namespace millrace::lake {
namespace {

using base::Code;
using base::Error;
using base::Result;

bool is_partition_column(const Metadata& metadata, const std::string& name) {
  return std::ranges::find(metadata.partition_columns, name) != metadata.partition_columns.end();
}

ColumnFacts facts_of(sql::Vector entries, std::size_t row) {
  const auto list = entries.data<duckdb_list_entry>()[row];
  const sql::Vector pairs = entries.list_child();
  ColumnFacts facts;
  for (std::size_t i = list.offset; i < list.offset + list.length; ++i) {
    if (pairs.field(1).is_null(i)) continue;
    facts.emplace(pairs.field(0).text(i), pairs.field(1).text(i));
  }
  return facts;
}

// What COPY … (RETURN_STATS) answers: the row count and the facts of each column.
Result<WrittenRows> read_answer(sql::Rows& rows) {
  WrittenRows written;
  while (auto chunk = TRY(rows.next())) {
    for (std::size_t row = 0; row < chunk->row_count(); ++row) {
      written.record_count +=
          static_cast<std::int64_t>(chunk->column(1).data<std::uint64_t>()[row]);
      const auto list = chunk->column(4).data<duckdb_list_entry>()[row];
      const sql::Vector pairs = chunk->column(4).list_child();
      for (std::size_t i = list.offset; i < list.offset + list.length; ++i) {
        written.facts.emplace(pairs.field(0).text(i), facts_of(pairs.field(1), i));
      }
    }
  }
  return written;
}

}  // namespace

// JSON is cast, or its file would say that it is JSON and be read back as such.
std::string data_columns(const Metadata& metadata) {
  std::vector<std::string> columns;
  for (const auto& column : metadata.schema) {
    if (is_partition_column(metadata, column.name)) continue;
    const auto name = base::sql_name(column.name);
    const auto id = column.type.id();
    const bool may_hold_json =
        id == DUCKDB_TYPE_VARCHAR || id == DUCKDB_TYPE_STRUCT || id == DUCKDB_TYPE_LIST;
    columns.push_back(may_hold_json ? fmt::format("CAST({} AS {}) AS {}", name,
                                                  stored_type(column.type).text(), name)
                                    : name);
  }
  return base::join(columns, ", ");
}

std::string partition_condition(const Metadata& metadata, const PartitionValues& partition) {
  std::vector<std::string> parts;
  for (const auto& name : metadata.partition_columns) {
    const auto value = partition.find(name);
    const auto column = std::ranges::find(metadata.schema, name, &sql::Column::name);
    CHECK(value != partition.end() && column != metadata.schema.end());
    const auto type = column->type.text();
    // The empty text and NULL are one partition in Delta.
    parts.push_back(value->second ? fmt::format("{} = CAST({} AS {})", base::sql_name(name),
                                                base::sql_string(*value->second), type)
                                  : fmt::format("coalesce(CAST({} AS VARCHAR), '') = ''",
                                                base::sql_name(name)));
  }
  return parts.empty() ? "true" : base::join(parts, " AND ");
}

Result<std::vector<PartitionValues>> partitions_of(sql::Connection& connection,
                                                   const Metadata& metadata,
                                                   const std::string& relation) {
  if (metadata.partition_columns.empty()) return std::vector<PartitionValues>{{}};
  std::vector<std::string> names, texts;
  for (const auto& name : metadata.partition_columns) {
    const auto column = std::ranges::find(metadata.schema, name, &sql::Column::name);
    CHECK(column != metadata.schema.end());
    names.push_back(base::sql_name(name));
    // A time is written as Delta wants it, whatever zone this connection shows times in.
    texts.push_back(
        column->type.id() == DUCKDB_TYPE_TIMESTAMP_TZ
            ? fmt::format("strftime({} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')", names.back())
            : fmt::format("nullif(CAST({} AS VARCHAR), '')", names.back()));
  }
  auto rows = TRY(connection.query(
      fmt::format("SELECT DISTINCT {} FROM (SELECT DISTINCT {} FROM {}) ORDER BY ALL",
                  base::join(texts, ", "), base::join(names, ", "), relation)));
  std::vector<PartitionValues> found;
  while (auto chunk = TRY(rows.next())) {
    for (std::size_t row = 0; row < chunk->row_count(); ++row) {
      PartitionValues values;
      for (std::size_t i = 0; i < texts.size(); ++i) {
        const auto vector = chunk->column(i);
        values[metadata.partition_columns[i]] =
            vector.is_null(row) ? std::nullopt : std::optional(std::string(vector.text(row)));
      }
      found.push_back(std::move(values));
    }
  }
  return found;
}

namespace {

// To COPY (DuckDB 1.5.5) the two zeros of floats are one value of a dictionary: both become the one
// that came first, and its Bloom filter knows only that one, so that a reader who looks for the
// other passes over the rows. Both options are of the whole file.
enum class Floats : std::uint8_t { None, Some, WithBothZeros };

bool is_float(const sql::Type& type) {
  return type.id() == DUCKDB_TYPE_FLOAT || type.id() == DUCKDB_TYPE_DOUBLE;
}

bool has_floats(const sql::Type& type) {
  if (type.id() == DUCKDB_TYPE_LIST) return has_floats(type.element());
  if (type.id() != DUCKDB_TYPE_STRUCT) return is_float(type);
  return std::ranges::any_of(type.fields(),
                             [](const auto& field) { return has_floats(field.second); });
}

// Within lists and structs zeros are not looked for: there may be both.
Result<Floats> floats_in(sql::Connection& connection, const Metadata& metadata,
                         const std::string& select) {
  std::vector<std::string> negative;
  for (const auto& column : metadata.schema) {
    if (!has_floats(column.type) || is_partition_column(metadata, column.name)) continue;
    if (!is_float(column.type)) return Floats::WithBothZeros;
    negative.push_back(fmt::format("({0} = 0 AND signbit({0}))", base::sql_name(column.name)));
  }
  if (negative.empty()) return Floats::None;
  const auto found = TRY(
      connection.scalar(fmt::format("SELECT count(*) FROM (SELECT 1 FROM ({}) WHERE {} LIMIT 1)",
                                    select, base::join(negative, " OR "))));
  return found == "0" ? Floats::Some : Floats::WithBothZeros;
}

// A committed file that stands in a folder says that it is durable.
Settled is_settled(const Table& table, const std::string& folder) {
  const auto prefix = uri_encoded(folder);
  const auto snapshot = table.snapshot();
  const auto first = snapshot->files.lower_bound(prefix);
  const bool has_file = first != snapshot->files.end() && first->first.starts_with(prefix);
  return has_file ? Settled::Yes : Settled::No;
}

}  // namespace

Result<std::optional<AddFile>> make_data_file(const Table& table, const PartitionValues& partition,
                                              const WriteDraft& write) {
  const auto& tools = table.tools();
  const auto metadata = table.snapshot()->metadata;
  const std::string folder = partition_folder(metadata->partition_columns, partition);
  const std::string name = folder + "part-" + tools.random.uuid() + ".parquet";
  const os::Path path = table.root() / name;
  const os::Path draft = table.store().draft_of(path);
  TRY(table.store().make_folder(table.root(), path.parent_path(), is_settled(table, folder)));
  os::FileInfo info;
  const auto make = [&]() -> Result<WrittenRows> {
    auto written = TRY(write(draft));
    if (written.record_count > 0) info = TRY(table.store().publish(draft, path));
    return written;
  };
  auto written = make();
  if (!written || written->record_count == 0) {
    (void)tools.disk.remove(draft).has_value();
    if (!written) return std::move(written).error();
    return std::optional<AddFile>();
  }
  Schema stored;
  for (const auto& column : metadata->schema) {
    if (!is_partition_column(*metadata, column.name)) stored.push_back(column);
  }
  table.await_commit_of(uri_encoded(name));
  return std::optional(AddFile{
      .path = uri_encoded(name),
      .partition_values = partition,
      .size = static_cast<std::int64_t>(info.size),
      .modified_ms =
          std::chrono::duration_cast<std::chrono::milliseconds>(info.modified_at.time_since_epoch())
              .count(),
      .stats = statistics_json(stored, written->record_count, written->facts),
      .record_count = written->record_count});
}

Result<std::optional<AddFile>> write_data_file(sql::Connection& connection, const Table& table,
                                               const std::string& select,
                                               const PartitionValues& partition,
                                               const DataFileOptions& options) {
  return make_data_file(table, partition, [&](const os::Path& draft) -> Result<WrittenRows> {
    const auto floats = TRY(floats_in(connection, *table.snapshot()->metadata, select));
    auto rows = TRY(connection.query(fmt::format(
        "COPY ({}) TO {} (FORMAT parquet, PARQUET_VERSION V1, COMPRESSION {}, ROW_GROUP_SIZE {}, "
        "DICTIONARY_SIZE_LIMIT {}, WRITE_BLOOM_FILTER {}, RETURN_STATS true)",
        select, base::sql_string(draft.string()), options.codec, options.row_group_rows,
        floats == Floats::WithBothZeros ? 1 : options.dictionary_entries_max,
        floats == Floats::None)));
    return read_answer(rows);
  });
}

Result<std::vector<AddFile>> write_data_files(sql::Connection& connection, const Table& table,
                                              const std::string& relation,
                                              const DataFileOptions& options) {
  const auto metadata = table.snapshot()->metadata;
  std::vector<AddFile> files;
  const auto partitions = TRY(partitions_of(connection, *metadata, relation));
  for (const auto& partition : partitions) {
    const std::string where =
        partitions.size() == 1 ? "" : " WHERE " + partition_condition(*metadata, partition);
    const std::string select =
        fmt::format("SELECT {} FROM {}{}", data_columns(*metadata), relation, where);
    auto file = write_data_file(connection, table, select, partition, options);
    if (!file) {
      // On a full disk each further try would leave more files behind.
      for (const auto& written : files) {
        table.discard_file(written.path);
      }
      return std::move(file).error();
    }
    if (*file) files.push_back(std::move(**file));
  }
  return files;
}

}  // namespace millrace::lake
