#include "lookup/index.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <bit>

#include "base/text.hpp"
#include "sql/render.hpp"

namespace millrace::lookup {

using base::Code;
using base::Error;
using base::Result;

std::size_t key_width(const sql::Type& type) {
  switch (type.id()) {
    case DUCKDB_TYPE_TINYINT:
      return 1;
    case DUCKDB_TYPE_SMALLINT:
      return 2;
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_DATE:
      return 4;
    case DUCKDB_TYPE_BIGINT:
    case DUCKDB_TYPE_TIMESTAMP_TZ:
      return 8;
    default:
      return 0;
  }
}

bool is_key_type(const sql::Type& type) {
  return type.id() == DUCKDB_TYPE_VARCHAR || key_width(type) > 0;
}

std::string_view key_bytes(sql::Vector keys, std::size_t row, std::size_t width) {
  if (width == 0) return keys.text(row);
  return {keys.data<char>() + row * width, width};
}

Result<std::shared_ptr<const Index>> Index::load(sql::Statement& select, const std::string& key,
                                                 std::size_t rows_max) {
  auto result = TRY(select.execute(sql::Fetch::Streamed));
  std::vector<sql::Chunk> chunks;
  std::size_t rows = 0;
  while (auto chunk = TRY(result.next())) {
    rows += chunk->row_count();
    if (rows > rows_max) {
      return Error{Code::Exhausted,
                   fmt::format("it has more than {} rows, the limit of a lookup, which is held in "
                               "memory",
                               rows_max)};
    }
    chunks.push_back(std::move(*chunk));
  }
  std::vector<std::pair<std::string, sql::Type>> fields;
  std::size_t key_column = result.columns().size();
  for (std::size_t i = 0; i < result.columns().size(); ++i) {
    fields.emplace_back(result.columns()[i].name, result.columns()[i].type);
    if (result.columns()[i].name == key) key_column = i;
  }
  CHECK(key_column < fields.size());
  std::shared_ptr<Index> index(new Index(sql::Type::structure(fields), rows));
  TRY(index->fill(chunks, key_column));
  return std::shared_ptr<const Index>(index);
}

Result<void> Index::fill(std::vector<sql::Chunk>& chunks, std::size_t key_column) {
  const sql::Vector all = rows_.view();
  key_field_ = key_column;
  const auto fields = type_.fields();
  key_width_ = key_width(fields[key_column].second);
  for (auto& chunk : chunks) {
    const auto every = sql::all_rows(chunk.row_count());
    for (std::size_t i = 0; i < fields.size(); ++i) {
      all.field(i).copy_from(chunk.column(i), every, 0, every.count(), row_count_);
    }
    row_count_ += chunk.row_count();
  }
  all.set_null(row_count_);
  for (std::size_t i = 0; i < fields.size(); ++i) all.field(i).set_null(row_count_);
  slots_.resize(std::bit_ceil(row_count_ * 2 + 1));
  for (std::size_t row = 0; row < row_count_; ++row) TRY(insert(static_cast<std::uint32_t>(row)));
  return {};
}

Result<void> Index::insert(std::uint32_t row) {
  const sql::Vector keys = rows_.view().field(key_field_);
  if (keys.is_null(row)) {
    return Error{Code::Invalid,
                 fmt::format("row {} has no key; give it one, or remove it", row + 1)};
  }
  const auto key = key_bytes(keys, row, key_width_);
  const std::uint64_t hash = XXH3_64bits(key.data(), key.size());
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = hash & mask;
  for (; slots_[at].row != 0; at = (at + 1) & mask) {
    if (slots_[at].hash != hash || key_bytes(keys, slots_[at].row - 1, key_width_) != key) continue;
    const auto shown = sql::Renderer(keys.type()).text(keys, row);
    return Error{Code::Invalid,
                 fmt::format("the key '{}' occurs twice, in rows {} and {}; a lookup "
                             "needs one row per key: remove one",
                             base::printable(shown), slots_[at].row, row + 1)};
  }
  slots_[at] = {hash, row + 1};
  return {};
}

std::uint32_t Index::find(std::uint64_t hash, std::string_view key) const {
  const sql::Vector keys = rows_.view().field(key_field_);
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = hash & mask; slots_[at].row != 0; at = (at + 1) & mask) {
    const std::uint32_t row = slots_[at].row - 1;
    if (slots_[at].hash == hash && key_bytes(keys, row, key_width_) == key) return row;
  }
  return static_cast<std::uint32_t>(row_count_);  // the row of NULLs
}

void Index::gather(sql::Vector keys, std::size_t count, sql::Vector out) const {
  sql::Selection found(count);
  auto rows = found.rows();
  std::vector<std::uint64_t> hashes(count);
  std::vector<bool> is_key(count);
  for (std::size_t i = 0; i < count; ++i) {
    is_key[i] = !keys.is_null(i);
    if (!is_key[i]) continue;
    const auto key = key_bytes(keys, i, key_width_);
    hashes[i] = XXH3_64bits(key.data(), key.size());
  }
  prefetch(hashes);
  for (std::size_t i = 0; i < count; ++i) {
    rows[i] = is_key[i] ? find(hashes[i], key_bytes(keys, i, key_width_))
                        : static_cast<std::uint32_t>(row_count_);
  }
  out.reference(rows_.view());
  out.slice(found);
}

// A large index is not in the processor's caches: all its slots are asked for at once, then all the
// keys, then all their texts, and not one after the other.
void Index::prefetch(const std::vector<std::uint64_t>& hashes) const {
  const std::size_t mask = slots_.size() - 1;
  for (const auto hash : hashes) __builtin_prefetch(&slots_[hash & mask]);
  const auto* keys = rows_.view().field(key_field_).data<char>();
  const std::size_t stride = key_width_ == 0 ? sizeof(duckdb_string_t) : key_width_;
  const auto key_of = [&](std::uint64_t hash) {
    const auto row = slots_[hash & mask].row;
    return keys + (row == 0 ? 0 : row - 1) * stride;
  };
  for (const auto hash : hashes) __builtin_prefetch(key_of(hash));
  if (key_width_ != 0) return;
  for (const auto hash : hashes) {
    const auto* key = reinterpret_cast<const duckdb_string_t*>(key_of(hash));
    __builtin_prefetch(sql::Vector::text_of(*key).data());
  }
}

}  // namespace millrace::lookup
