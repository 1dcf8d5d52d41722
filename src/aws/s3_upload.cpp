#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

#include "aws/s3.hpp"
#include "aws/xml.hpp"

namespace millrace::aws {
namespace {

using base::Code;
using base::Error;
using base::Result;

constexpr std::uint64_t kPartsMax = 10'000;

}  // namespace

/// One multipart upload: begun, its parts sent by some threads, completed or given up.
class MultipartUpload {
 public:
  MultipartUpload(S3& s3, const std::string& key, std::uint64_t size, const ReadPart& read)
      : s3_(s3), key_(key), size_(size), read_(read) {
    const auto least = (size + kPartsMax - 1) / kPartsMax;
    part_bytes_ = std::max(s3.options_.part_bytes, least);
    etags_.resize((size + part_bytes_ - 1) / part_bytes_);
  }

  Result<void> run(const std::stop_token& stop) {
    id_ = TRY(begin(stop));
    auto sent = send_parts(stop);
    if (sent) sent = complete(stop);
    if (!sent && sent.error().code != Code::Unknown) give_up();
    return sent;
  }

 private:
  http::Parameters query() const { return {{"uploadId", id_}}; }

  Result<std::string> begin(const std::stop_token& stop) {
    const auto outcome = TRY(s3_.ask(s3_.call_of("POST", key_, {{"uploads", ""}}), stop));
    if (const auto* error = std::get_if<ServiceError>(&outcome)) {
      return s3_.refused(*error, "write", key_);
    }
    const auto document = TRY(parse_xml(std::get<http::Response>(outcome).body));
    const auto id = document.value("UploadId");
    if (id.empty()) return Error{Code::Corrupt, "the store began an upload without an id"};
    return std::string(id);
  }

  Result<void> send_parts(const std::stop_token& stop) {
    std::atomic<std::size_t> next = 0;
    std::atomic<bool> has_failed = false;
    std::mutex mutex;
    Result<void> outcome;  // Guarded by mutex: the first error
    const auto work = [&] {
      while (!has_failed && !stop.stop_requested()) {
        const auto index = next.fetch_add(1);
        if (index >= etags_.size()) return;
        auto sent = send_part(index, stop);
        if (sent) continue;
        const std::lock_guard lock(mutex);
        if (outcome) outcome = std::move(sent);
        has_failed = true;  // parts that are under way end by themselves
      }
    };
    {
      std::vector<std::jthread> threads;
      const auto count = std::min(s3_.options_.parts_parallel, etags_.size());
      for (std::size_t i = 1; i < count; ++i) threads.emplace_back(work);
      work();
    }
    if (outcome && stop.stop_requested()) return Error{Code::Cancelled, "the upload was stopped"};
    return outcome;
  }

  Result<void> send_part(std::size_t index, const std::stop_token& stop) {
    const auto offset = index * part_bytes_;
    const auto bytes = std::min(part_bytes_, size_ - offset);
    auto parameters = query();
    parameters.emplace_back("partNumber", fmt::format("{}", index + 1));
    auto call = s3_.call_of("PUT", key_, parameters);
    call.request.body = TRY(read_(offset, bytes));
    if (call.request.body.size() != bytes) {
      return Error{Code::Corrupt, "what is uploaded to " + key_ + " became shorter meanwhile"};
    }
    const auto outcome = TRY(s3_.ask(call, stop));
    if (const auto* error = std::get_if<ServiceError>(&outcome)) {
      return s3_.refused(*error, "write a part of", key_);
    }
    etags_[index] = std::get<http::Response>(outcome).headers.value("ETag");
    return {};
  }

  Result<void> complete(const std::stop_token& stop) {
    auto call = s3_.call_of("POST", key_, query());
    call.request.body = "<CompleteMultipartUpload>";
    for (std::size_t i = 0; i < etags_.size(); ++i) {
      call.request.body += fmt::format("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>",
                                       i + 1, xml_escaped(etags_[i]));
    }
    call.request.body += "</CompleteMultipartUpload>";
    const auto outcome = s3_.ask(call, stop);
    const auto* error = outcome ? std::get_if<ServiceError>(&*outcome) : nullptr;
    if (outcome && error == nullptr) return {};
    if (outcome ? error->code == "NoSuchUpload" : outcome.error().code == Code::Unknown) {
      // An attempt of ours whose answer was lost may have completed it.
      const auto there = TRY(s3_.head(key_, stop));
      if (there && there->size == size_) return {};
    }
    return outcome ? s3_.refused(*error, "complete", key_) : outcome.error();
  }

  /// Parts that stay are paid for: it does not end with the caller's token, and asks again until
  /// the upload is gone, as a part that was under way may come in behind the first request.
  void give_up() {
    for (int i = 0; i < 3; ++i) {
      const auto outcome = s3_.ask(s3_.call_of("DELETE", key_, query()), {});
      if (!outcome || std::holds_alternative<ServiceError>(*outcome)) return;
    }
  }

  S3& s3_;
  const std::string& key_;
  const std::uint64_t size_;
  const ReadPart& read_;
  std::uint64_t part_bytes_;
  std::vector<std::string> etags_;  ///< each written by the thread that sends the part
  std::string id_;
};

Result<void> S3::upload(const std::string& key, std::uint64_t size, const ReadPart& read,
                        const std::stop_token& stop) {
  if (size > options_.part_bytes) return MultipartUpload(*this, key, size, read).run(stop);
  auto bytes = TRY(read(0, size));
  if (bytes.size() != size) {
    return Error{Code::Corrupt, "what is uploaded to " + key + " became shorter meanwhile"};
  }
  return put(key, std::move(bytes), stop);
}

}  // namespace millrace::aws
