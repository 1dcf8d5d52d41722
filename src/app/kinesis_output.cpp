#include "app/kinesis_output.hpp"

#include <fmt/format.h>

#include <functional>

namespace millrace::app {

using base::Result;

namespace {

constexpr std::size_t kEntriesMax = 500;                 // of one request
constexpr std::size_t kBytesMax = std::size_t{4} << 20;  // of its records

std::string key_of(std::string_view line) {
  return fmt::format("{:016x}", std::hash<std::string_view>()(line));
}

}  // namespace

Result<KinesisOutput> KinesisOutput::open(std::string_view to, World& world) {
  const std::string stream(to.substr(kScheme.size()));
  if (stream.empty()) {
    return base::Error{base::Code::Invalid, "--to kinesis://: the stream's name is missing"};
  }
  auto* session = TRY(world.aws.session());
  return KinesisOutput(TRY(aws::Kinesis::open(session->client(), {.stream = stream})));
}

Result<void> KinesisOutput::write(std::string_view bytes) {
  std::vector<aws::PutEntry> entries;
  std::size_t size = 0;
  for (;;) {
    const auto end = bytes.find('\n');
    if (end == std::string_view::npos) break;
    line_ += bytes.substr(0, end);
    bytes.remove_prefix(end + 1);
    size += line_.size();
    entries.push_back({key_of(line_), std::exchange(line_, {})});
    if (entries.size() < kEntriesMax && size < kBytesMax) continue;
    TRY(stream_.put(std::exchange(entries, {})));
    size = 0;
  }
  line_ += bytes;
  return entries.empty() ? Result<void>() : stream_.put(std::move(entries));
}

}  // namespace millrace::app
