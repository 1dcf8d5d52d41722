#include "serve/tail.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "flow/tail_cursor.hpp"
#include "serve/answer.hpp"
#include "serve/request.hpp"
#include "serve/rows_writer.hpp"

namespace millrace::serve {

using base::Code;
using base::Error;
using base::Result;
using namespace std::chrono_literals;

namespace {

constexpr auto kBetweenLooks = 50ms;
// A client sees at most so many rows a look, 20,000 a second; of the rest it gets the count.
constexpr std::size_t kRowsMax = 1000;
// So that a client which is gone, and a proxy on the way, notice.
constexpr auto kSilenceMax = 10s;

}  // namespace

/// One client.
struct Tails::Tail {
  std::shared_ptr<http::Exchange> exchange;
  std::string table;
  std::shared_ptr<std::atomic<bool>> is_gone = std::make_shared<std::atomic<bool>>(false);
};

void Tails::add_to(Routes& routes) {
  routes.get_handler("/v1/tables/{table}/tail", [this](const auto& exchange) { start(exchange); });
}

// A job's table and the rejects have no order in which rows come.
Result<void> Tails::check(const http::Request& request) const {
  TRY(check_query(request, {}));
  const auto& name = request.path_parameter("table");
  std::vector<std::string> names;
  for (const auto& table : parts_.pipeline.tables) names.push_back(table.name);
  if (std::ranges::find(names, name) != names.end()) return {};
  if (parts_.board.table(name) != nullptr) {
    return Error{Code::Invalid,
                 fmt::format("'{}' is no table that a stream fills; query it instead", name)};
  }
  return Error{Code::NotFound, fmt::format("no table is named '{}'{}", base::printable(name),
                                           base::did_you_mean(name, names))};
}

void Tails::start(const std::shared_ptr<http::Exchange>& exchange) {
  if (const auto checked = check(exchange->request()); !checked) {
    return exchange->answer(error_answer(checked.error()));
  }
  const auto tail =
      std::make_shared<Tail>(Tail{exchange, exchange->request().path_parameter("table")});
  exchange->on_disconnect([gone = tail->is_gone] { *gone = true; });
  const bool has_thread = count_.fetch_add(1) < parts_.options.tails_max;
  const bool is_running = has_thread && workers_.try_run([this, tail] {
    run(*tail);
    --count_;
  });
  if (is_running) return;
  --count_;
  exchange->answer(error_answer(
      {Code::Unavailable, fmt::format("{} clients watch tables already, which is the limit",
                                      parts_.options.tails_max)}));
}

void Tails::run(Tail& tail) {
  const auto writer = tail.exchange->start(
      200, {{"Content-Type", "text/event-stream"}, {"Cache-Control", "no-store"}});
  // Who is gone needs no word.
  if (const auto sent = send(tail, *writer); sent) (void)writer->finish();
}

Result<void> Tails::send(Tail& tail, http::BodyWriter& writer) {
  const auto first = parts_.board.cut();
  const auto& table = first->tables.at(tail.table);
  flow::TailCursor cursor(table);
  const RowObjects objects(table.hot_columns);
  TRY(writer.write(fmt::format(": rows of {} from now on\n\n", tail.table)));
  auto spoke_at = std::chrono::steady_clock::now();
  while (rest(tail)) {
    const auto cut = parts_.board.cut();
    const auto news = cursor.look(cut->tables.at(tail.table), kRowsMax);
    std::string text;
    if (news.missed > 0) {
      text += fmt::format("event: missed\ndata: {{\"rows\":{}}}\n\n", news.missed);
    }
    for (const auto& at : news.rows) {
      text += "data: ";
      objects.append(*at.chunk, at.row, text);
      text += "\n\n";
    }
    const auto now = std::chrono::steady_clock::now();
    if (text.empty() && now - spoke_at >= kSilenceMax) text = ":\n\n";
    if (text.empty()) continue;
    spoke_at = now;
    TRY(writer.write(std::move(text)));
  }
  return {};
}

bool Tails::rest(const Tail& tail) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, kBetweenLooks, [&] { return is_ending_; });
  return !is_ending_ && !*tail.is_gone;
}

void Tails::end() {
  std::lock_guard lock(mutex_);
  is_ending_ = true;
  wake_.notify_all();
}

}  // namespace millrace::serve
