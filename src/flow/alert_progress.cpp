#include "flow/alert_progress.hpp"

#include <algorithm>

namespace millrace::flow {

void AlertProgress::settle(const RowPosition& at) {
  const auto known = rows_.find(at.shard);
  if (known == rows_.end()) return;
  auto& rows = known->second;
  if (const auto found = rows.find({at.offset, at.row}); found != rows.end()) found->second = true;
  while (!rows.empty() && rows.begin()->second) rows.erase(rows.begin());
}

void AlertProgress::reach(std::int32_t shard, std::int64_t offset) {
  auto& reached = reached_[shard];
  reached = std::max(reached, offset);
}

std::map<std::int32_t, std::int64_t> AlertProgress::positions() const {
  auto positions = reached_;
  for (const auto& [shard, rows] : rows_) {
    if (rows.empty()) continue;
    auto& position = positions[shard];
    position = std::min(position, rows.begin()->first.offset);
  }
  return positions;
}

std::size_t AlertProgress::held_of(const Rows& rows) {
  std::size_t count = 0;
  for (const auto& [shard, some] : rows) count += some.size();
  return count;
}

}  // namespace millrace::flow
