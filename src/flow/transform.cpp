#include "flow/transform.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "flow/events.hpp"
#include "flow/lane.hpp"
#include "flow/table_work.hpp"

namespace millrace::flow {

using base::Code;
using base::Error;
using base::Offset;
using base::Result;

namespace {

constexpr const char* kLife = "given";
constexpr base::ShardId kShardOfAll{0};

std::optional<Error> problem_of(const config::Table& table) {
  const auto fail = [&](const config::Place& place, std::string_view why) {
    return Error{Code::Invalid, fmt::format("table '{}' cannot transform: {}", table.name, why),
                 place.text()};
  };
  if (table.from_is_table) {
    return fail(table.place,
                fmt::format("it reads the table '{}', and nothing is kept from which it could; "
                            "name a table that reads a source",
                            table.from));
  }
  if (table.unique) {
    return fail(table.unique->place,
                "`unique` compares with rows that were kept, and nothing is; take it out, or "
                "let the table be fed by Kinesis, SQS or HTTP");
  }
  for (const auto& expectation : table.expectations) {
    if (expectation.otherwise != config::Otherwise::Halt) continue;
    return fail(expectation.check.place,
                fmt::format("the expectation '{}' halts the table, and nobody waits for the "
                            "records behind; let it say `otherwise: reject`",
                            expectation.name));
  }
  return std::nullopt;
}

config::Pipeline with_only(const config::Pipeline& pipeline, const config::Table& table) {
  auto alone = pipeline;
  alone.tables = {table};
  return alone;
}

}  // namespace

Transform::Transform(const config::Table& table, TransformParts parts)
    : parts_(std::move(parts)),
      alone_(with_only(parts_.pipeline, table)),
      decoder_(decoder_options(alone_.root_source(alone_.tables[0]), parts_.registry)) {}

Result<std::unique_ptr<Transform>> Transform::open(const config::Table& table,
                                                   TransformParts parts) {
  if (auto problem = problem_of(table)) return std::move(*problem);
  std::unique_ptr<Transform> transform(new Transform(table, std::move(parts)));
  const auto& own = transform->parts_;
  transform->plans_ = plan_tables(transform->alone_, own.lookups, own.engine);
  auto& plans = *transform->plans_;
  if (!plans.errors.empty()) return plans.errors.front();
  CHECK(plans.tables.size() == 1);
  std::vector<lookup::Lookup*> lookups;
  for (const auto& one : table.lookups) lookups.push_back(own.lookups.at(one.lookup));
  const auto& plan = plans.tables.front();
  for (std::size_t i = 0; i < plan.shard_column; ++i) {
    auto& key = transform->keys_.emplace_back();
    sql::append_json_string(plan.output[i].name, key);
    key += ':';
    transform->renderers_.emplace_back(plan.output[i].type);
  }
  transform->table_ =
      std::make_unique<TableFlow>(TableFlow::Parts{.plan = std::move(plans.tables.front()),
                                                   .lookups = std::move(lookups),
                                                   .pipeline = transform->alone_.name,
                                                   .dedupe = {},
                                                   .clock = &own.clock,
                                                   .telemetry = own.telemetry});
  return transform;
}

Result<std::vector<Transformed>> Transform::run(std::span<const base::Record> records) {
  std::vector<Transformed> out(records.size());
  if (records.empty()) return out;
  base::RecordBatch given{.shard = kShardOfAll,
                          .records = {records.begin(), records.end()},
                          .next = Offset(static_cast<std::int64_t>(records.size())),
                          .owner = {}};
  for (std::size_t i = 0; i < records.size(); ++i) {
    given.records[i].offset = Offset(static_cast<std::int64_t>(i));
  }
  const auto& source = alone_.root_source(alone_.tables[0]);
  MicroBatch batch{.source = source.name, .incarnation = kLife};
  const LaneReader reader{source, decoder_, parts_.clock};
  TRY(reader.add(std::move(given), Offset(0), batch));
  table_->begin(table_->app_id(source.name, kLife, kShardOfAll.value()));
  const auto chunks = TRY(table_->apply(batch, batch.chunks, {batch.batches[0].next}));
  for (const auto& chunk : chunks) add_rows(*chunk, out);
  for (const auto& reject : table_->rejected()) {
    auto& one = out[static_cast<std::size_t>(reject.record.offset.value())];
    if (one.what == Transformed::What::Rejected) continue;
    one = {Transformed::What::Rejected, "", reject.reason, reject.detail};
  }
  events::processed(parts_.telemetry, table_->name(), table_->counted(), table_->rejected());
  return out;
}

void Transform::add_rows(const sql::Chunk& chunk, std::vector<Transformed>& out) const {
  const Positions positions(chunk, table_->plan().shard_column);
  for (std::size_t row = 0; row < chunk.row_count(); ++row) {
    auto& one = out[static_cast<std::size_t>(positions.at(row).offset)];
    one.what = Transformed::What::Rows;
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      one.rows += i == 0 ? '{' : ',';
      one.rows += keys_[i];
      renderers_[i].append_json(chunk.column(i), row, one.rows);
    }
    one.rows += "}\n";
  }
}

}  // namespace millrace::flow
