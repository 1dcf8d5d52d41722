#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/text.hpp"
#include "batch/events.hpp"
#include "batch/proof.hpp"
#include "batch/redshift_gate.hpp"
#include "batch/redshift_staging.hpp"
#include "batch/redshift_statements.hpp"
#include "batch/warehouse.hpp"

namespace millrace::batch {
namespace {

using base::Code;
using base::Error;
using base::Result;
using Guards = LoadStep::Guards;

std::int64_t number_of(const std::optional<std::string>& text, std::int64_t fallback = 0) {
  std::int64_t number = fallback;
  if (text) std::from_chars(text->data(), text->data() + text->size(), number);
  return number;
}

/// What the catalogue says: the columns of the table, and whether there is a ledger.
struct Catalogue {
  std::map<std::string, PostgresColumn> columns;
  bool has_ledger = false;
};

/// One load, from its beginning to its end.
class RedshiftLoad {
 public:
  RedshiftLoad(const WarehouseParts& parts, aws::Client& client, RedshiftGate& gate,
               const std::stop_token& stop)
      : parts_(parts), client_(client), gate_(gate), stop_(stop) {}

  Result<std::int64_t> run(const LoadTarget& target, const PartitionLoad& load) {
    auto columns = TRY(redshift_columns(target));
    const auto there = TRY(look(target));
    // Of a table that is gone the ledger says nothing any more.
    const bool is_known = there.has_ledger && !there.columns.empty();
    const auto before = is_known ? TRY(ledger_row(target, load)) : std::optional<LedgerRow>();
    // An attempt whose answer was lost, or another process, may have done it.
    if (before && is_done(*before, load)) return before->rows;
    const auto proof = TRY(measure(target, load, columns));
    TRY(keep_in_step(target, there, columns));

    auto staging = TRY(Staging::open(
        client_,
        {parts_.warehouse.redshift, parts_.tools.disk, parts_.tools.engine, parts_.scratch}, target,
        parts_.tools.random.uuid()));
    TRY(staging.clean(stop_));
    StagedRows staged{.manifest = {}, .role = parts_.warehouse.redshift.role};
    if (proof[0] != "0") {
      auto manifest = staging.put(columns, load.select, stop_);
      if (!manifest) staging.remove();
      staged.manifest = TRY(std::move(manifest));
    }
    const LoadPlan plan{target, columns, load, before, staged, proof, parts_.tools.clock.now()};
    auto rows = commit(plan);
    // While it may still be under way its files stay; the next load removes them.
    const bool may_run =
        !rows && (rows.error().code == Code::Unknown || rows.error().code == Code::Cancelled);
    if (!may_run) staging.remove();
    return rows;
  }

  Result<Catalogue> look(const LoadTarget& target) {
    Catalogue found;
    for (const auto& row : TRY(gate_.query(catalogue_query(target)))) {
      if (row.size() < 6) return Error{Code::Corrupt, "the catalogue's answer is none"};
      const auto name = row[1].value_or("");
      if (row[0] == "millrace_loads") {
        found.has_ledger = true;
      } else {
        found.columns[name] = redshift_column_there(
            row[2].value_or(""), static_cast<int>(number_of(row[3], -1)),
            static_cast<int>(number_of(row[4], -1)), static_cast<int>(number_of(row[5], -1)));
      }
    }
    return found;
  }

 private:
  static bool is_done(const LedgerRow& there, const PartitionLoad& load) {
    return there.run_id == load.run_id || (!load.is_again && there.mark.covers(load.mark));
  }

  Result<std::optional<LedgerRow>> ledger_row(const LoadTarget& target, const PartitionLoad& load) {
    const auto rows = TRY(gate_.query(ledger_query(target, ledger_key(load.partition))));
    if (rows.empty()) return std::optional<LedgerRow>();
    const auto& row = rows[0];
    if (row.size() < 5) return Error{Code::Corrupt, "the ledger's answer is none"};
    return std::optional(LedgerRow{
        {row[1].value_or(""), number_of(row[2])}, row[3].value_or(""), number_of(row[4])});
  }

  // What the lake says to the proof, and how long its texts are.
  Result<ProofValues> measure(const LoadTarget& target, const PartitionLoad& load,
                              std::vector<RedshiftColumn>& columns) {
    auto proof = TRY(
        proof_here(parts_.tools.engine, proof_parts_here(target, Dialect::Redshift), load.select));
    std::vector<std::string> list;
    std::vector<RedshiftColumn*> texts;
    for (auto& column : columns) {
      if (!is_staged_text(column)) continue;
      texts.push_back(&column);
      list.push_back(fmt::format("max(strlen({}))", staged_expression(column)));
    }
    if (texts.empty()) return proof;
    auto reader = TRY(parts_.tools.engine.connect());
    auto rows =
        TRY(reader.query(fmt::format("SELECT {} FROM ({})", base::join(list, ", "), load.select)));
    const auto chunk = TRY(rows.next());
    CHECK(chunk && chunk->row_count() == 1);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const auto column = chunk->column(i);
      if (!column.is_null(0)) texts[i]->bytes_max = column.data<std::int64_t>()[0];
    }
    return proof;
  }

  // Makes what is missing. None of it can be in a transaction that goes wrong later without harm,
  // and some of it Redshift takes in no transaction.
  Result<void> keep_in_step(const LoadTarget& target, const Catalogue& there,
                            std::vector<RedshiftColumn>& columns) {
    std::vector<std::string> changes;
    const auto schema = schema_of(target);
    const bool is_new = there.columns.empty();
    if (!schema.empty() && is_new && !there.has_ledger) changes.push_back(make_schema(schema));
    if (!there.has_ledger) changes.push_back(make_ledger(target));
    for (auto& column : columns) {
      const auto found = there.columns.find(column.name);
      const bool is_there = found != there.columns.end();
      if (is_there) TRY(check_holds(column, found->second));
      const int now = is_there ? std::max(found->second.precision, 0) : 0;
      if (is_super(column)) (void)TRY(length_for(column, kRedshiftTextBytesMax));
      if (column.type.type == "varchar") {
        column.type.precision = TRY(length_for(column, now));
        if (is_there && column.type.precision > now) changes.push_back(widen_text(target, column));
      }
      if (!is_there && !is_new) changes.push_back(add_column(target, column));
    }
    if (is_new && there.has_ledger) changes.push_back(clear_ledger(target));
    if (is_new) changes.push_back(make_table(target, columns));
    for (const auto& change : changes) (void)TRY(gate_.query(change));
    return {};
  }

  Result<std::int64_t> commit(const LoadPlan& plan) {
    const auto steps = load_steps(plan);
    std::vector<std::string> statements;
    for (const auto& step : steps) statements.push_back(step.sql);
    const auto rows = number_of(plan.proof[0]);
    const auto done = gate_.transact(statements);
    if (done && !*done) return rows;
    if (!done && done.error().code != Code::Unknown) return done.error();
    const auto guards =
        done && (*done)->index < steps.size() ? steps[(*done)->index].guards : Guards::Nothing;
    if (done && guards != Guards::NoOther) return refused(plan, guards, (*done)->error);
    // Not known, or somebody came first: the ledger says what was done.
    const auto there = TRY(ask_again(plan));
    const bool is_ours = there && is_done(*there, plan.load);
    events::load_settled(parts_.tools.telemetry, plan.target.table, is_ours);
    if (is_ours) return there->rows;
    if (!done) return done.error();
    if (!is_zero(((*done)->error.message))) return (*done)->error;
    return Error{Code::Unavailable, "another load of the partition came between"};
  }

  // The gate that lost an answer may be of no more use.
  Result<std::optional<LedgerRow>> ask_again(const LoadPlan& plan) {
    auto row = ledger_row(plan.target, plan.load);
    if (row || row.error().code == Code::Cancelled) return row;
    const auto fresh = TRY(open_redshift_gate(parts_, client_, stop_));
    return RedshiftLoad(parts_, client_, *fresh, stop_).ledger_row(plan.target, plan.load);
  }

  static bool is_zero(const std::string& message) {
    return message.find("ivision by zero") != message.npos ||
           message.find("ivide by zero") != message.npos;
  }

  static Error refused(const LoadPlan& plan, Guards guards, const Error& error) {
    if (guards == Guards::Nothing || !is_zero(error.message)) return error;
    const auto parts = proof_parts(plan.target, Dialect::Redshift);
    if (guards == Guards::Count) {
      return {Code::Invalid,
              fmt::format("count(*) is {} in the lake and another in the warehouse; something "
                          "there changes rows as they come",
                          plan.proof[0].value_or("NULL"))};
    }
    std::vector<std::string> sums;
    for (std::size_t i = 1; i < parts.size(); ++i) sums.push_back(parts[i].name);
    return {Code::Invalid,
            fmt::format("{} {} not what the lake has; something in the warehouse changes values as "
                        "they come",
                        base::join(sums, " or "), sums.size() == 1 ? "is" : "are")};
  }

  const WarehouseParts& parts_;
  aws::Client& client_;
  RedshiftGate& gate_;
  const std::stop_token& stop_;
};

class RedshiftWarehouse final : public Warehouse {
 public:
  explicit RedshiftWarehouse(WarehouseParts parts) : parts_(std::move(parts)) {}

  Result<Ledger> ledger(const LoadTarget& named, const std::stop_token& stop) override {
    const auto target = TRY(in_small_letters(named));
    auto* client = TRY(parts_.aws());
    const auto gate = TRY(open_redshift_gate(parts_, *client, stop));
    Ledger ledger;
    const auto there = TRY(RedshiftLoad(parts_, *client, *gate, stop).look(target));
    if (!there.has_ledger || there.columns.empty()) return ledger;
    for (const auto& row : TRY(gate->query(ledger_query(target)))) {
      if (row.size() < 5) return Error{Code::Corrupt, "the ledger's answer is none"};
      ledger[row[0].value_or("")] = {row[1].value_or(""), number_of(row[2])};
    }
    return ledger;
  }

  Result<std::int64_t> load(const LoadTarget& named, const PartitionLoad& load,
                            const std::stop_token& stop) override {
    const auto target = TRY(in_small_letters(named));
    auto* client = TRY(parts_.aws());
    const auto gate = TRY(open_redshift_gate(parts_, *client, stop));
    return RedshiftLoad(parts_, *client, *gate, stop).run(target, load);
  }

  // How long texts will be is known when they come.
  Result<TableSteps> foresee(const LoadTarget& named, const std::stop_token& stop) override {
    const auto target = TRY(in_small_letters(named));
    const auto columns = TRY(redshift_columns(target));
    auto* client = TRY(parts_.aws());
    const auto gate = TRY(open_redshift_gate(parts_, *client, stop));
    const auto there = TRY(RedshiftLoad(parts_, *client, *gate, stop).look(target)).columns;
    TableSteps steps{.is_new = there.empty()};
    for (const auto& column : columns) {
      if (steps.is_new) break;
      const auto found = there.find(column.name);
      if (found != there.end()) TRY(check_holds(column, found->second));
      if (found != there.end()) continue;
      const bool is_text = column.type.type == "varchar";
      steps.columns.push_back(
          {column.name, is_text ? "VARCHAR" : redshift_text_of(column.type), true});
    }
    return steps;
  }

  Dialect dialect() const override { return Dialect::Redshift; }

  Result<PartitionProofs> measure(const LoadTarget& named, const std::optional<Partition>& only,
                                  const std::stop_token& stop) override {
    const auto target = TRY(in_small_letters(named));
    auto* client = TRY(parts_.aws());
    const auto gate = TRY(open_redshift_gate(parts_, *client, stop));
    auto proofs = partition_proofs(TRY(gate->query(proof_query(target, only))));
    const auto columns = proof_parts(target, Dialect::Redshift).size();
    for (const auto& [key, values] : proofs) {
      if (values.size() == columns) continue;
      return Error{Code::Corrupt, "Redshift's answer to the proof is none"};
    }
    return proofs;
  }

 private:
  const WarehouseParts parts_;
};

}  // namespace

std::unique_ptr<Warehouse> make_redshift_warehouse(WarehouseParts parts) {
  return std::make_unique<RedshiftWarehouse>(std::move(parts));
}

}  // namespace millrace::batch
