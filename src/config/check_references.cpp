#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.hpp"
#include "config/read_parts.hpp"

namespace millrace::config {
namespace {

constexpr std::size_t kNameSizeMax = 63;

bool is_name(std::string_view name) {
  if (name.empty() || name.size() > kNameSizeMax || name[0] < 'a' || name[0] > 'z') return false;
  return std::ranges::all_of(
      name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

/// Names that share one space: each can stand in a FROM.
class Names {
 public:
  explicit Names(YamlFile& file) : file_(file) {}

  void add(const std::string& name, const Place& place, std::string_view kind) {
    if (!is_name(name)) {
      file_.fail(place,
                 fmt::format("'{}' is no name: a small letter, then small letters, digits and _",
                             base::printable(name)));
    }
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

void check_table(YamlFile& file, const Pipeline& pipeline, Table& table) {
  table.from_is_table = pipeline.table(table.from) != nullptr;
  if (!table.from_is_table && !pipeline.source(table.from)) {
    auto known = names_of(pipeline.sources);
    for (const auto& name : names_of(pipeline.tables)) known.push_back(name);
    file.fail(table.place, fmt::format("from: there is no source or table '{}'{}", table.from,
                                       base::did_you_mean(table.from, known)));
  }
  for (const auto& used : table.lookups) {
    if (pipeline.lookup(used.lookup)) continue;
    file.fail(used.place, fmt::format("there is no lookup '{}'{}", used.lookup,
                                      base::did_you_mean(used.lookup, names_of(pipeline.lookups))));
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

void check_test(YamlFile& file, const Pipeline& pipeline, const PipelineTest& test) {
  for (const auto& given : test.given) {
    if (pipeline.source(given.source)) continue;
    file.fail(test.place,
              fmt::format("given: there is no source '{}'{}", given.source,
                          base::did_you_mean(given.source, names_of(pipeline.sources))));
  }
  for (const auto& expected : test.expect) {
    if (expected.table == "_rejects" || pipeline.table(expected.table)) continue;
    file.fail(test.place,
              fmt::format("expect: there is no table '{}'{}", expected.table,
                          base::did_you_mean(expected.table, names_of(pipeline.tables))));
  }
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
  for (const auto& job : pipeline.jobs) {
    for (const auto& read : job.reads) {
      if (pipeline.table(read) || pipeline.job(read)) continue;
      file.fail(job.place, fmt::format("reads: there is no table '{}'{}", read,
                                       base::did_you_mean(read, names_of(pipeline.tables))));
    }
  }
  for (const auto& test : pipeline.tests) check_test(file, pipeline, test);
}

}  // namespace millrace::config
