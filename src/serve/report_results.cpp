#include "serve/report_results.hpp"

#include <iterator>
#include <utility>

namespace millrace::serve {

sql::Chunk ReportResult::view(std::size_t chunk) const {
  sql::Chunk view(columns);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    view.column(i).reference(chunks[chunk].column(i));
  }
  view.set_row_count(chunks[chunk].row_count());
  return view;
}

std::shared_ptr<ReportResult> ReportResult::again() const {
  auto result = std::make_shared<ReportResult>();
  result->columns = columns;
  for (std::size_t i = 0; i < chunks.size(); ++i) result->chunks.push_back(view(i));
  result->mark = mark;
  result->took = took;
  result->value_bytes = value_bytes;
  result->bytes = bytes;
  return result;
}

namespace {

// What an entry takes beside its rows.
constexpr std::uint64_t kEntryBytes = 512;

}  // namespace

std::uint64_t ReportResults::bytes_of(const Kept& kept) {
  return kEntryBytes + 2 * kept.key.size() + kept.result->bytes;
}

std::shared_ptr<const ReportResult> ReportResults::find(const std::string& key) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  by_use_.splice(by_use_.begin(), by_use_, found->second);
  return found->second->result;
}

void ReportResults::put(const std::string& key, std::shared_ptr<const ReportResult> result) {
  if (const auto found = by_key_.find(key); found != by_key_.end()) {
    if (found->second->result->taken_at > result->taken_at) return;
    drop(found->second);
  }
  by_use_.push_front({key, std::move(result)});
  by_key_.emplace(key, by_use_.begin());
  bytes_ += bytes_of(by_use_.front());
  while (bytes_ > bytes_max_ && !by_use_.empty()) drop(std::prev(by_use_.end()));
}

void ReportResults::drop(std::list<Kept>::iterator kept) {
  bytes_ -= bytes_of(*kept);
  by_key_.erase(kept->key);
  by_use_.erase(kept);
}

}  // namespace millrace::serve
