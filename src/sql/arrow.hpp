#pragma once

#include <duckdb.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "sql/connection.hpp"

// The Arrow C data interface, whose structures everybody declares for himself.
// Source  Apache Arrow, "The Arrow C data interface".
struct ArrowSchema {
  const char* format;
  const char* name;
  const char* metadata;
  std::int64_t flags;
  std::int64_t n_children;
  ArrowSchema** children;
  ArrowSchema* dictionary;
  void (*release)(ArrowSchema*);
  void* private_data;
};

struct ArrowArray {
  std::int64_t length;
  std::int64_t null_count;
  std::int64_t offset;
  std::int64_t n_buffers;
  std::int64_t n_children;
  const void** buffers;
  ArrowArray** children;
  ArrowArray* dictionary;
  void (*release)(ArrowArray*);
  void* private_data;
};

namespace millrace::sql {

/// A structure of the C data interface, released with its owner.
template <class T>
class ArrowOwned {
 public:
  ArrowOwned() = default;
  ArrowOwned(ArrowOwned&& other) noexcept : value_(other.value_) { other.value_.release = nullptr; }
  ArrowOwned& operator=(ArrowOwned&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  ~ArrowOwned() {
    if (value_.release) value_.release(&value_);
  }
  const T& get() const { return value_; }
  T* out() { return &value_; }

 private:
  T value_{};
};

/// How values become Arrow: as the connection that it was made of has set it. Neither its result
/// nor its connection may end before it.
class ArrowOptions {
 public:
  explicit ArrowOptions(Rows& rows) : handle_(rows.arrow_options()) {}
  explicit ArrowOptions(const Connection& connection) {
    duckdb_connection_get_arrow_options(connection.handle(), &handle_);
  }
  ArrowOptions(ArrowOptions&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  ArrowOptions& operator=(ArrowOptions&&) = delete;
  ~ArrowOptions() {
    if (handle_) duckdb_destroy_arrow_options(&handle_);
  }
  duckdb_arrow_options handle() const { return handle_; }

 private:
  duckdb_arrow_options handle_ = nullptr;
};

/// How `columns` look in Arrow: a struct with one child a column.
base::Result<ArrowOwned<ArrowSchema>> arrow_schema_of(const ArrowOptions& options,
                                                      const std::vector<Column>& columns);
/// A chunk in Arrow: a struct array of the schema of its columns.
base::Result<ArrowOwned<ArrowArray>> arrow_array_of(const ArrowOptions& options,
                                                    const Chunk& chunk);

}  // namespace millrace::sql
