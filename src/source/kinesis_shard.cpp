#include "source/kinesis_shard.hpp"

#include <algorithm>

#include "base/aggregated_record.hpp"

namespace millrace::source {

using base::Offset;

namespace {

// Above it every second one goes: more is read again then, and skipped.
constexpr std::size_t kPlacesMax = 4096;

}  // namespace

void KinesisShard::remember(Offset position, const KinesisPlace& place) {
  places_[Offset(position.value() - place.skip)] = place.after;
  greatest_ = std::max(greatest_, position);
  if (!is_placed_) end_ = greatest_;
}

std::optional<KinesisPlace> KinesisShard::place(Offset position) const {
  if (position <= Offset(0)) return std::nullopt;
  auto found = places_.upper_bound(position);
  if (found == places_.begin()) return std::nullopt;
  --found;
  return KinesisPlace{found->second, position.value() - found->first.value()};
}

std::optional<Offset> KinesisShard::smallest() const {
  const auto found = places_.upper_bound(Offset(0));
  return found == places_.end() ? std::nullopt : std::optional(found->first);
}

void KinesisShard::release(Offset position) {
  auto keep = places_.upper_bound(position);
  if (keep == places_.begin()) return;
  places_.erase(places_.begin(), --keep);
}

bool KinesisShard::leads_to(Offset from) const {
  return is_placed_ && from >= begin_;
}

void KinesisShard::seek(Offset from) {
  auto found = places_.upper_bound(from);
  if (found != places_.begin()) --found;
  begin_ = end_ = found->first;
  after_ = found->second;
  parts_.clear();
  bytes_ = 0;
  is_placed_ = true;
}

bool KinesisShard::skip_ahead() {
  const auto next = places_.upper_bound(end_);
  if (next == places_.end()) return false;
  const auto begin = begin_;
  seek(next->first);
  begin_ = begin;  // who reads from before it gets what is there
  return true;
}

void KinesisShard::seek_for(const std::vector<aws::StreamRecord>& records) {
  const auto first = records.front().sequence_number;
  const auto is_before_them = [&](const auto& place) {
    return place.second.empty() || is_before(place.second, first);
  };
  const auto next = std::ranges::find_if_not(places_, is_before_them);
  if (next == places_.begin()) return seek(next->first);
  const auto last = std::prev(next);
  if (next == places_.end() || is_before(records.back().sequence_number, next->second)) {
    return seek(last->first);  // nothing tells that they do not follow
  }
  Part part{.first = last->first, .records = {}, .cuts = {}, .owned = {}};
  for (const auto& record : records) {
    if (!is_before(next->second, record.sequence_number)) add_record(record, part);
  }
  const auto reached = last->first.plus(static_cast<std::int64_t>(part.records.size()));
  seek(reached == next->first ? last->first : next->first);
}

KinesisShard::Fits KinesisShard::fits(const aws::RecordPage& page, const std::string& first) const {
  const std::string_view wanted = after_.empty() ? first : after_;
  for (const auto& record : page.records.records) {
    if (record.sequence_number == wanted) return Fits::Yes;
    if (is_before(wanted, record.sequence_number)) return Fits::Not;
  }
  const bool is_all = page.is_end || page.behind == std::chrono::milliseconds(0);
  return is_all ? Fits::Not : Fits::Unclear;
}

void KinesisShard::add_record(const aws::StreamRecord& record, Part& part) const {
  const auto push = [&](std::string_view key, std::string_view bytes) {
    part.records.push_back({part.first.plus(static_cast<std::int64_t>(part.records.size())),
                            record.arrived_at, key, bytes});
    part.bytes += key.size() + bytes.size() + sizeof(base::Record);
  };
  const auto users = base::user_records(record.data);
  if (!users) return push(record.partition_key, record.data);
  for (const auto& user : *users) {
    // The KPL sends those again that it finds in a shard that is not theirs.
    if (range_) {
      const auto given = user.explicit_hash_key ? log::parse_decimal(*user.explicit_hash_key)
                                                : std::optional<log::HashKey>();
      if (!range_->contains(given ? *given : log::hash_key_of(user.partition_key))) continue;
    }
    push(user.partition_key, user.data);
  }
}

std::vector<Offset> KinesisShard::add(Records records) {
  auto part = std::make_shared<Part>();
  std::vector<Offset> ends;
  const auto& all = records->records;
  ends.reserve(all.size());
  part->first = end_;
  part->records.reserve(all.size());
  std::string_view after = after_;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto& record = all[i];
    if (after.empty() || is_before(after, record.sequence_number)) {
      add_record(record, *part);
      after = record.sequence_number;
      part->cuts.push_back({part->records.size(), i});
    }
    ends.push_back(part->first.plus(static_cast<std::int64_t>(part->records.size())));
  }
  after_ = std::string(after);
  end_ = end_.plus(static_cast<std::int64_t>(part->records.size()));
  if (part->records.empty()) return ends;
  part->owned = std::move(records);
  bytes_ += part->bytes;
  parts_.push_back(std::move(part));
  return ends;
}

void KinesisShard::drop_before(Offset from) {
  while (!parts_.empty()) {
    const auto& part = *parts_.front();
    if (part.first.plus(static_cast<std::int64_t>(part.records.size())) > from) return;
    // Where reading would have to begin again if this were the last that is known.
    const auto end = part.first.plus(static_cast<std::int64_t>(part.records.size()));
    note(end, part.number_at(part.cuts.back()));
    begin_ = end;
    bytes_ -= part.bytes;
    parts_.pop_front();
  }
}

void KinesisShard::note(Offset position, std::string_view sequence_number) {
  places_[position] = sequence_number;
  if (places_.size() <= kPlacesMax) return;
  for (auto at = std::next(places_.begin()); at != places_.end() && std::next(at) != places_.end();
       ++at) {
    at = places_.erase(at);
    if (at == places_.end()) break;
  }
}

base::RecordBatch KinesisShard::take(Offset from, std::uint64_t bytes_max) {
  drop_before(from);
  base::RecordBatch batch{.shard = id_, .records = {}, .next = from, .owner = {}};
  if (parts_.empty()) return batch;
  const auto part = parts_.front();
  const auto begin =
      static_cast<std::size_t>(std::max<std::int64_t>(0, from.value() - part->first.value()));
  std::uint64_t bytes = 0;
  std::size_t taken = begin;
  std::optional<std::string_view> last;
  for (const auto& cut : part->cuts) {
    if (cut.records <= begin) continue;
    if (bytes >= bytes_max) break;
    for (; taken < cut.records; ++taken) bytes += part->records[taken].bytes.size();
    batch.next = part->first.plus(static_cast<std::int64_t>(taken));
    last = part->number_at(cut);
  }
  if (last) note(batch.next, *last);
  batch.records.assign(part->records.begin() + static_cast<std::ptrdiff_t>(begin),
                       part->records.begin() + static_cast<std::ptrdiff_t>(taken));
  batch.owner = part;
  return batch;
}

}  // namespace millrace::source
