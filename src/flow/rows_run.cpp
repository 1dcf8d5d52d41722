#include "flow/rows_run.hpp"

#include <numeric>

namespace millrace::flow {

using base::Code;
using base::Result;

std::size_t RowSet::count_of(const Part& part) {
  return part.has_all ? part.chunk->row_count() : part.rows.size();
}

RowSet::RowSet(std::vector<std::shared_ptr<const sql::Chunk>> chunks) {
  for (auto& chunk : chunks) {
    count_ += chunk->row_count();
    parts_.push_back({std::move(chunk), true, {}});
  }
}

void RowSet::for_each(const std::function<void(std::size_t, const RowAt&)>& call) const {
  std::size_t index = 0;
  for (const auto& part : parts_) {
    RowAt at{part.chunk, 0};
    for (std::size_t i = 0; i < count_of(part); ++i) {
      at.row = part.has_all ? static_cast<std::uint32_t>(i) : part.rows[i];
      call(index++, at);
    }
  }
}

RowSet RowSet::where(const std::vector<bool>& keep) const {
  RowSet kept;
  std::size_t index = 0;
  for (const auto& part : parts_) {
    Part some{part.chunk, false, {}};
    const std::size_t count = count_of(part);
    for (std::size_t i = 0; i < count; ++i) {
      if (keep[index++]) {
        some.rows.push_back(part.has_all ? static_cast<std::uint32_t>(i) : part.rows[i]);
      }
    }
    if (some.rows.size() == count) some = part;
    if (count_of(some) == 0) continue;
    kept.count_ += count_of(some);
    kept.parts_.push_back(std::move(some));
  }
  return kept;
}

RowSet RowSet::range(std::size_t from, std::size_t to) const {
  std::vector<bool> keep(count_, false);
  for (std::size_t i = from; i < to; ++i) keep[i] = true;
  return where(keep);
}

std::vector<BatchRelation::Part> RowSet::parts() const {
  std::vector<BatchRelation::Part> parts;
  for (const auto& part : parts_) {
    parts.push_back(
        {part.chunk, part.has_all ? nullptr : std::make_unique<sql::Selection>(part.rows)});
  }
  return parts;
}

Result<void> run_over(sql::Statement& statement, BatchRelation& relation, const RowSet& rows,
                      const RunHandlers& handlers) {
  if (rows.count() == 0) return {};
  const auto run = [&]() -> Result<std::vector<sql::Chunk>> {
    relation.set(rows.parts());
    // Streamed, a row is copied once less than through a whole result.
    auto result = TRY(statement.execute(sql::Fetch::Streamed));
    std::vector<sql::Chunk> chunks;
    while (auto chunk = TRY(result.next())) chunks.push_back(std::move(*chunk));
    return chunks;
  };
  auto result = run();
  relation.set({});
  if (result) {
    handlers.result(rows, std::move(result).value());
    return {};
  }
  if (result.error().code != Code::Invalid) return std::move(result).error();
  if (rows.count() == 1) {
    rows.for_each([&](std::size_t, const RowAt& at) { handlers.failed(at, result.error()); });
    return {};
  }
  const std::size_t middle = rows.count() / 2;
  TRY(run_over(statement, relation, rows.range(0, middle), handlers));
  return run_over(statement, relation, rows.range(middle, rows.count()), handlers);
}

}  // namespace millrace::flow
