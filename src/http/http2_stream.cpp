#include "http/http2_stream.hpp"

#include "http/http2_connection.hpp"

namespace millrace::http {

void Http2Stream::post(std::function<void()> job) {
  connection.post(std::move(job));
}

void Http2Stream::on_reply() {
  connection.on_reply(*this);
}

}  // namespace millrace::http
