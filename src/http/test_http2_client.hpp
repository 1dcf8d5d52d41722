#pragma once

#include <nghttp2/nghttp2.h>

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "http/test_server.hpp"

namespace millrace::http {

/// A client of HTTP/2 with one connection, on nghttp2. It blocks.
class Http2Client {
 public:
  struct Answer {
    int status = 0;
    Headers headers = {};
    std::string body = {};
    std::optional<std::uint32_t> end = {};  ///< NGHTTP2_NO_ERROR: whole
    bool has_ended() const { return end.has_value(); }
    bool is_whole() const { return end == NGHTTP2_NO_ERROR; }
  };
  enum class Windows {
    Credited,   ///< of 64 KiB, given back as they are used
    Exhausted,  ///< of 64 KiB, never given back
    Boundless,  ///< so large that they need not be
  };

  explicit Http2Client(TestServer& server, Windows windows = Windows::Credited) {
    socket_.connect({boost::asio::ip::address_v4::loopback(), server.server().port()});
    socket_.set_option(boost::asio::ip::tcp::no_delay(true));
    nghttp2_session_callbacks* calls = nullptr;
    nghttp2_session_callbacks_new(&calls);
    nghttp2_session_callbacks_set_on_header_callback(
        calls, [](nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                  std::size_t name_bytes, const std::uint8_t* value, std::size_t value_bytes,
                  std::uint8_t, void* user) {
          auto& answer = self(user).answers_[frame->hd.stream_id];
          auto key = text_of(name, name_bytes);
          auto text = text_of(value, value_bytes);
          if (key == ":status") answer.status = std::stoi(text);
          answer.headers.add(std::move(key), std::move(text));
          return 0;
        });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        calls, [](nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* bytes,
                  std::size_t size, void* user) {
          self(user).answers_[id].body += text_of(bytes, size);
          return 0;
        });
    nghttp2_session_callbacks_set_on_stream_close_callback(calls, on_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(calls, on_frame);
    nghttp2_option* options = nullptr;
    nghttp2_option_new(&options);
    nghttp2_option_set_no_auto_window_update(options, windows == Windows::Credited ? 0 : 1);
    nghttp2_session_client_new2(&session_, calls, this, options);
    nghttp2_option_del(options);
    nghttp2_session_callbacks_del(calls);
    constexpr std::int32_t kBoundless = 1 << 30;
    const nghttp2_settings_entry boundless{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kBoundless};
    nghttp2_submit_settings(session_, 0, &boundless, windows == Windows::Boundless ? 1 : 0);
    if (windows != Windows::Boundless) return;
    nghttp2_session_set_local_window_size(session_, 0, 0, kBoundless);
  }
  Http2Client(const Http2Client&) = delete;
  Http2Client& operator=(const Http2Client&) = delete;
  ~Http2Client() { nghttp2_session_del(session_); }

  enum class Body { Whole, Open };  ///< Open: the request does not end

  /// Queues a request; `flush` or any wait sends it. Returns the stream.
  std::int32_t submit(const Request& request, Body body = Body::Whole) {
    Headers fields{{":method", request.method}, {":scheme", "http"}, {":path", request.target}};
    if (!request.headers.has("host")) fields.add(":authority", "x");
    for (const auto& field : request.headers) fields.add(field.name, field.value);
    std::vector<nghttp2_nv> pairs;
    for (const auto& [name, value] : fields) {
      pairs.push_back({bytes_of(name), bytes_of(value), name.size(), value.size(), 0});
    }
    nghttp2_data_provider provider{};
    provider.read_callback = [](nghttp2_session*, std::int32_t id, std::uint8_t* into,
                                std::size_t size, std::uint32_t* flags, nghttp2_data_source*,
                                void* user) {
      return self(user).read_body(id, {into, size}, *flags);
    };
    const bool has_body = !request.body.empty() || body == Body::Open;
    const auto id = nghttp2_submit_request(session_, nullptr, pairs.data(), pairs.size(),
                                           has_body ? &provider : nullptr, nullptr);
    bodies_[id] = {.bytes = request.body, .is_open = body == Body::Open};
    answers_[id] = {};
    return id;
  }

  Answer send(const Request& request) { return await(submit(request)); }

  /// Reads until the stream ends, or the connection.
  Answer await(std::int32_t id) {
    return await(id, [](const Answer& answer) { return answer.has_ended(); });
  }
  template <typename Condition>
  Answer await(std::int32_t id, Condition holds) {
    while (!holds(answers_[id]) && read_some()) {
    }
    return answers_[id];
  }
  /// The code with which the server said good-bye, once it closed the connection.
  std::optional<std::uint32_t> await_goaway() {
    while (read_some()) {
    }
    return goaway_;
  }

  void reset(std::int32_t id) { nghttp2_submit_rst_stream(session_, 0, id, NGHTTP2_CANCEL); }
  void ping() { nghttp2_submit_ping(session_, 0, nullptr); }
  void flush() {
    const std::uint8_t* bytes = nullptr;
    for (;;) {
      const auto count = nghttp2_session_mem_send(session_, &bytes);
      if (count <= 0) return;
      boost::system::error_code ignored;
      boost::asio::write(socket_, boost::asio::buffer(bytes, static_cast<std::size_t>(count)),
                         ignored);
    }
  }
  void close() { socket_.close(); }
  std::size_t unsent_bytes(std::int32_t id) { return bodies_[id].bytes.size() - bodies_[id].sent; }
  bool has_goaway() const { return goaway_.has_value(); }

  bool read_some() {
    flush();
    std::uint8_t bytes[16384];
    boost::system::error_code error;
    const auto count = socket_.read_some(boost::asio::buffer(bytes), error);
    if (error) return false;
    EXPECT_GE(nghttp2_session_mem_recv(session_, bytes, count), 0);
    flush();
    return true;
  }

 private:
  struct Outgoing {
    std::string bytes;
    std::size_t sent = 0;
    bool is_open = false;
  };

  static std::uint8_t* bytes_of(const std::string& text) {
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
  }
  static std::string text_of(const std::uint8_t* bytes, std::size_t size) {
    return {reinterpret_cast<const char*>(bytes), size};
  }
  static Http2Client& self(void* user) { return *static_cast<Http2Client*>(user); }

  ssize_t read_body(std::int32_t id, std::span<std::uint8_t> into, std::uint32_t& flags) {
    auto& body = bodies_[id];
    const auto count =
        body.bytes.copy(reinterpret_cast<char*>(into.data()), into.size(), body.sent);
    body.sent += count;
    if (body.sent == body.bytes.size() && !body.is_open) flags |= NGHTTP2_DATA_FLAG_EOF;
    if (count == 0 && body.is_open) return NGHTTP2_ERR_DEFERRED;
    return static_cast<ssize_t>(count);
  }
  static int on_close(nghttp2_session*, std::int32_t id, std::uint32_t error_code, void* user) {
    self(user).answers_[id].end = error_code;
    return 0;
  }
  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type == NGHTTP2_GOAWAY) self(user).goaway_ = frame->goaway.error_code;
    return 0;
  }

  boost::asio::io_context io_;
  boost::asio::ip::tcp::socket socket_{io_};
  nghttp2_session* session_ = nullptr;
  std::map<std::int32_t, Outgoing> bodies_;
  std::map<std::int32_t, Answer> answers_;
  std::optional<std::uint32_t> goaway_;
};

}  // namespace millrace::http
