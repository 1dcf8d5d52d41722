#include "http/client.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "base/text.hpp"
#include "http/client_socket.hpp"
#include "http/response_reader.hpp"
#include "http/url.hpp"

namespace millrace::http {
namespace {

using base::Code;
using base::Error;
using base::Result;

// So much is set aside for a body before it comes.
constexpr std::size_t kReservedMax = std::size_t{16} << 20;
// A JSON parser need not copy a body that has free room behind its end.
constexpr std::size_t kRoomBehind = 64;

// As the head says; 0: it does not, or not to be believed.
std::size_t length_of(const ResponseHead& head) {
  const auto text = head.headers.value("Content-Length");
  std::size_t length = 0;
  std::from_chars(text.data(), text.data() + text.size(), length);
  return length;
}

bool is_clean(std::string_view text, unsigned char least) {
  return std::ranges::all_of(text, [&](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= least || byte == '\t') && byte != 0x7f;
  });
}

Result<std::string> render_head(const Request& request, const ClientOptions& options) {
  if (request.method.empty() || !is_clean(request.method, '!') || request.target.empty() ||
      !is_clean(request.target, '!') || request.target.find('\t') != std::string::npos) {
    return Error{Code::Invalid,
                 fmt::format("'{} {}' is no request line", base::printable(request.method),
                             base::printable(request.target))};
  }
  std::string head = fmt::format("{} {} HTTP/1.1\r\n", request.method, request.target);
  if (!request.headers.has("Host")) {
    head += fmt::format("Host: {}\r\n", format_endpoint(options.host, options.port));
  }
  for (const auto& [name, value] : request.headers) {
    if (!is_clean(name, '!') || !is_clean(value, ' ')) {
      return Error{Code::Invalid, fmt::format("the header field '{}: {}' has a control byte",
                                              base::printable(name), base::printable(value))};
    }
    if (base::equal_ignoring_case(name, "Content-Length")) continue;
    head += fmt::format("{}: {}\r\n", name, value);
  }
  const bool is_without_body = request.method == "GET" || request.method == "HEAD" ||
                               request.method == "OPTIONS" || request.method == "DELETE";
  if (!request.body.empty() || !is_without_body) {
    head += fmt::format("Content-Length: {}\r\n", request.body.size());
  }
  head += "\r\n";
  return head;
}

bool is_repeatable(const Request& request) {
  return request.method == "GET" || request.method == "HEAD" || request.method == "OPTIONS";
}

}  // namespace

struct Client::State {
  explicit State(ClientOptions options_) : options(std::move(options_)) {}

  Result<ResponseHead> stream(const Request& request, const BodyReader& read,
                              const std::stop_token& stop);

  const ClientOptions options;
  ClientSocket socket;

 private:
  // One request and how far it came.
  struct Attempt {
    const Request& request;
    std::string_view head;
    const BodyReader& read;
    const std::stop_token& stop;
    std::size_t sent_bytes = 0;
    bool has_answer = false;  // its first byte came
  };
  Result<ResponseHead> run(Attempt& attempt);
  Result<ResponseHead> receive(Attempt& attempt);
};

Result<ResponseHead> Client::State::stream(const Request& request, const BodyReader& read,
                                           const std::stop_token& stop) {
  const auto head = TRY(render_head(request, options));
  const bool is_reused = socket.is_usable();
  if (!is_reused) TRY(socket.connect(options));
  Attempt attempt{.request = request, .head = head, .read = read, .stop = stop};
  auto answer = run(attempt);
  if (answer) return answer;
  socket.close();
  auto error = std::move(answer).error();
  if (error.code != Code::Unavailable) return error;
  if (is_repeatable(request)) {
    // A kept connection may have been closed the moment before.
    if (!is_reused || attempt.has_answer) return error;
    TRY(socket.connect(options));
    attempt.sent_bytes = 0;
    answer = run(attempt);
    if (!answer) socket.close();
    return answer;
  }
  if (attempt.sent_bytes > 0) error.code = Code::Unknown;
  return error;
}

Result<ResponseHead> Client::State::run(Attempt& attempt) {
  const std::array<std::string_view, 2> parts{attempt.head, attempt.request.body};
  auto written = socket.write(parts, attempt.sent_bytes, attempt.stop);
  if (written) return receive(attempt);
  if (written.error().code != Code::Unavailable || attempt.sent_bytes == 0) {
    return std::move(written).error();
  }
  // The server may have refused the request before it was all sent.
  auto answer = receive(attempt);
  if (!answer && !attempt.has_answer) return std::move(written).error();
  socket.close();
  return answer;
}

Result<ResponseHead> Client::State::receive(Attempt& attempt) {
  ResponseReader reader(attempt.read, attempt.request.method == "HEAD");
  std::string left;  // The beginning of a head that is incomplete.
  while (!reader.is_complete()) {
    const auto piece = TRY(socket.read(attempt.stop));
    if (piece.empty()) {
      if (!TRY(reader.finish())) {
        return Error{Code::Unavailable, attempt.has_answer
                                            ? "the server closed the connection within its answer"
                                            : "the server closed the connection without an answer"};
      }
      break;
    }
    attempt.has_answer = true;
    if (left.empty()) {
      left = piece.substr(TRY(reader.read(piece)));
    } else {
      left += piece;
      left.erase(0, TRY(reader.read(left)));
    }
  }
  if (!reader.is_keep_alive() || !left.empty()) socket.close();
  return reader.take_head();
}

Client::Client(std::unique_ptr<State> state) : state_(std::move(state)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

Result<Client> Client::open(ClientOptions options) {
  auto state = std::make_unique<State>(std::move(options));
  TRY(state->socket.connect(state->options));
  return Client(std::move(state));
}

Result<Response> Client::send(const Request& request) {
  std::string body;
  const auto keep = [&](const ResponseHead& answer, std::string_view piece) -> Result<void> {
    if (body.empty()) {
      body.reserve(std::min(length_of(answer), kReservedMax) + kRoomBehind);
    }
    if (body.size() + piece.size() > state_->options.body_bytes_max) {
      return Error{Code::Exhausted,
                   fmt::format("the answer has more than {}",
                               base::format_bytes(state_->options.body_bytes_max))};
    }
    body += piece;
    return {};
  };
  auto head = TRY(state_->stream(request, keep, {}));
  return Response{
      .status = head.status, .headers = std::move(head.headers), .body = std::move(body)};
}

Result<ResponseHead> Client::stream(const Request& request, const BodyReader& read,
                                    const std::stop_token& stop) {
  return state_->stream(request, read, stop);
}

}  // namespace millrace::http
