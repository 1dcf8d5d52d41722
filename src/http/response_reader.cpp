#include "http/response_reader.hpp"

#include <fmt/format.h>

#include <boost/beast/http/basic_parser.hpp>
#include <limits>
#include <optional>

namespace millrace::http {
namespace {

namespace beast_http = boost::beast::http;
using ErrorCode = boost::beast::error_code;
using BeastView = boost::beast::string_view;
using base::Code;
using base::Error;
using base::Result;

constexpr std::uint32_t kHeadBytesMax = 1 << 20;

std::string_view view_of(BeastView text) {
  return {text.data(), text.size()};
}

bool is_interim(int status) {
  return status >= 100 && status < 200;
}

}  // namespace

// Hands what Beast parses to the reader. An error of the body's taker is left in `error`.
class ResponseReader::Parser final : public beast_http::basic_parser<false> {
 public:
  explicit Parser(ResponseReader& reader) : reader_(reader) {
    header_limit(kHeadBytesMax);
    body_limit(boost::none);
    eager(true);
    skip(reader.is_bodiless_);
  }

  std::optional<Error> error;

 private:
  void on_response_impl(int status, BeastView, int, ErrorCode&) override {
    reader_.head_ = {.status = status, .headers = {}};
  }
  void on_request_impl(beast_http::verb, BeastView, BeastView, int, ErrorCode&) override {}
  void on_field_impl(beast_http::field, BeastView name, BeastView value, ErrorCode&) override {
    if (is_header_done()) return;  // A trailer field.
    reader_.head_.headers.add(std::string(view_of(name)), std::string(view_of(value)));
  }
  void on_header_impl(ErrorCode&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, ErrorCode&) override {}
  std::size_t on_body_impl(BeastView piece, ErrorCode& code) override {
    if (piece.empty()) return 0;
    auto taken = reader_.read_(reader_.head_, view_of(piece));
    if (!taken) {
      error = std::move(taken).error();
      code = beast_http::error::bad_value;
    }
    return piece.size();
  }
  void on_chunk_header_impl(std::uint64_t, BeastView, ErrorCode&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, BeastView piece, ErrorCode& code) override {
    return on_body_impl(piece, code);
  }
  void on_finish_impl(ErrorCode&) override {}

  ResponseReader& reader_;
};

ResponseReader::ResponseReader(const BodyReader& read, bool is_bodiless)
    : read_(read), is_bodiless_(is_bodiless), parser_(std::make_unique<Parser>(*this)) {}

ResponseReader::~ResponseReader() = default;

Result<std::size_t> ResponseReader::read(std::string_view bytes) {
  std::size_t used = 0;
  while (used < bytes.size() && !is_complete()) {
    if (parser_->is_done()) parser_ = std::make_unique<Parser>(*this);  // After an interim answer.
    ErrorCode error;
    const auto count =
        parser_->put(boost::asio::const_buffer(bytes.data() + used, bytes.size() - used), error);
    used += count;
    if (parser_->error) return std::move(*parser_->error);
    if (error == beast_http::error::need_more) break;
    if (error) {
      return Error{Code::Corrupt, fmt::format("the answer is no HTTP: {}", error.message())};
    }
  }
  return used;
}

Result<bool> ResponseReader::finish() {
  if (!parser_->got_some()) return false;
  if (is_complete()) return true;
  if (parser_->is_done()) return false;
  ErrorCode error;
  parser_->put_eof(error);
  if (parser_->error) return std::move(*parser_->error);
  return !error;
}

bool ResponseReader::is_complete() const {
  return parser_->is_done() && !is_interim(head_.status);
}

bool ResponseReader::is_keep_alive() const {
  return parser_->keep_alive();
}

}  // namespace millrace::http
