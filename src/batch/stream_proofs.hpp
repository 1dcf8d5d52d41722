#pragma once

#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "batch/checks_table.hpp"
#include "batch/runs_table.hpp"
#include "batch/stream_state.hpp"
#include "config/pipeline.hpp"
#include "flow/account.hpp"
#include "flow/cut_board.hpp"

namespace millrace::batch {

/// What proofs of stream tables are made of; all must outlive them.
struct StreamProofsParts {
  const config::Pipeline& pipeline;
  lake::Tools tools;  ///< its engine reads the positions; the stream does not use it
  flow::CutBoard& board;
  RunsTable& runs;
  ChecksTable& checks;
  StreamState* stream = nullptr;  ///< takes in what came before somebody asks; null: nothing does
  std::size_t rows_max = 1'000'000;  ///< positions in memory at once
};

/// A table's proof: its run, and what was compared.
struct StreamProof {
  RunRow run;
  flow::TableAccount account;
};

/// Proves that every record which a source gave is in its tables, in the rejects, or was left out
/// by the tables' SQL: docs/data_quality.md. Each table's is a run in `_runs`, called
/// `proof@orders`, with a row in `_checks` for each shard. Threads: safe from any.
class StreamProofs {
 public:
  explicit StreamProofs(const StreamProofsParts& parts) : parts_(parts) {}
  StreamProofs(const StreamProofs&) = delete;
  StreamProofs& operator=(const StreamProofs&) = delete;
  ~StreamProofs() { stop(); }

  bool has(std::string_view table) const { return parts_.pipeline.table(table) != nullptr; }

  /// Proves one table, or all that streams fill: what is committed. For who asks, what was
  /// acknowledged before is committed first, if that can be done in time.
  /// Errors  NotFound: no such table. Else what kept it from starting; what does not agree is a run
  ///         that failed.
  base::Result<std::vector<StreamProof>> run(const std::optional<std::string>& table,
                                             Trigger trigger = Trigger::Manual);
  /// Ends what is under way: that is recorded as failed. Nothing runs after it.
  void stop();

  /// What a table's proof is called among the runs.
  static std::string run_name(std::string_view table);
  static bool is_run_name(std::string_view job);

 private:
  base::Result<StreamProof> run_one(const config::Table& table, Trigger trigger);
  base::Result<flow::TableAccount> take_account(const config::Table& table,
                                                sql::Connection& connection, Claim& claim);
  base::Result<void> go_on(Claim& claim);
  void keep(const std::string& table, const RunRow& row, const flow::TableAccount& account);

  const StreamProofsParts parts_;
  std::mutex run_mutex_;  // one table at a time
  std::stop_source stopping_;
};

}  // namespace millrace::batch
