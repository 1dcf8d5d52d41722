#include "source/kinesis_state.hpp"

#include <fmt/format.h>

#include <sstream>

namespace millrace::source {
namespace {

using base::Code;
using base::Error;
using base::Result;
using std::chrono::microseconds;

constexpr std::string_view kFirstLine = "millrace kinesis 1 ";

template <class Key, class Value>
const Value* find(const std::map<Key, Value>& map, Key key) {
  const auto found = map.find(key);
  return found == map.end() ? nullptr : &found->second;
}

}  // namespace

Result<std::unique_ptr<KinesisState>> KinesisState::open(os::Disk& disk, const os::Path& folder,
                                                         const std::string& incarnation) {
  TRY(os::make_directories_durably(disk, folder));
  std::unique_ptr<KinesisState> state(new KinesisState(disk, folder / "state"));
  if (TRY(disk.stat(state->path_))) {
    const auto text = TRY(os::read_file(disk, state->path_));
    TRY(state->load(text, incarnation));
  }
  state->incarnation_ = incarnation;
  return state;
}

Result<std::string> KinesisState::incarnation_in(os::Disk& disk, const os::Path& folder) {
  const auto path = folder / "state";
  if (!TRY(disk.stat(path))) return std::string();
  const auto text = TRY(os::read_file(disk, path));
  if (!text.starts_with(kFirstLine)) return std::string();
  return text.substr(kFirstLine.size(), text.find('\n') - kFirstLine.size());
}

const KinesisState::First* KinesisState::first(base::ShardId shard) const {
  return find(firsts_, shard);
}

const KinesisState::Quiet* KinesisState::quiet(base::ShardId shard) const {
  return find(quiet_, shard);
}

std::optional<base::Offset> KinesisState::ended(base::ShardId shard) const {
  const auto* position = find(ended_, shard);
  return position == nullptr ? std::nullopt : std::optional(*position);
}

Result<void> KinesisState::begin(std::optional<base::Time> start) {
  start_ = start;
  TRY(write());
  is_new_ = false;
  return {};
}

Result<void> KinesisState::note_first(base::ShardId shard, First first) {
  firsts_[shard] = std::move(first);
  return write();
}

Result<void> KinesisState::note_ended(base::ShardId shard, base::Offset position) {
  ended_[shard] = position;
  return write();
}

Result<void> KinesisState::note_quiet(const std::map<base::ShardId, Quiet>& quiet) {
  for (const auto& [shard, one] : quiet) quiet_[shard] = one;
  return write();
}

Result<void> KinesisState::load(const std::string& text, const std::string& incarnation) {
  std::istringstream lines(text);
  std::string line;
  std::getline(lines, line);
  const auto corrupt = [&](std::size_t number) {
    return Error{Code::Corrupt, "what the Kinesis source remembers is damaged",
                 fmt::format("{}:{}", path_.string(), number)};
  };
  if (!line.starts_with(kFirstLine) || !text.ends_with('\n')) return corrupt(1);
  if (line.substr(kFirstLine.size()) != incarnation) return {};
  for (std::size_t number = 2; std::getline(lines, line); ++number) {
    if (!take_line(line)) return corrupt(number);
  }
  is_new_ = false;
  return {};
}

bool KinesisState::take_line(const std::string& line) {
  std::istringstream words(line);
  std::string kind;
  std::int64_t first = 0, second = 0;
  words >> kind >> first;
  const base::ShardId shard(first);
  if (kind == "start") {
    start_ = base::Time(microseconds(first));
  } else if (kind == "first") {
    First one;
    words >> one.sequence_number >> second;
    one.arrived_at = base::Time(microseconds(second));
    firsts_[shard] = std::move(one);
  } else if (kind == "quiet") {
    std::int64_t at = 0;
    words >> second >> at;
    quiet_[shard] = {base::Offset(second), base::Time(microseconds(at))};
  } else if (kind == "ended") {
    words >> second;
    ended_[shard] = base::Offset(second);
  } else {
    return false;
  }
  return !words.fail() && words.peek() == std::istringstream::traits_type::eof();
}

Result<void> KinesisState::write() {
  std::string text = fmt::format("{}{}\n", kFirstLine, incarnation_);
  if (start_) text += fmt::format("start {}\n", start_->time_since_epoch().count());
  for (const auto& [shard, first] : firsts_) {
    text += fmt::format("first {} {} {}\n", shard.value(), first.sequence_number,
                        first.arrived_at.time_since_epoch().count());
  }
  for (const auto& [shard, quiet] : quiet_) {
    text += fmt::format("quiet {} {} {}\n", shard.value(), quiet.position.value(),
                        quiet.at.time_since_epoch().count());
  }
  for (const auto& [shard, position] : ended_) {
    text += fmt::format("ended {} {}\n", shard.value(), position.value());
  }
  return os::write_file(disk_, path_, text);
}

}  // namespace millrace::source
