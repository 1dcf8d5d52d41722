#include "flow/generation.hpp"

#include <algorithm>

namespace millrace::flow {
namespace {

std::uint64_t width_of(duckdb_type id) {
  switch (id) {
    case DUCKDB_TYPE_BOOLEAN:
    case DUCKDB_TYPE_TINYINT:
      return 1;
    case DUCKDB_TYPE_SMALLINT:
      return 2;
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_FLOAT:
    case DUCKDB_TYPE_DATE:
      return 4;
    case DUCKDB_TYPE_VARCHAR:
    case DUCKDB_TYPE_BLOB:
    case DUCKDB_TYPE_LIST:
      return 16;
    default:
      return 8;
  }
}

std::uint64_t column_bytes(sql::Vector vector, const sql::Type& type, std::size_t rows) {
  const auto id = type.id();
  std::uint64_t bytes = width_of(id) * rows;
  if (id == DUCKDB_TYPE_VARCHAR || id == DUCKDB_TYPE_BLOB) bytes += vector.bytes_outside(rows);
  if (id == DUCKDB_TYPE_STRUCT) {
    const auto fields = type.fields();
    for (std::size_t i = 0; i < fields.size(); ++i) {
      bytes += column_bytes(vector.field(i), fields[i].second, rows);
    }
  }
  if (id == DUCKDB_TYPE_LIST) {
    bytes += column_bytes(vector.list_child(), type.element(),
                          duckdb_list_vector_get_size(vector.handle()));
  }
  return bytes;
}

/// One run over a list of chunks; DuckDB's threads each take the next one.
class ChunksScan final : public sql::Scan {
 public:
  explicit ChunksScan(std::shared_ptr<const Chunks> chunks) : chunks_(std::move(chunks)) {}

  bool next(sql::ScanPart& part) override {
    const std::size_t at = next_.fetch_add(1);
    if (at >= chunks_->size()) return false;
    part = {(*chunks_)[at], nullptr};
    return true;
  }
  std::size_t threads_max() const override {
    return std::max<std::size_t>(1, chunks_->size() / 16);
  }

 private:
  std::shared_ptr<const Chunks> chunks_;
  std::atomic<std::size_t> next_{0};
};

}  // namespace

std::uint64_t bytes_of(const sql::Chunk& chunk, const std::vector<sql::Column>& columns) {
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    bytes += column_bytes(chunk.column(i), columns[i].type, chunk.row_count());
  }
  return bytes;
}

void Generation::add(sql::Chunk chunk) {
  if (chunk.row_count() == 0) return;
  const std::uint64_t added_bytes = bytes_of(chunk, columns_);
  const auto added_rows = static_cast<std::int64_t>(chunk.row_count());
  auto chunks = std::make_shared<Chunks>(*view());
  // As in a binary counter: a chunk swallows its neighbours as long as those are no larger.
  auto first = chunks->end();
  auto rows = chunk.row_count();
  while (first != chunks->begin() && (*std::prev(first))->row_count() <= rows &&
         (*std::prev(first))->row_count() + rows <= sql::kChunkRows) {
    rows += (*--first)->row_count();
  }
  std::vector<const sql::Chunk*> parts;
  for (auto part = first; part != chunks->end(); ++part) parts.push_back(part->get());
  parts.push_back(&chunk);
  auto packed = std::make_shared<const sql::Chunk>(sql::Chunk::packed(parts, columns_));
  chunks->erase(first, chunks->end());
  chunks->push_back(std::move(packed));
  std::lock_guard lock(mutex_);
  chunks_ = std::move(chunks);
  bytes_ += added_bytes;
  row_count_ += added_rows;
}

std::shared_ptr<const Chunks> Generation::view() const {
  std::lock_guard lock(mutex_);
  return chunks_;
}

void Generation::reach(std::shared_ptr<const Reached> reached) {
  std::lock_guard lock(mutex_);
  reached_ = std::move(reached);
}

std::shared_ptr<const Reached> Generation::reached() const {
  std::lock_guard lock(mutex_);
  return reached_;
}

std::uint64_t Generation::bytes() const {
  std::lock_guard lock(mutex_);
  return bytes_;
}

std::int64_t Generation::row_count() const {
  std::lock_guard lock(mutex_);
  return row_count_;
}

void Generation::mark_contained_from(std::map<std::string, std::int64_t> positions) {
  std::lock_guard lock(mutex_);
  contained_from_ = std::move(positions);
}

bool Generation::is_contained_in(const std::map<std::string, std::int64_t>& positions) const {
  std::lock_guard lock(mutex_);
  if (!contained_from_) return false;
  return std::ranges::all_of(*contained_from_, [&](const auto& mine) {
    const auto found = positions.find(mine.first);
    return found != positions.end() && found->second >= mine.second;
  });
}

void Generation::begin(const std::string& id, std::int64_t from) {
  std::lock_guard lock(mutex_);
  begins_.try_emplace(id, from);
}

bool Generation::is_overtaken_in(const std::map<std::string, std::int64_t>& positions) const {
  std::lock_guard lock(mutex_);
  return std::ranges::any_of(begins_, [&](const auto& mine) {
    const auto found = positions.find(mine.first);
    return found != positions.end() && found->second > mine.second;
  });
}

ChunksTable::ChunksTable(std::vector<sql::Column> columns, std::shared_ptr<const Chunks> chunks)
    : columns_(std::move(columns)), chunks_(std::move(chunks)) {
  for (const auto& chunk : *chunks_) row_count_ += chunk->row_count();
}

std::unique_ptr<sql::Scan> ChunksTable::scan() {
  return std::make_unique<ChunksScan>(chunks_);
}

}  // namespace millrace::flow
