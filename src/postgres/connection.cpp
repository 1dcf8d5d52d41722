#include "postgres/connection.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

#include <array>
#include <charconv>

#include "base/text.hpp"
#include "postgres/sql_state.hpp"
#include "postgres/url.hpp"

namespace millrace::postgres {
namespace {

using base::Code;
using base::Error;
using base::Result;

// How often a stop is looked for while the server is silent.
constexpr int kLookMs = 100;
constexpr std::size_t kMessageBytesMax = 600;

using Response = std::unique_ptr<PGresult, decltype(&PQclear)>;

// libpq breaks its lines, and indents what follows.
std::string one_line(std::string_view text) {
  std::string line;
  for (const char c : base::trimmed(text)) {
    const bool is_space = c == '\n' || c == '\t' || c == ' ';
    if (!is_space) {
      line += c;
    } else if (!line.ends_with(' ')) {
      line += ' ';
    }
  }
  return line;
}

Error error_of(const PGresult* result) {
  const auto field = [&](int code) {
    const char* text = PQresultErrorField(result, code);
    return std::string(text ? text : "");
  };
  const auto state = field(PG_DIAG_SQLSTATE);
  auto message = field(PG_DIAG_MESSAGE_PRIMARY);
  if (message.empty()) message = one_line(PQresultErrorMessage(result));
  for (const int part : {PG_DIAG_MESSAGE_DETAIL, PG_DIAG_MESSAGE_HINT, PG_DIAG_CONTEXT}) {
    if (const auto more = field(part); !more.empty()) message += "; " + more;
  }
  return {code_of(state), fmt::format("{} ({})", base::printable(message, kMessageBytesMax),
                                      state.empty() ? "no SQLSTATE" : state)};
}

Answer answer_of(const PGresult* result) {
  Answer answer;
  for (int column = 0; column < PQnfields(result); ++column) {
    answer.columns.push_back(
        {PQfname(result, column), PQftype(result, column), PQfmod(result, column)});
  }
  for (int row = 0; row < PQntuples(result); ++row) {
    auto& values = answer.rows.emplace_back();
    for (int column = 0; column < PQnfields(result); ++column) {
      if (PQgetisnull(result, row, column)) {
        values.emplace_back();
      } else {
        values.emplace_back(
            std::string(PQgetvalue(result, row, column),
                        static_cast<std::size_t>(PQgetlength(result, row, column))));
      }
    }
  }
  const std::string_view affected = PQcmdTuples(const_cast<PGresult*>(result));
  std::from_chars(affected.data(), affected.data() + affected.size(), answer.affected);
  return answer;
}

// libpq has no code for what went wrong before a session was there.
Code code_of_connecting(std::string_view message) {
  const auto says = [&](std::string_view what) { return message.find(what) != message.npos; };
  const bool is_denied = says("authentication failed") || says("no pg_hba.conf entry") ||
                         says("no password supplied") || says("is not permitted to log in") ||
                         (says("role ") && says("does not exist"));
  if (is_denied) return Code::Denied;
  if (says("database ") && says("does not exist")) return Code::NotFound;
  return Code::Unavailable;
}

}  // namespace

struct Connection::Handle {
  std::unique_ptr<PGconn, decltype(&PQfinish)> link{nullptr, PQfinish};
  std::string shown;
  std::chrono::seconds connect_deadline;

  PGconn* get() const { return link.get(); }
};

Connection::Connection(std::unique_ptr<Handle> handle, std::stop_token stop)
    : handle_(std::move(handle)), stop_(std::move(stop)) {}

Connection::~Connection() = default;

Result<std::unique_ptr<Connection>> Connection::open(const ConnectionOptions& options,
                                                     std::stop_token stop) {
  TRY(check_url(options.url));
  // What the address says itself comes after these and wins. A peer that is gone without a word is
  // noticed within a minute or two.
  constexpr std::array kNames{"tcp_user_timeout", "keepalives_idle",
                              "application_name", "client_encoding",
                              "dbname",           static_cast<const char*>(nullptr)};
  const std::array values{
      "60000", "30", "millrace", "UTF8", options.url.c_str(), static_cast<const char*>(nullptr)};
  auto handle = std::make_unique<Handle>();
  handle->shown = safe_url(options.url);
  handle->connect_deadline = options.connect_deadline;
  handle->link.reset(PQconnectStartParams(kNames.data(), values.data(), 1));
  if (!handle->link) return Error{Code::Unavailable, "no memory for a connection"};
  std::unique_ptr<Connection> connection(new Connection(std::move(handle), std::move(stop)));
  TRY(connection->connect());
  PQsetnonblocking(connection->handle_->get(), 1);
  // Notices are for people at a prompt.
  PQsetNoticeProcessor(connection->handle_->get(), [](void*, const char*) {}, nullptr);
  return connection;
}

Result<void> Connection::connect() {
  auto* link = handle_->get();
  const auto until = std::chrono::steady_clock::now() + handle_->connect_deadline;
  auto step = PGRES_POLLING_WRITING;
  while (PQstatus(link) != CONNECTION_BAD && step != PGRES_POLLING_OK &&
         step != PGRES_POLLING_FAILED) {
    if (stop_.stop_requested()) return cancelled();
    if (std::chrono::steady_clock::now() > until) {
      return Error{Code::Unavailable,
                   fmt::format("no answer within {} s", handle_->connect_deadline.count()),
                   handle_->shown};
    }
    pollfd socket{PQsocket(link),
                  static_cast<short>(step == PGRES_POLLING_READING ? POLLIN : POLLOUT), 0};
    if (poll(&socket, 1, kLookMs) > 0) step = PQconnectPoll(link);
  }
  if (PQstatus(link) == CONNECTION_OK) return {};
  const auto message = one_line(PQerrorMessage(link));
  return Error{code_of_connecting(message), base::printable(message, kMessageBytesMax),
               handle_->shown};
}

Error Connection::lost() const {
  return {Code::Unavailable,
          "the connection was lost: " +
              base::printable(one_line(PQerrorMessage(handle_->get())), kMessageBytesMax),
          handle_->shown};
}

// Tells the server, if it still listens; the session is not used any more.
Error Connection::cancelled() {
  std::array<char, 256> why{};
  if (auto* cancel = PQgetCancel(handle_->get())) {
    PQcancel(cancel, why.data(), static_cast<int>(why.size()));
    PQfreeCancel(cancel);
  }
  handle_->link.reset();  // libpq takes none for a connection that is lost
  return {Code::Cancelled, "a stop was asked for", handle_->shown};
}

Result<void> Connection::wait(bool to_write) {
  auto* link = handle_->get();
  for (;;) {
    if (stop_.stop_requested()) return cancelled();
    pollfd socket{PQsocket(link), static_cast<short>(to_write ? POLLIN | POLLOUT : POLLIN), 0};
    if (socket.fd < 0) return lost();
    const int ready = poll(&socket, 1, kLookMs);
    if (ready <= 0) continue;
    if ((socket.revents & (POLLIN | POLLERR | POLLHUP)) != 0 && !PQconsumeInput(link)) {
      return lost();
    }
    return {};
  }
}

Result<void> Connection::flush() {
  for (;;) {
    const int left = PQflush(handle_->get());
    if (left == 0) return {};
    if (left < 0) return lost();
    TRY(wait(true));
  }
}

Result<void> Connection::begin(const std::string& sql,
                               const std::vector<std::optional<std::string>>& parameters) {
  std::vector<const char*> values;
  values.reserve(parameters.size());
  for (const auto& one : parameters) values.push_back(one ? one->c_str() : nullptr);
  auto* link = handle_->get();
  const int sent = PQsendQueryParams(link, sql.c_str(), static_cast<int>(values.size()), nullptr,
                                     values.data(), nullptr, nullptr, 0);
  if (!sent) return lost();
  return flush();
}

// The last answer of what was begun.
Result<Answer> Connection::finish() {
  auto* link = handle_->get();
  Response last{nullptr, PQclear};
  std::optional<Error> failed;
  for (;;) {
    while (PQisBusy(link)) TRY(wait(false));
    Response next{PQgetResult(link), PQclear};
    if (!next) break;
    const auto status = PQresultStatus(next.get());
    const bool is_fine = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
    if (!is_fine && !failed) failed = error_of(next.get());
    last = std::move(next);
    if (PQstatus(link) == CONNECTION_BAD) return lost();
  }
  if (failed) {
    failed->place = handle_->shown;
    return *failed;
  }
  if (!last) return lost();
  return answer_of(last.get());
}

void Connection::drain() {
  (void)finish().has_value();
}

Result<Answer> Connection::query(const std::string& sql,
                                 const std::vector<std::optional<std::string>>& parameters) {
  TRY(begin(sql, parameters));
  return finish();
}

Result<void> Connection::begin_copy(const std::string& sql, int status) {
  TRY(begin(sql, {}));
  auto* link = handle_->get();
  while (PQisBusy(link)) TRY(wait(false));
  const Response first{PQgetResult(link), PQclear};
  if (!first) return lost();
  if (static_cast<int>(PQresultStatus(first.get())) == status) return {};
  Error error = error_of(first.get());
  error.place = handle_->shown;
  drain();
  if (PQstatus(link) == CONNECTION_BAD) return lost();
  return error;
}

Result<std::int64_t> Connection::copy_in(const std::string& sql, const Next& next) {
  TRY(begin_copy(sql, PGRES_COPY_IN));
  auto* link = handle_->get();
  std::optional<Error> failed;
  while (!failed) {
    const auto piece = next();
    if (!piece) {
      failed = piece.error();
      break;
    }
    if (piece->empty()) break;
    while (true) {
      const int put = PQputCopyData(link, piece->data(), static_cast<int>(piece->size()));
      if (put > 0) break;
      if (put < 0) return lost();
      TRY(wait(true));
    }
    TRY(flush());
  }
  while (true) {
    const int ended = PQputCopyEnd(link, failed ? "the rows could not be read" : nullptr);
    if (ended > 0) break;
    if (ended < 0) return lost();
    TRY(wait(true));
  }
  TRY(flush());
  auto answer = finish();
  if (failed) return *failed;
  if (!answer) return std::move(answer).error();
  return answer->affected;
}

Result<void> Connection::copy_out(const std::string& sql, const Take& take) {
  TRY(begin_copy(sql, PGRES_COPY_OUT));
  auto* link = handle_->get();
  for (;;) {
    char* bytes = nullptr;
    const int size = PQgetCopyData(link, &bytes, 1);
    if (size == -1) break;
    if (size == -2) return lost();
    if (size == 0) {
      TRY(wait(false));
      continue;
    }
    const auto taken = take({bytes, static_cast<std::size_t>(size)});
    PQfreemem(bytes);
    if (!taken) {
      (void)cancelled();
      return taken;
    }
  }
  (void)TRY(finish());
  return {};
}

}  // namespace millrace::postgres
