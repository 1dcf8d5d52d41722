#include <algorithm>
#include <filesystem>

#include "config/read_parts.hpp"
#include "config/time_zone.hpp"

// What of a wrong file is right: its SQL can be checked nevertheless.
namespace millrace::config {
namespace {

std::optional<Column> find_column(const Source& source, const std::string& name) {
  const auto columns = source.columns();
  const auto found = std::ranges::find(columns, name, &Column::name);
  return found == columns.end() ? std::nullopt : std::optional(*found);
}

bool is_nested(const ColumnType& type) {
  using Kind = ColumnType::Kind;
  return type.kind == Kind::Struct || type.kind == Kind::List || type.kind == Kind::Json;
}

bool is_sound(const Source& source, const Pipeline&) {
  return !source.schema.empty();
}

bool is_sound(const Lookup& lookup, const Pipeline&) {
  std::error_code ignored;
  const auto* local = std::get_if<LookupFile>(&lookup.from);
  return !lookup.key.empty() &&
         (local == nullptr || std::filesystem::is_regular_file(local->path, ignored));
}

bool is_sound(const Table& table, const Pipeline& kept) {
  const Source* source = kept.source(table.from);
  const bool is_fed = table.from_is_table ? kept.table(table.from) != nullptr : source != nullptr;
  return is_fed && !table.sql.text.empty() &&
         std::ranges::all_of(table.lookups, [&](const TableLookup& used) {
           if (!kept.lookup(used.lookup) || used.column.empty()) return false;
           if (!source) return true;
           return find_column(*source, used.column) && !find_column(*source, used.lookup);
         });
}

bool is_sound(const Job& job, const Pipeline&) {
  return !job.sql.text.empty();
}

// Parts of one kind, those that are sound. Of parts with one name the first counts.
template <class T>
std::vector<T> sound_ones(std::vector<T>& parts, std::vector<T> Pipeline::* into, Pipeline& kept,
                          Gaps& gaps) {
  const auto is_taken = [&](const std::string& name) {
    return kept.source(name) || kept.table(name) || kept.lookup(name) || kept.job(name);
  };
  for (auto& part : parts) {
    if (is_sound(part, kept) && !is_taken(part.name)) {
      (kept.*into).push_back(std::move(part));
    } else {
      gaps.names.push_back(part.name);
    }
  }
  return std::move(kept.*into);
}

void keep_sound_details(Source& source) {
  if (!source.event_time) return;
  const auto column = find_column(source, source.event_time->column);
  if (!column || column->type.kind != ColumnType::Kind::TimestampTz) source.event_time.reset();
}

void keep_sound_details(Table& table, const Source* source) {
  std::erase_if(table.expectations, [](const auto& one) { return one.check.text.empty(); });
  std::erase(table.partition_by, "");
  if (!table.unique) return;
  const auto key = source ? find_column(*source, table.unique->key) : std::nullopt;
  const bool is_wrong = source ? !key || is_nested(key->type) : table.unique->key.empty();
  if (is_wrong) table.unique.reset();
}

}  // namespace

void keep_what_is_sound(Pipeline& pipeline, Gaps& gaps) {
  Pipeline kept{.name = pipeline.name, .timezone = pipeline.timezone, .file = pipeline.file};
  if (!TimeZone::find(kept.timezone)) kept.timezone = "UTC";
  kept.sources = sound_ones(pipeline.sources, &Pipeline::sources, kept, gaps);
  for (auto& source : kept.sources) keep_sound_details(source);
  kept.lookups = sound_ones(pipeline.lookups, &Pipeline::lookups, kept, gaps);
  kept.tables = sound_ones(pipeline.tables, &Pipeline::tables, kept, gaps);
  for (auto& table : kept.tables) keep_sound_details(table, kept.source(table.from));
  kept.warehouses = std::move(pipeline.warehouses);
  kept.engines = std::move(pipeline.engines);
  kept.jobs = sound_ones(pipeline.jobs, &Pipeline::jobs, kept, gaps);
  for (auto& job : kept.jobs) {
    std::erase_if(job.expectations, [](const auto& one) {
      const bool has_sql =
          one.kind == ResultCheck::Kind::NoRows || one.kind == ResultCheck::Kind::Drift;
      return has_sql ? one.sql.text.empty()
                     : one.kind != ResultCheck::Kind::Rows && one.columns.empty();
    });
    std::erase_if(job.reconcile, [](const auto& pair) {
      return pair.left.text.empty() || pair.right.text.empty();
    });
  }
  for (auto& report : pipeline.reports) {
    if (!report.sql.text.empty()) kept.reports.push_back(std::move(report));
  }
  for (auto& alert : pipeline.alerts) {
    if (kept.table(alert.from)) kept.alerts.push_back(std::move(alert));
  }
  pipeline = std::move(kept);
}

}  // namespace millrace::config
