#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/record.hpp"
#include "config/pipeline.hpp"
#include "decode/decoder.hpp"
#include "flow/check.hpp"
#include "flow/table_flow.hpp"
#include "lookup/lookup.hpp"
#include "sql/render.hpp"

namespace millrace::flow {

/// What a table makes of one record.
struct Transformed {
  enum class What : std::uint8_t { Rows, Filtered, Rejected };
  What what = What::Filtered;
  std::string rows = {};    ///< as JSON objects, one a line, each line with its end
  std::string reason = {};  ///< of a reject: one word, as in `_rejects`
  std::string detail = {};
};

/// What a transformation is made of; all must outlive it.
struct TransformParts {
  const config::Pipeline& pipeline;
  std::map<std::string, lookup::Lookup*> lookups;
  std::shared_ptr<decode::SchemaRegistry> registry;  ///< of Avro and Protobuf
  sql::Instance& engine;                             ///< its own
  const base::Clock& clock;
  base::Telemetry telemetry;
};

/// One table's way from record to row, by the code that the worker runs, for somebody who keeps the
/// rows elsewhere. Nothing is remembered from one call to the next. Threads: one at a time.
class Transform {
 public:
  /// Errors  Invalid: the table remembers, or reads another one, so that it cannot run alone; its
  ///         SQL is wrong. With place and mend.
  static base::Result<std::unique_ptr<Transform>> open(const config::Table& table,
                                                       TransformParts parts);

  /// Columns are those of the table without `_shard`, `_offset`, `_row` and `_received_at`.
  /// Shape   one for each record, in their order. A record of which one row was rejected is
  ///         rejected, whatever became of the others.
  /// Errors  Exhausted: memory. Unavailable: schemas are not to be had at the moment.
  base::Result<std::vector<Transformed>> run(std::span<const base::Record> records);

 private:
  Transform(const config::Table& table, TransformParts parts);
  void add_rows(const sql::Chunk& chunk, std::vector<Transformed>& out) const;

  const TransformParts parts_;
  config::Pipeline alone_;  // the pipeline with this table only
  std::optional<Plans> plans_;
  decode::Decoder decoder_;
  std::unique_ptr<TableFlow> table_;
  std::vector<std::string> keys_;  // `"order_id":`
  std::vector<sql::Renderer> renderers_;
};

}  // namespace millrace::flow
