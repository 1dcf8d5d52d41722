#include "flow/cut_board.hpp"

#include <algorithm>

namespace millrace::flow {
namespace {

bool has_same_rows(const TableCut& one, const TableCut& other) {
  return one.snapshot == other.snapshot && one.hot == other.hot;
}

// As the table has them, which says of texts whether they are JSON.
std::vector<sql::Column> columns_of(const Generation& generation, const lake::Schema& schema) {
  auto columns = generation.columns();
  for (auto& column : columns) {
    const auto stored = std::ranges::find(schema, column.name, &sql::Column::name);
    if (stored != schema.end()) column.type = stored->type;
  }
  return columns;
}

}  // namespace

void CutBoard::add_table(const std::string& name, lake::Table& table) {
  {
    std::lock_guard lock(mutex_);
    entries_[name].table = &table;
  }
  publish();
}

void CutBoard::remove_table(const std::string& name) {
  {
    std::lock_guard lock(mutex_);
    entries_.erase(name);
  }
  publish();
}

void CutBoard::add_generation(const std::string& name, std::shared_ptr<Generation> generation) {
  std::lock_guard lock(mutex_);
  const auto found = entries_.find(name);
  CHECK(found != entries_.end());
  found->second.generations.push_back(std::move(generation));
}

void CutBoard::drop_generations(const std::string& name) {
  publish([&] {
    std::lock_guard lock(mutex_);
    entries_.find(name)->second.generations.clear();
  });
}

std::map<std::string, base::TableVersion> CutBoard::follow(std::optional<base::Error>& error) {
  std::map<std::string, base::TableVersion> moved;
  for (const auto& name : table_names()) {
    auto* one = table(name);
    if (!one) continue;
    const auto before = one->snapshot()->version;
    const auto now = one->refresh();
    if (!now) error = now.error();
    if (now && (*now)->version != before) moved.emplace(name, before);
  }
  if (!moved.empty()) publish();
  return moved;
}

void CutBoard::publish(const std::function<void()>& change) {
  std::lock_guard one_at_a_time(change_mutex_);
  change();
  auto cut = std::make_shared<Cut>();
  std::lock_guard lock(mutex_);
  for (auto& [name, entry] : entries_) {
    TableCut table{.root = entry.table->root(), .snapshot = entry.table->snapshot()};
    std::erase_if(entry.generations, [&](const auto& generation) {
      return generation->is_contained_in(table.snapshot->transactions);
    });
    for (const auto& generation : entry.generations) {
      if (generation->is_overtaken_in(table.snapshot->transactions)) continue;
      table.hot_columns = columns_of(*generation, table.snapshot->metadata->schema);
      table.hot.push_back(generation->view());
      if (auto reached = generation->reached()) table.reached = std::move(reached);
    }
    const auto before = cut_->tables.find(name);
    const bool is_same = before != cut_->tables.end() && has_same_rows(before->second, table);
    table.edition = is_same ? before->second.edition : ++edition_last_;
    cut->tables.emplace(name, std::move(table));
  }
  cut_ = std::move(cut);
  ++cut_number_;
  changed_.notify_all();
}

std::uint64_t CutBoard::wait_beyond(std::uint64_t seen, std::chrono::microseconds timeout,
                                    const std::stop_token& stop) const {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, stop, timeout, [&] { return cut_number_ > seen; });
  return cut_number_;
}

std::shared_ptr<const Cut> CutBoard::cut() const {
  std::lock_guard lock(mutex_);
  return cut_;
}

lake::Table* CutBoard::table(std::string_view name) const {
  std::lock_guard lock(mutex_);
  const auto found = entries_.find(name);
  return found == entries_.end() ? nullptr : found->second.table;
}

std::vector<std::string> CutBoard::table_names() const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, entry] : entries_) names.push_back(name);
  return names;
}

}  // namespace millrace::flow
