#include "flow/alert_gate.hpp"

#include <algorithm>

namespace millrace::flow {
namespace {

using std::chrono::microseconds;

constexpr std::size_t kWindowsMax = 10'000;

// The empty group is not the group of the empty text.
std::string key_of(const std::optional<std::string>& group) {
  return group ? "=" + *group : "";
}

std::int64_t window_of(base::Time at, microseconds per) {
  return at.time_since_epoch() / per;
}

}  // namespace

AlertGate::AlertGate(const config::Alert& alert, std::size_t groups_max)
    : wait_(alert.wait), every_(alert.every), at_most_(alert.at_most), groups_max_(groups_max) {}

void AlertGate::restore_group(const std::optional<std::string>& group, base::Time last,
                              std::int64_t suppressed) {
  groups_[key_of(group)] = {last, suppressed, true};
  newest_ = std::max(newest_, last);
}

void AlertGate::restore_window(base::Time at, std::int64_t messages) {
  if (at_most_) windows_[window_of(at, at_most_->per)] = messages;
}

// Distance, not order: a row that is tried again after younger ones of its group ended keeps its
// right to be sent, and rows of other shards come a little out of order.
bool AlertGate::may_open(const AlertRow& row, const Group* group) const {
  if (every_ > microseconds(0) && group && group->has_sent) {
    const auto apart = row.received_at - group->last;
    if (apart < every_ && apart > -every_) return false;
  }
  if (!at_most_) return true;
  const auto window = windows_.find(window_of(row.received_at, at_most_->per));
  return window == windows_.end() || window->second < at_most_->count;
}

bool AlertGate::is_full(const Open& open, const AlertRow& next) const {
  return open.message.rows.size() >= kAlertRowsMax ||
         open.bytes + next.data.size() > kAlertBytesMax;
}

AlertGate::Passed AlertGate::pass(AlertRow row, base::SteadyTime now) {
  Passed passed;
  const auto key = key_of(row.group);
  newest_ = std::max(newest_, row.received_at);
  if (const auto open = open_.find(key); open != open_.end()) {
    if (!is_full(open->second, row)) {
      open->second.bytes += row.data.size();
      open_bytes_ += row.data.size();
      open->second.message.rows.push_back(std::move(row));
      if (open->second.message.rows.size() >= kAlertRowsMax) passed.messages.push_back(close(key));
      return passed;
    }
    passed.messages.push_back(close(key));
  }
  const bool is_throttled = every_ > microseconds(0) || at_most_;
  const auto known = groups_.find(key);
  Group* group = known == groups_.end() ? nullptr : &known->second;
  if (!may_open(row, group)) {
    ++groups_[key].suppressed;
    passed.is_suppressed = true;
    passed.row = std::move(row);
    return passed;
  }
  Open opened{.message = {.id = {}, .group = row.group}, .due = now + wait_};
  if (is_throttled) {
    auto& counted = groups_[key];
    opened.message.suppressed = std::exchange(counted.suppressed, 0);
    counted.last = counted.has_sent ? std::max(counted.last, row.received_at) : row.received_at;
    counted.has_sent = true;
    if (at_most_) ++windows_[window_of(row.received_at, at_most_->per)];
    forget_old();
  }
  opened.bytes = row.data.size();
  open_bytes_ += opened.bytes;
  opened.message.rows.push_back(std::move(row));
  open_.emplace(key, std::move(opened));
  if (wait_ == microseconds(0)) passed.messages.push_back(close(key));
  return passed;
}

AlertMessage AlertGate::close(const std::string& key) {
  auto node = open_.extract(key);
  auto message = std::move(node.mapped().message);
  open_bytes_ -= node.mapped().bytes;
  message.id = message_id(message.rows);
  return message;
}

std::vector<AlertMessage> AlertGate::flush(base::SteadyTime now, All all) {
  std::vector<std::string> due;
  for (const auto& [key, open] : open_) {
    if (all == All::Yes || open.due <= now) due.push_back(key);
  }
  std::vector<AlertMessage> messages;
  for (const auto& key : due) messages.push_back(close(key));
  return messages;
}

std::optional<base::SteadyTime> AlertGate::next_flush() const {
  std::optional<base::SteadyTime> next;
  for (const auto& [key, open] : open_) next = std::min(next.value_or(open.due), open.due);
  return next;
}

void AlertGate::forget_old() {
  while (windows_.size() > kWindowsMax) windows_.erase(windows_.begin());
  if (groups_.size() <= groups_max_) return;
  std::erase_if(groups_, [&](const auto& entry) { return entry.second.last + every_ < newest_; });
  if (groups_.size() <= groups_max_ * 9 / 10) return;
  std::vector<base::Time> times;
  for (const auto& [key, group] : groups_) times.push_back(group.last);
  const auto cut = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 5);
  std::ranges::nth_element(times, cut);
  std::erase_if(groups_, [&](const auto& entry) { return entry.second.last <= *cut; });
}

}  // namespace millrace::flow
