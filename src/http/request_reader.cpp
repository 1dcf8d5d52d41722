#include "http/request_reader.hpp"

#include <fmt/format.h>

#include <boost/beast/http/basic_parser.hpp>

#include "base/text.hpp"

namespace millrace::http {
namespace {

namespace beast_http = boost::beast::http;
using ErrorCode = boost::beast::error_code;
using BeastView = boost::beast::string_view;

// The line before a chunk, with its extensions, and the trailer fields after the last one: nobody
// has a use for long ones.
constexpr std::size_t kChunkHeadBytesMax = 16_KiB;

std::string_view view_of(BeastView text) {
  return {text.data(), text.size()};
}

Response refusal_of(const ErrorCode& error, std::string_view code) {
  using enum beast_http::error;
  if (error == bad_version) {
    return problem(505, "bad_version", "the server speaks HTTP/1.0 and HTTP/1.1");
  }
  if (error == bad_content_length || error == multiple_content_length ||
      error == bad_transfer_encoding) {
    return problem(400, "ambiguous_length",
                   "the body's end is not clear: send one Content-Length, or Transfer-Encoding: "
                   "chunked alone");
  }
  return problem(400, code, fmt::format("this is no HTTP request: {}", error.message()));
}

}  // namespace

// Hands what Beast parses to the reader. What it finds wrong itself, a refusal, it leaves in
// `refusal` and stops the parser with any error.
class RequestReader::Parser final : public beast_http::basic_parser<true> {
 public:
  explicit Parser(RequestReader& reader) : reader_(reader) {
    header_limit(std::numeric_limits<std::uint32_t>::max());  // The HeadScanner holds the limits.
    body_limit(boost::none);                                  // The RequestBody does.
  }

  std::optional<Response> refusal;

 private:
  void on_request_impl(beast_http::verb, BeastView method, BeastView target, int version,
                       ErrorCode&) override {
    auto& request = reader_.request_;
    request.method = view_of(method);
    request.target = view_of(target);
    reader_.version_ = version == 11 ? Version::Http11 : Version::Http10;
    request.headers.reserve(reader_.scanner_.field_count());
  }

  void on_response_impl(int, BeastView, int, ErrorCode&) override {}

  void on_field_impl(beast_http::field, BeastView name, BeastView value, ErrorCode&) override {
    if (is_header_done()) return;  // A trailer field: they are ignored.
    reader_.request_.headers.add(std::string(view_of(name)), std::string(view_of(value)));
  }

  void on_header_impl(ErrorCode& error) override {
    auto& request = reader_.request_;
    reader_.is_keep_alive_ = keep_alive();
    refusal = check_head(request, reader_.version_, reader_.options_);
    if (refusal) {
      error = beast_http::error::bad_field;
      return;
    }
    const auto length = content_length();
    reader_.body_.emplace(reader_.options_.limits, reader_.budget_,
                          *encoding_of(request.headers.value("Content-Encoding")),
                          length ? std::optional<std::uint64_t>(*length) : std::nullopt);
  }

  void on_body_init_impl(const boost::optional<std::uint64_t>&, ErrorCode&) override {}

  std::size_t on_body_impl(BeastView piece, ErrorCode& error) override {
    refusal = reader_.body_->add(view_of(piece));
    if (refusal) error = beast_http::error::bad_value;
    return piece.size();
  }

  void on_chunk_header_impl(std::uint64_t, BeastView, ErrorCode&) override {}

  std::size_t on_chunk_body_impl(std::uint64_t, BeastView piece, ErrorCode& error) override {
    return on_body_impl(piece, error);
  }

  void on_finish_impl(ErrorCode& error) override {
    refusal = reader_.body_->finish();
    if (refusal) error = beast_http::error::bad_value;
  }

  RequestReader& reader_;
};

RequestReader::RequestReader(const ServerOptions& options, std::shared_ptr<BodyBudget> budget)
    : options_(options), budget_(std::move(budget)), scanner_(options.limits) {}

RequestReader::~RequestReader() = default;

bool RequestReader::expects_continue() const {
  return state_ == State::Body && version_ == Version::Http11 && request_.headers.has("Expect");
}

std::size_t RequestReader::read(std::string_view bytes) {
  std::size_t used = 0;
  if (state_ == State::Empty) {
    // Some clients send an empty line after a body; RFC 9112, section 2.2.
    while (bytes.substr(used).starts_with("\r\n")) used += 2;
    if (used == bytes.size() || bytes.substr(used) == "\r") return used;
    state_ = State::Head;
  }
  if (state_ == State::Head) used += read_head(bytes.substr(used));
  if (state_ == State::Body && used < bytes.size()) used += read_body(bytes.substr(used));
  return used;
}

RequestReader::Taken RequestReader::take() {
  CHECK(state_ == State::Complete);
  request_.body_bytes_sent = body_->bytes_sent();
  request_.body = body_->take_bytes();
  Taken taken{.request = std::move(request_), .lease = body_->take_lease()};
  request_ = {};
  body_.reset();
  parser_.reset();
  scanner_.reset();
  state_ = State::Empty;
  return taken;
}

std::size_t RequestReader::read_head(std::string_view bytes) {
  const auto head_bytes = scanner_.scan(bytes);
  if (scanner_.refusal()) {
    refuse(*scanner_.refusal());
    return 0;
  }
  if (!head_bytes) return 0;
  parser_ = std::make_unique<Parser>(*this);
  std::size_t used = 0;
  parse(bytes.substr(0, *head_bytes), used);
  if (state_ == State::Head) state_ = State::Body;
  return used;
}

std::size_t RequestReader::read_body(std::string_view bytes) {
  parser_->eager(true);
  std::size_t used = 0;
  parse(bytes, used);
  if (state_ == State::Body && bytes.size() - used > kChunkHeadBytesMax) {
    refuse(problem(400, "bad_chunk", "the line before a chunk, or the trailer, is too long"));
  }
  return used;
}

void RequestReader::parse(std::string_view bytes, std::size_t& used) {
  ErrorCode error;
  used = parser_->put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
  if (parser_->refusal) return refuse(std::move(*parser_->refusal));
  // The scanner found the end of the head: what the parser still misses there is not to come.
  const bool is_head = state_ == State::Head;
  if (error && (is_head || error != beast_http::error::need_more)) {
    return refuse(refusal_of(error, is_head ? "bad_head" : "bad_body"));
  }
  if (parser_->is_done()) state_ = State::Complete;
}

void RequestReader::refuse(Response refusal) {
  state_ = State::Refused;
  is_keep_alive_ = false;
  refusal_ = std::move(refusal);
}

}  // namespace millrace::http
