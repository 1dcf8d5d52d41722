#include "verify/visibility.hpp"

namespace millrace::verify {

void Visibility::offer(const std::string& key, base::Time due, bool is_burst) {
  std::lock_guard lock(mutex_);
  if (!markers_.empty() && due - markers_.back().due < options_.between_markers) return;
  place_of_.emplace(key, markers_.size());
  markers_.push_back({key, due, is_burst});
}

std::vector<std::string> Visibility::wanted(base::Time now) const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> keys;
  for (std::size_t i = first_pending_; i < markers_.size(); ++i) {
    if (markers_[i].due > now || keys.size() == options_.keys_per_query_max) break;
    if (!markers_[i].is_seen) keys.push_back(markers_[i].key);
  }
  return keys;
}

void Visibility::seen(const std::vector<std::string>& keys, base::Time now) {
  std::lock_guard lock(mutex_);
  for (const auto& key : keys) {
    const auto place = place_of_.find(key);
    if (place == place_of_.end() || markers_[place->second].is_seen) continue;
    Marker& marker = markers_[place->second];
    marker.is_seen = true;
    ++seen_count_;
    (marker.is_burst ? burst_ : calm_).add(now - marker.due);
  }
  while (first_pending_ < markers_.size() && markers_[first_pending_].is_seen) ++first_pending_;
}

std::size_t Visibility::pending_count() const {
  std::lock_guard lock(mutex_);
  return markers_.size() - seen_count_;
}
Latencies Visibility::calm() const {
  std::lock_guard lock(mutex_);
  return calm_;
}
Latencies Visibility::burst() const {
  std::lock_guard lock(mutex_);
  return burst_;
}

}  // namespace millrace::verify
