#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/text.hpp"
#include "config/read_parts.hpp"

namespace millrace::config {
namespace {

/// Names that share one space: each can stand in a FROM.
class Names {
 public:
  explicit Names(YamlFile& file) : file_(file) {}

  void add(const std::string& name, const Place& place, std::string_view kind) {
    const auto [there, is_new] = kinds_.emplace(name, kind);
    if (!is_new) file_.fail(place, fmt::format("there is a {} '{}' already", there->second, name));
  }

 private:
  YamlFile& file_;
  std::map<std::string, std::string> kinds_;
};

template <class T>
std::vector<std::string> names_of(const std::vector<T>& parts) {
  std::vector<std::string> names;
  for (const auto& part : parts) names.push_back(part.name);
  return names;
}

bool is_nested(const ColumnType& type) {
  using Kind = ColumnType::Kind;
  return type.kind == Kind::Struct || type.kind == Kind::List || type.kind == Kind::Json;
}

// A column of the source that a table reads; reported if there is none, or none that can be a key.
void check_key(YamlFile& file, const Source& source, const std::string& key, const Place& place,
               std::string_view what) {
  const auto columns = source.columns();
  const auto found = std::ranges::find(columns, key, &Column::name);
  if (found == columns.end()) {
    file.fail(place, fmt::format("{}: '{}' has no column '{}'{}", what, source.name,
                                 base::printable(key), base::did_you_mean(key, names_of(columns))));
  } else if (is_nested(found->type)) {
    file.fail(place, fmt::format("{}: '{}' is {}; a plain value is needed", what, key,
                                 sql_of(found->type)));
  }
}

void check_table(YamlFile& file, const Pipeline& pipeline, Table& table) {
  table.from_is_table = pipeline.table(table.from) != nullptr;
  const Source* source = pipeline.source(table.from);
  if (!table.from_is_table && !source && table.from_place.line > 0) {
    auto known = names_of(pipeline.sources);
    for (const auto& name : names_of(pipeline.tables)) known.push_back(name);
    file.fail(table.from_place,
              fmt::format("from: there is no source or table '{}'{}", base::printable(table.from),
                          base::did_you_mean(table.from, known)));
  }
  for (const auto& used : table.lookups) {
    if (!pipeline.lookup(used.lookup)) {
      file.fail(used.place,
                fmt::format("there is no lookup '{}'{}", base::printable(used.lookup),
                            base::did_you_mean(used.lookup, names_of(pipeline.lookups))));
    }
    if (!source || source->schema.empty()) continue;
    check_key(file, *source, used.column, used.place, "lookup " + used.lookup);
    const auto columns = source->columns();
    if (std::ranges::find(columns, used.lookup, &Column::name) != columns.end()) {
      file.fail(used.place, fmt::format("the lookup '{0}' would be a second column '{0}' beside "
                                        "that of '{1}'; rename the lookup",
                                        used.lookup, source->name));
    }
  }
  if (table.unique && source && !source->schema.empty()) {
    check_key(file, *source, table.unique->key, table.unique->place, "unique");
  }
}

// Tables in an order in which each comes after the one that it reads.
void sort_tables(YamlFile& file, Pipeline& pipeline) {
  std::vector<Table> sorted, rest = std::move(pipeline.tables);
  const auto is_sorted = [&](const std::string& name) {
    return std::ranges::find(sorted, name, &Table::name) != sorted.end();
  };
  for (bool has_moved = true; has_moved && !rest.empty();) {
    has_moved = false;
    for (auto it = rest.begin(); it != rest.end();) {
      if (it->from_is_table && !is_sorted(it->from)) {
        ++it;
        continue;
      }
      sorted.push_back(std::move(*it));
      it = rest.erase(it);
      has_moved = true;
    }
  }
  for (auto& table : rest) {
    file.fail(table.place,
              fmt::format("table '{}' reads itself, by way of '{}'", table.name, table.from));
    sorted.push_back(std::move(table));
  }
  pipeline.tables = std::move(sorted);
}

void check_tests(YamlFile& file, const Pipeline& pipeline) {
  std::set<std::string> names;
  for (const auto& test : pipeline.tests) {
    if (!names.insert(test.name).second) {
      file.fail(test.place,
                fmt::format("there is a test '{}' already", base::printable(test.name)));
    }
    for (const auto& given : test.given) {
      if (pipeline.source(given.source)) continue;
      file.fail(given.place,
                fmt::format("given: there is no source '{}'{}", base::printable(given.source),
                            base::did_you_mean(given.source, names_of(pipeline.sources))));
    }
    for (const auto& expected : test.expect) {
      const auto& table = expected.table;
      const bool is_own = table == "_rejects" || (table == "_alerts" && !pipeline.alerts.empty());
      if (table.empty() || is_own || pipeline.table(table)) continue;
      file.fail(expected.place,
                fmt::format("expect: there is no table '{}'{}", base::printable(table),
                            base::did_you_mean(table, names_of(pipeline.tables))));
    }
  }
}

// What a table's maintenance and its proof are called among the runs: `maintenance@orders`, as
// loads are.
constexpr std::string_view kMaintenance = "maintenance";
constexpr std::string_view kProof = "proof";

void check_job(YamlFile& file, const Pipeline& pipeline, const Job& job) {
  if (job.name == kMaintenance) {
    file.fail(job.place, "a job cannot be called 'maintenance': that of tables is");
  }
  if (job.name == kProof) file.fail(job.place, "a job cannot be called 'proof': that of tables is");
  auto known = names_of(pipeline.tables);
  for (const auto& other : pipeline.jobs) {
    if (other.name != job.name) known.push_back(other.name);
  }
  for (const auto& read : job.reads) {
    if (std::ranges::find(known, read) != known.end()) continue;
    const std::string why = read == job.name
                                ? "a job does not read its own table"
                                : fmt::format("there is no table '{}'{}", base::printable(read),
                                              base::did_you_mean(read, known));
    file.fail(job.place, "reads: " + why);
  }
  for (const auto& expected : job.expectations) {
    if (expected.table.empty() || std::ranges::find(known, expected.table) != known.end()) continue;
    file.fail(expected.place,
              fmt::format("references: there is no table '{}'{}", base::printable(expected.table),
                          base::did_you_mean(expected.table, known)));
  }
  check_engine(file, pipeline, job);
  if (!job.load || job.load->warehouse.empty()) return;
  if (const auto* warehouse = pipeline.warehouse(job.load->warehouse)) {
    if (job.load->redshift && warehouse->kind != Warehouse::Kind::Redshift) {
      file.fail(job.load->place,
                fmt::format("load: sort_key, dist_key, dist_style and lengths are for redshift, "
                            "and '{}' is none",
                            warehouse->name));
    }
    return;
  }
  file.fail(job.load->place,
            fmt::format("load: there is no warehouse '{}'{}", base::printable(job.load->warehouse),
                        base::did_you_mean(job.load->warehouse, names_of(pipeline.warehouses))));
}

// Two jobs that load one table would take each other's rows away.
void check_loads(YamlFile& file, const Pipeline& pipeline) {
  std::map<std::pair<std::string, std::string>, std::string> loaded;
  for (const auto& job : pipeline.jobs) {
    if (!job.load) continue;
    const auto [there, is_new] =
        loaded.emplace(std::pair(job.load->warehouse, job.load->table), job.name);
    if (is_new) continue;
    file.fail(job.load->place, fmt::format("load: job '{}' loads the table '{}' of '{}' already",
                                           there->second, job.load->table, job.load->warehouse));
  }
}

void check_alert(YamlFile& file, const Pipeline& pipeline, const Alert& alert) {
  if (pipeline.table(alert.from) || alert.from_place.line == 0) return;
  const bool is_source = pipeline.source(alert.from) != nullptr;
  file.fail(
      alert.from_place,
      fmt::format("from: {}{}",
                  is_source ? fmt::format("'{}' is a source; an alert reads a table",
                                          base::printable(alert.from))
                            : fmt::format("there is no table '{}'", base::printable(alert.from)),
                  base::did_you_mean(alert.from, names_of(pipeline.tables))));
}

}  // namespace

void check_references(YamlFile& file, Pipeline& pipeline) {
  Names names(file);
  for (const auto& source : pipeline.sources) names.add(source.name, source.place, "source");
  for (const auto& table : pipeline.tables) names.add(table.name, table.place, "table");
  for (const auto& lookup : pipeline.lookups) names.add(lookup.name, lookup.place, "lookup");
  for (const auto& job : pipeline.jobs) names.add(job.name, job.place, "job");
  for (auto& table : pipeline.tables) check_table(file, pipeline, table);
  sort_tables(file, pipeline);
  for (const auto& job : pipeline.jobs) check_job(file, pipeline, job);
  for (const auto& alert : pipeline.alerts) check_alert(file, pipeline, alert);
  check_loads(file, pipeline);
  check_tests(file, pipeline);
  check_workers(file, pipeline);
}

}  // namespace millrace::config
