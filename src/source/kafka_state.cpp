#include "source/kafka_state.hpp"

#include <fmt/format.h>

#include <sstream>

namespace millrace::source {

using base::Code;
using base::Error;
using base::Offset;
using base::Result;
using base::ShardId;

namespace {

constexpr std::string_view kFirstLine = "millrace kafka 1 ";

bool is_at_end(std::istringstream& words) {
  return !words.fail() && words.peek() == std::istringstream::traits_type::eof();
}

}  // namespace

Result<std::unique_ptr<KafkaState>> KafkaState::open(os::Disk& disk, const os::Path& folder,
                                                     const std::string& topic) {
  TRY(os::make_directories_durably(disk, folder));
  std::unique_ptr<KafkaState> state(new KafkaState(disk, folder / "state", topic));
  if (TRY(disk.stat(state->path_))) {
    const auto text = TRY(os::read_file(disk, state->path_));
    TRY(state->load(text));
  }
  return state;
}

std::optional<Offset> KafkaState::begin(ShardId partition) const {
  const auto found = begins_.find(partition);
  return found == begins_.end() ? std::nullopt : std::optional(found->second);
}

Result<void> KafkaState::note_begins(const std::map<ShardId, Offset>& begins) {
  const auto before = begins_;
  for (const auto& [partition, offset] : begins) begins_.emplace(partition, offset);
  if (begins_ == before) return {};
  auto written = write();
  if (!written) begins_ = before;
  return written;
}

Result<void> KafkaState::end_life() {
  ++life_;
  begins_.clear();
  return write();
}

Result<void> KafkaState::load(const std::string& text) {
  std::istringstream lines(text);
  std::string line;
  std::getline(lines, line);
  const auto corrupt = [&](std::size_t number) {
    return Error{Code::Corrupt, "what the Kafka source remembers is damaged",
                 fmt::format("{}:{}", path_.string(), number)};
  };
  if (!line.starts_with(kFirstLine) || !text.ends_with('\n')) return corrupt(1);
  std::istringstream words(line.substr(kFirstLine.size()));
  std::string topic;
  int life = 0;
  words >> topic >> life;
  if (!is_at_end(words) || life < 1) return corrupt(1);
  if (topic != topic_) return {};
  life_ = life;
  for (std::size_t number = 2; std::getline(lines, line); ++number) {
    std::istringstream parts(line);
    std::string kind;
    std::int64_t partition = -1, offset = -1;
    parts >> kind >> partition >> offset;
    if (!is_at_end(parts) || kind != "begin" || partition < 0 || offset < 0) return corrupt(number);
    begins_[ShardId(partition)] = Offset(offset);
  }
  return {};
}

Result<void> KafkaState::write() {
  std::string text = fmt::format("{}{} {}\n", kFirstLine, topic_, life_);
  for (const auto& [partition, offset] : begins_) {
    text += fmt::format("begin {} {}\n", partition.value(), offset.value());
  }
  return os::write_file(disk_, path_, text);
}

}  // namespace millrace::source
