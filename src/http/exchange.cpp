#include "http/exchange.hpp"

namespace millrace::http {

BodyWriter::~BodyWriter() {
  if (!is_finished_) sink_->abort();
}

base::Result<void> BodyWriter::write(std::string bytes) {
  CHECK(!is_finished_);
  return sink_->write(std::move(bytes));
}

base::Result<void> BodyWriter::finish() {
  CHECK(!is_finished_);
  is_finished_ = true;
  return sink_->finish();
}

Exchange::Exchange(Request request, std::shared_ptr<AnswerSink> sink, BodyLease lease)
    : request_(std::move(request)), sink_(std::move(sink)), lease_(std::move(lease)) {}

Exchange::~Exchange() {
  if (!is_answered_) {
    sink_->answer(problem(500, "internal", "the request was given up without an answer"));
  }
}

void Exchange::answer(Response response) {
  CHECK(!is_answered_);
  is_answered_ = true;
  sink_->answer(std::move(response));
}

std::shared_ptr<BodyWriter> Exchange::start(int status, const Headers& headers) {
  CHECK(!is_answered_);
  is_answered_ = true;
  sink_->start(status, headers);
  return std::make_shared<BodyWriter>(sink_);
}

void Exchange::on_disconnect(std::function<void()> call) {
  sink_->on_disconnect(std::move(call));
}

}  // namespace millrace::http
