#include "http/http2_frames.hpp"

#include <nghttp2/nghttp2.h>

namespace millrace::http {
namespace {

// All of a connection's streams together; its bodies are taken at once, so this bounds only what is
// on its way.
constexpr std::int32_t kConnectionWindowBytes = 1024 * 1024;

// nghttp2 itself bounds CONTINUATION frames, settings in a frame and unsent acknowledgements.
struct Options {
  Options() {
    CHECK(nghttp2_option_new(&options) == 0);
    nghttp2_option_set_no_auto_window_update(options, 1);
  }
  Options(const Options&) = delete;
  Options& operator=(const Options&) = delete;
  ~Options() { nghttp2_option_del(options); }

  nghttp2_option* options = nullptr;
};

nghttp2_nv pair_of(std::string_view name, std::string_view value) {
  // nghttp2 copies both.
  const auto bytes = [](std::string_view text) {
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
  };
  return {.name = bytes(name),
          .value = bytes(value),
          .namelen = name.size(),
          .valuelen = value.size(),
          .flags = NGHTTP2_NV_FLAG_NONE};
}

std::string_view view_of(const std::uint8_t* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

Http2Connection& connection_of(void* user_data) {
  return *static_cast<Http2Connection*>(user_data);
}

Http2Stream* stream_of(nghttp2_session* session, std::int32_t id) {
  return static_cast<Http2Stream*>(nghttp2_session_get_stream_user_data(session, id));
}

bool is_request_head(const nghttp2_frame& frame) {
  return frame.hd.type == NGHTTP2_HEADERS && frame.headers.cat == NGHTTP2_HCAT_REQUEST;
}

// True for resets that the client has brought about by what it sent.
bool is_clients_fault(std::uint32_t error_code) {
  return error_code != NGHTTP2_NO_ERROR && error_code != NGHTTP2_CANCEL &&
         error_code != NGHTTP2_INTERNAL_ERROR;
}

}  // namespace

struct Http2Frames::Calls {
  static int on_begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    if (!is_request_head(*frame)) return 0;
    auto& connection = connection_of(user);
    const auto id = frame->hd.stream_id;
    connection.on_head_begin(id);
    return nghttp2_session_set_stream_user_data(session, id, connection.streams_.at(id).get());
  }

  static int on_frame(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    auto& connection = connection_of(user);
    const auto& head = frame->hd;
    const bool is_ack = (head.flags & NGHTTP2_FLAG_ACK) != 0;
    const bool is_last = (head.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    auto* const stream = head.stream_id == 0 ? nullptr : stream_of(session, head.stream_id);
    switch (head.type) {
      case NGHTTP2_SETTINGS:
        connection.has_settings_ = true;
        if (!is_ack) connection.note(FloodGuard::Kind::Control);
        break;
      case NGHTTP2_PING:
        if (!is_ack) connection.note(FloodGuard::Kind::Control);
        break;
      case NGHTTP2_RST_STREAM:
        connection.note(FloodGuard::Kind::Reset);
        break;
      case NGHTTP2_DATA:
        if (head.length == 0 && !is_last) connection.note(FloodGuard::Kind::Control);
        if (is_last && stream != nullptr) connection.on_request_end(*stream);
        break;
      case NGHTTP2_HEADERS:
        if (stream == nullptr) break;
        if (is_request_head(*frame)) connection.on_head(*stream);
        if (is_last) connection.on_request_end(*stream);
        break;
      default:
        break;
    }
    return 0;
  }

  static int on_stream_close(nghttp2_session* session, std::int32_t id, std::uint32_t, void* user) {
    auto* const stream = stream_of(session, id);
    if (stream != nullptr) connection_of(user).on_stream_end(*stream);
    return 0;
  }

  static int on_frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    auto& connection = connection_of(user);
    const auto& head = frame->hd;
    if (head.type == NGHTTP2_GOAWAY) {
      connection.on_ended(frame->goaway.error_code);
    } else if (head.type == NGHTTP2_RST_STREAM) {
      if (is_clients_fault(frame->rst_stream.error_code)) connection.note(FloodGuard::Kind::Reset);
    }
    return 0;
  }

  // An answer's head that is too large, say.
  static int on_frame_not_sent(nghttp2_session* session, const nghttp2_frame* frame, int, void*) {
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    nghttp2_submit_rst_stream(session, 0, frame->hd.stream_id, NGHTTP2_INTERNAL_ERROR);
    return 0;
  }

  static ssize_t read_body(Http2Connection& connection, Http2Stream& stream,
                           std::span<std::uint8_t> into, std::uint32_t& flags) {
    const auto count = connection.take_unsent(stream, into);
    if (stream.unsent.is_empty() && stream.has_all) {
      flags |= NGHTTP2_DATA_FLAG_EOF;
    } else if (count == 0) {
      stream.is_deferred = true;
      return NGHTTP2_ERR_DEFERRED;
    }
    return static_cast<ssize_t>(count);
  }

  static nghttp2_session_callbacks* make() {
    nghttp2_session_callbacks* calls = nullptr;
    CHECK(nghttp2_session_callbacks_new(&calls) == 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(calls, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(
        calls, [](nghttp2_session* session, const nghttp2_frame* frame, const std::uint8_t* name,
                  std::size_t name_bytes, const std::uint8_t* value, std::size_t value_bytes,
                  std::uint8_t, void*) {
          // Trailer fields are ignored.
          auto* const stream =
              is_request_head(*frame) ? stream_of(session, frame->hd.stream_id) : nullptr;
          if (stream == nullptr) return 0;
          stream->head.add(view_of(name, name_bytes), view_of(value, value_bytes));
          return 0;
        });
    nghttp2_session_callbacks_set_on_frame_recv_callback(calls, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        calls, [](nghttp2_session* session, std::uint8_t, std::int32_t id,
                  const std::uint8_t* bytes, std::size_t size, void* user) {
          nghttp2_session_consume_connection(session, size);
          auto* const stream = stream_of(session, id);
          if (stream != nullptr) connection_of(user).on_body(*stream, view_of(bytes, size));
          return 0;
        });
    nghttp2_session_callbacks_set_on_stream_close_callback(calls, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(calls, on_frame_sent);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(calls, on_frame_not_sent);
    return calls;
  }
};

nghttp2_session* Http2Frames::open(Http2Connection& connection) {
  static const nghttp2_session_callbacks* const calls = Calls::make();
  static const Options options;
  nghttp2_session* session = nullptr;
  if (nghttp2_session_server_new2(&session, calls, &connection, options.options) != 0) {
    return nullptr;
  }
  const auto& server = connection.loop_.options();
  const auto& limits = server.limits;
  // Told in a size that counts 32 bytes more for each field.
  const auto head_bytes_max =
      limits.header_bytes_max + limits.target_bytes_max + 32 * limits.headers_max;
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, static_cast<std::uint32_t>(server.streams_max)},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindowBytes},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(head_bytes_max)}};
  if (nghttp2_submit_settings(session, 0, settings, std::size(settings)) != 0 ||
      nghttp2_session_set_local_window_size(session, 0, 0, kConnectionWindowBytes) != 0) {
    nghttp2_session_del(session);
    return nullptr;
  }
  return session;
}

bool Http2Frames::submit_response(nghttp2_session* session, Http2Stream& stream,
                                  const std::vector<Header>& fields, bool has_body) {
  std::vector<nghttp2_nv> pairs;
  pairs.reserve(fields.size());
  for (const auto& [name, value] : fields) pairs.push_back(pair_of(name, value));
  nghttp2_data_provider body{};
  body.source.ptr = &stream;
  body.read_callback = [](nghttp2_session*, std::int32_t, std::uint8_t* into, std::size_t size,
                          std::uint32_t* flags, nghttp2_data_source* source, void* user) {
    auto& its_stream = *static_cast<Http2Stream*>(source->ptr);
    return Calls::read_body(connection_of(user), its_stream, {into, size}, *flags);
  };
  return nghttp2_submit_response(session, stream.id, pairs.data(), pairs.size(),
                                 has_body ? &body : nullptr) == 0;
}

}  // namespace millrace::http
