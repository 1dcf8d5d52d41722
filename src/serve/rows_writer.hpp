#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/id.hpp"
#include "base/result.hpp"
#include "config/pipeline.hpp"
#include "flow/query.hpp"
#include "flow/source_loop.hpp"
#include "http/message.hpp"
#include "sql/render.hpp"

namespace millrace::serve {

enum class AnswerFormat : std::uint8_t { Json, Ndjson, Csv, Arrow };

/// The format that `named` (of `?format=`) or else Accept asks for; JSON if neither asks.
/// Errors  Invalid: no such format. NotFound: Accept leaves none of ours; to be answered with 406.
base::Result<AnswerFormat> answer_format(const http::Request& request,
                                         const std::optional<std::string>& named);
std::string_view content_type_of(AnswerFormat format);

/// Of a table whose source several workers share: what an answer had.
struct TableShares {
  std::string table;
  std::vector<std::int64_t> fresh_shards;  ///< read here: up to their newest rows
  std::vector<std::int64_t> other_shards;  ///< of other workers: as they were committed
  std::optional<base::Time> others_until;  ///< their event time by then; none: not known of one
};
/// Of those tables among `versions` that are shared.
std::vector<TableShares> shares_of(const std::vector<flow::TableStatus>& statuses,
                                   const std::map<std::string, base::TableVersion>& versions);

/// What is known of an answer when its last row is out.
struct AnswerEnd {
  std::size_t row_count = 0;
  bool is_truncated = false;
  double elapsed_ms = 0;
  std::optional<config::Chart> chart;
  std::vector<TableShares> shares = {};
};

/// Rows as JSON objects with the columns' names.
class RowObjects {
 public:
  explicit RowObjects(const std::vector<sql::Column>& columns);
  void append(const sql::Chunk& chunk, std::size_t row, std::string& out) const;

 private:
  std::vector<sql::Renderer> renderers_;
  std::vector<std::string> keys_;
};

/// Writes the rows of one query as text or bytes, appending to `out`.
/// Threads: one at a time.
class RowsWriter {
 public:
  virtual ~RowsWriter() = default;
  virtual base::Result<void> begin(std::string& out) = 0;
  /// Writes `count` rows from `from` on; all of the chunk at once if `is_columnar`.
  virtual base::Result<void> rows(sql::Chunk& chunk, std::size_t from, std::size_t count,
                                  std::string& out) = 0;
  virtual void end(const AnswerEnd& end, std::string& out) = 0;
  virtual bool is_columnar() const { return false; }
};

/// A writer of text, for rows of `columns` that were read at `versions`; both must outlive it.
/// Errors  Invalid: a column's type cannot be shown; the message says the mend.
base::Result<std::unique_ptr<RowsWriter>> make_text_writer(
    AnswerFormat format, const std::vector<sql::Column>& columns,
    const std::map<std::string, base::TableVersion>& versions);
/// A writer for `query`, which must outlive it.
/// Errors  Invalid: a column's type cannot be shown in this format; the message says the mend.
base::Result<std::unique_ptr<RowsWriter>> make_rows_writer(AnswerFormat format, flow::Query& query);

}  // namespace millrace::serve
