#include "batch/redshift_gate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "aws/redshift_data.hpp"
#include "base/text.hpp"
#include "batch/attempts.hpp"
#include "postgres/connection.hpp"

namespace millrace::batch {
namespace {

using base::Code;
using base::Error;
using base::Result;
using namespace std::chrono_literals;
using What = aws::StatementState::What;

constexpr std::chrono::milliseconds kLookFirst = 50ms;
constexpr std::chrono::milliseconds kLookMax = 2s;
// Looks in a row without an answer, each with its own attempts.
constexpr int kUnansweredMax = 5;
constexpr std::size_t kMessageBytesMax = 600;

// The Data API has no codes for what Redshift says.
Code code_of(std::string_view message) {
  struct Meaning {
    std::string_view text;
    Code code;
  };
  static constexpr std::array kMeanings{
      Meaning{"ermission denied", Code::Denied},
      Meaning{"ot authorized", Code::Denied},
      Meaning{"assume role", Code::Denied},
      Meaning{"password authentication failed", Code::Denied},
      Meaning{"erializable isolation violation", Code::Unavailable},
      Meaning{"onflict", Code::Unavailable},
      Meaning{"eadlock", Code::Unavailable},
      Meaning{"isk full", Code::Unavailable},
      Meaning{"onnection", Code::Unavailable},
      Meaning{"hutting down", Code::Unavailable},
      Meaning{"is not available", Code::Unavailable},
      Meaning{"cancelled on user's request", Code::Unavailable},
  };
  const auto* found = std::ranges::find_if(
      kMeanings, [&](const Meaning& one) { return message.find(one.text) != message.npos; });
  return found == kMeanings.end() ? Code::Invalid : found->code;
}

class DataGate final : public RedshiftGate {
 public:
  DataGate(aws::RedshiftData data, base::Random& random, std::stop_token stop)
      : data_(std::move(data)), random_(random), stop_(std::move(stop)) {}

  Result<Rows> query(const std::string& sql) override {
    const auto done = TRY(run(std::span(&sql, 1)));
    if (done.state.what != What::Finished) return refused(done.state).error;
    if (!done.state.has_rows) return Rows();
    return data_.rows(done.id, stop_);
  }

  Result<std::optional<Refused>> transact(std::span<const std::string> sql) override {
    const auto done = TRY(run(sql));
    if (done.state.what == What::Finished) return std::optional<Refused>();
    return std::optional(refused(done.state));
  }

 private:
  struct Done {
    std::string id;
    aws::StatementState state;
  };

  Refused refused(const aws::StatementState& state) const {
    const auto said = base::printable(state.error, kMessageBytesMax);
    if (state.what == What::Aborted) {
      return {state.failed.value_or(0),
              {Code::Unavailable,
               fmt::format("the statements were stopped there{}{}", said.empty() ? "" : ": ", said),
               data_.shown()}};
    }
    return {state.failed.value_or(0), {code_of(state.error), said, data_.shown()}};
  }

  // Hands statements in and waits for their end. The token is of these statements and this time:
  // if the answer is lost, they are handed in again and found to be there.
  Result<Done> run(std::span<const std::string> sql) {
    Done done{.id = TRY(data_.execute(sql, random_.uuid(), stop_)), .state = {}};
    auto pause = kLookFirst;
    for (int unanswered = 0;; pause = std::min(pause * 3 / 2, kLookMax)) {
      if (!aws::pause(pause, stop_)) break;
      auto state = data_.describe(done.id, stop_);
      if (state && state->what != What::Running) {
        done.state = std::move(*state);
        return done;
      }
      unanswered = state ? 0 : unanswered + 1;
      if (state || stop_.stop_requested()) continue;
      if (may_pass(state.error()) && unanswered < kUnansweredMax) continue;
      return Error{Code::Unknown,
                   "what became of the statements is not known: " + state.error().message};
    }
    (void)data_.cancel(done.id)
        .has_value();  // best effort: what it does not reach, the ledger tells
    return Error{Code::Cancelled, "a stop was asked for", data_.shown()};
  }

  aws::RedshiftData data_;
  base::Random& random_;
  const std::stop_token stop_;
};

class WireGate final : public RedshiftGate {
 public:
  explicit WireGate(std::unique_ptr<postgres::Connection> connection)
      : connection_(std::move(connection)) {}

  Result<Rows> query(const std::string& sql) override { return TRY(connection_->query(sql)).rows; }

  Result<std::optional<Refused>> transact(std::span<const std::string> sql) override {
    TRY(connection_->query("BEGIN"));
    for (std::size_t i = 0; i < sql.size(); ++i) {
      const auto done = connection_->query(sql[i]);
      if (done) continue;
      if (done.error().code == Code::Cancelled) return done.error();
      (void)connection_->query("ROLLBACK").has_value();
      return std::optional(Refused{i, done.error()});
    }
    const auto done = connection_->query("COMMIT");
    if (done) return std::optional<Refused>();
    if (done.error().code != Code::Unavailable) {
      return std::optional(Refused{sql.size(), done.error()});
    }
    return Error{Code::Unknown, done.error().message, done.error().place};
  }

 private:
  const std::unique_ptr<postgres::Connection> connection_;
};

}  // namespace

Result<std::unique_ptr<RedshiftGate>> open_redshift_gate(const WarehouseParts& parts,
                                                         aws::Client& client,
                                                         std::stop_token stop) {
  using Gate = std::unique_ptr<RedshiftGate>;
  const auto& [name, place, kind, url, path, url_place, redshift] = parts.warehouse;
  if (!url.empty()) {
    auto connection = TRY(postgres::Connection::open({.url = url}, std::move(stop)));
    return Gate(std::make_unique<WireGate>(std::move(connection)));
  }
  auto data = TRY(aws::RedshiftData::open(client, {.workgroup = redshift.workgroup,
                                                   .cluster = redshift.cluster,
                                                   .database = redshift.database,
                                                   .db_user = redshift.db_user,
                                                   .secret = redshift.secret,
                                                   .region = redshift.region}));
  return Gate(std::make_unique<DataGate>(std::move(data), parts.tools.random, std::move(stop)));
}

}  // namespace millrace::batch
