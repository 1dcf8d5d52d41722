#include "source/files_source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <unordered_map>

#include "base/text.hpp"
#include "base/units.hpp"
#include "log/format.hpp"
#include "source/events.hpp"
#include "source/file_journal.hpp"
#include "source/file_reader.hpp"

namespace millrace::source {
namespace {

using base::Code;
using base::Error;
using base::Offset;
using base::RecordBatch;
using base::Result;
using base::ShardId;
using namespace base::literals;

/// What a file looked like when its folder was listed last.
struct Look {
  std::uint64_t stored_bytes = 0;
  std::string stamp;
  bool is_reported = false;  // that it grew or changed too late
};

class FilesSource final : public Source {
 public:
  FilesSource(config::Source source, std::unique_ptr<FileStore> store, const log::Tools& tools,
              std::unique_ptr<FileJournal> journal)
      : source_(std::move(source)),
        look_every_(std::get<config::FilesSource>(source_.from).look_every),
        tools_(tools),
        incarnation_(journal->incarnation()),
        store_(std::move(store)),
        journal_(std::move(journal)) {}

  const std::string& incarnation() const override { return incarnation_; }
  int shard_count() const override { return 1; }
  Offset oldest(ShardId /*shard*/) const override { return Offset(0); }
  Offset end(ShardId /*shard*/) const override {
    const std::lock_guard lock(mutex_);
    return end_now();
  }
  Result<RecordBatch> read(ShardId shard, Offset from, std::uint64_t bytes_max) override;
  bool wait_beyond(std::span<const Offset> positions, std::chrono::microseconds timeout,
                   std::stop_token stop) override;
  Result<void> release(std::span<const Offset> /*positions*/) override { return {}; }

  /// Looks for new files and at the known ones. What it finds is durable when it returns.
  Result<void> look();

 private:
  // All of these: the caller holds mutex_ (or is alone).
  Offset end_now() const;
  bool is_newest(std::size_t ordinal) const { return ordinal + 1 == journal_->files().size(); }
  std::string place_of(const FoundFile& file) const { return store_->place_of(file.name); }
  void look_if_due();
  Result<FoundFile> describe(const StoredFile& file) const;
  Result<void> look_again(std::size_t ordinal, const StoredFile& file);
  void take_change(const FoundFile& known, Look& look, const StoredFile& file, std::string how);
  Error changed(const FoundFile& file, std::string_view how) const;
  Result<bool> has_more(std::size_t ordinal, std::uint64_t byte) const;
  Result<void> go_to(std::size_t ordinal, std::uint64_t byte);
  Result<RecordBatch> read_file(std::size_t ordinal, std::uint64_t byte, std::uint64_t bytes_max);
  Result<void> note_end(std::size_t ordinal, std::uint64_t byte);

  const config::Source source_;
  const std::chrono::microseconds look_every_;
  const log::Tools tools_;
  const std::string incarnation_;

  mutable std::mutex mutex_;
  std::condition_variable_any timer_;  // waits of wait_beyond; only a stop wakes it
  // All below: guarded by mutex_.
  std::unique_ptr<FileStore> store_;
  std::unique_ptr<FileJournal> journal_;
  std::unordered_map<std::string, Look> looks_;
  std::unique_ptr<FileReader> reader_;
  std::uint64_t read_stored_bytes_ = 0;  // of the reader's file, before the last read
  std::optional<Error> changed_;         // a file is not what it was: nothing is read any more
  base::SteadyTime looked_at_;
  bool is_look_failing_ = false;
  // The last read from the first position came to the second one and gave no record.
  Offset blank_from_{-1};
  Offset blank_to_{-1};
};

Result<RecordBatch> FilesSource::read(ShardId shard, Offset from, std::uint64_t bytes_max) {
  const std::lock_guard lock(mutex_);
  look_if_due();
  if (changed_) return *changed_;
  auto ordinal = static_cast<std::size_t>(from.value() >> kByteBits);
  std::uint64_t byte = static_cast<std::uint64_t>(from.value()) & kByteMax;
  const std::size_t file_count = journal_->files().size();
  if (ordinal > file_count || (ordinal == file_count && byte > 0)) {
    return Error{Code::Corrupt,
                 fmt::format("position {} of source '{}' is of a file that was never found here: "
                             "its state folder is another one's",
                             from.value(), source_.name)};
  }
  RecordBatch batch{.shard = shard, .records = {}, .next = from, .owner = {}};
  for (; ordinal < file_count; ++ordinal, byte = 0) {
    if (TRY(has_more(ordinal, byte))) {
      auto read = read_file(ordinal, byte, bytes_max);
      if (!read) reader_ = nullptr;
      batch = TRY(std::move(read));
      if (!batch.records.empty()) return batch;
      byte = static_cast<std::uint64_t>(batch.next.value()) & kByteMax;
    }
    TRY(note_end(ordinal, byte));
    batch.next = position_of(ordinal, byte);
  }
  blank_from_ = from;
  blank_to_ = batch.next;
  return batch;
}

Result<RecordBatch> FilesSource::read_file(std::size_t ordinal, std::uint64_t byte,
                                           std::uint64_t bytes_max) {
  TRY(go_to(ordinal, byte));
  // Before the bytes: what comes after is seen as growth.
  if (store_->can_grow()) {
    const auto now = TRY(store_->stat(journal_->files()[ordinal].name));
    if (now) read_stored_bytes_ = now->bytes;
  }
  auto batch = TRY(reader_->read(bytes_max));
  std::uint64_t bytes = 0;
  for (const auto& record : batch.records) bytes += record.bytes.size();
  if (bytes > 0) {
    events::records_read(tools_.telemetry, source_.name, batch.records.size(), bytes);
  }
  return batch;
}

bool FilesSource::wait_beyond(std::span<const Offset> positions, std::chrono::microseconds timeout,
                              std::stop_token stop) {
  CHECK(positions.size() == 1);
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  std::unique_lock lock(mutex_);
  for (;;) {
    look_if_due();
    const Offset position = positions[0] == blank_from_ ? blank_to_ : positions[0];
    // An error is there to be read too.
    if (changed_ || position < end_now()) return true;
    const auto now = std::chrono::steady_clock::now();
    if (now >= deadline || stop.stop_requested()) return false;
    timer_.wait_until(lock, stop, std::min<base::SteadyTime>(deadline, now + look_every_),
                      [] { return false; });
  }
}

Offset FilesSource::end_now() const {
  const auto& files = journal_->files();
  if (files.empty()) return Offset(0);
  const auto& newest = files.back();
  const std::size_t ordinal = files.size() - 1;
  const auto look = looks_.find(newest.name);
  const std::uint64_t stored =
      look == looks_.end() ? newest.stored_bytes : look->second.stored_bytes;
  if (newest.end && (stored <= newest.stored_bytes || !store_->can_grow()))
    return position_of(ordinal, *newest.end);
  // How much packed data unpack to is known at their end only.
  return position_of(ordinal, is_packed(newest.name) ? kByteMax : stored);
}

void FilesSource::look_if_due() {
  if (tools_.clock.steady_now() - looked_at_ < look_every_) return;
  auto looked = look();
  if (!looked && !is_look_failing_) {
    events::look_failed(tools_.telemetry, source_.name, looked.error().text());
  }
  is_look_failing_ = !looked;
}

Result<void> FilesSource::look() {
  looked_at_ = tools_.clock.steady_now();
  changed_.reset();
  std::vector<FoundFile> found;
  for (const auto& file : TRY(store_->list())) {
    if (const auto ordinal = journal_->ordinal_of(file.name)) {
      TRY(look_again(*ordinal, file));
    } else if (file.bytes > 0) {  // an empty file is one that is only being begun
      if (file.name.find('\n') != std::string::npos) {
        return Error{Code::Invalid, "a file's name holds a line break: rename it",
                     store_->place_of(base::printable(file.name))};
      }
      found.push_back(TRY(describe(file)));
      looks_[file.name] = {.stored_bytes = file.bytes, .stamp = file.stamp};
    }
  }
  if (found.empty()) return {};
  TRY(journal_->add(found));
  events::files_found(tools_.telemetry, source_.name, found.size(), found.front().name);
  return {};
}

Result<FoundFile> FilesSource::describe(const StoredFile& file) const {
  FoundFile found{.name = file.name, .found_at = tools_.clock.now(), .stored_bytes = file.bytes};
  TRY(store_->identify(file, found));
  return found;
}

// A known file may grow, but not change.
Result<void> FilesSource::look_again(std::size_t ordinal, const StoredFile& file) {
  Look& look = looks_[file.name];
  if (look.stored_bytes == file.bytes && look.stamp == file.stamp) return {};
  const FoundFile& known = journal_->files()[ordinal];
  if (file.bytes < known.stored_bytes) {
    take_change(known, look, file,
                fmt::format("it had {} bytes, now it has {}", known.stored_bytes, file.bytes));
    return {};
  }
  if (!TRY(store_->is_same(file, known))) {
    take_change(
        known, look, file,
        store_->can_grow() ? "it begins with other bytes than before" : "its ETag is another one");
    return {};
  }
  look.stored_bytes = file.bytes;
  look.stamp = file.stamp;
  if (known.is_closed && file.bytes > known.stored_bytes && !look.is_reported) {
    events::file_grew_too_late(tools_.telemetry, source_.name, file.name);
    look.is_reported = true;
  }
  return {};
}

// An object that was read to its end is whole in the tables; on a disk the old file can come back.
void FilesSource::take_change(const FoundFile& known, Look& look, const StoredFile& file,
                              std::string how) {
  if (store_->can_grow() || !known.end) {
    changed_ = changed(known, how);
    return;
  }
  events::file_changed_too_late(tools_.telemetry, source_.name, place_of(known), how);
  look = {.stored_bytes = file.bytes, .stamp = file.stamp, .is_reported = true};
}

Error FilesSource::changed(const FoundFile& file, std::string_view how) const {
  return {Code::Corrupt,
          fmt::format("the file was changed after source '{}' found it: {}. Put the old one back; "
                      "new data belong into a file with a new name",
                      source_.name, how),
          place_of(file)};
}

// False: it was read to its end, as far as is known; the file itself may be gone by now.
Result<bool> FilesSource::has_more(std::size_t ordinal, std::uint64_t byte) const {
  const FoundFile& file = journal_->files()[ordinal];
  if (file.is_closed && byte > *file.end) {
    return changed(file, fmt::format("byte {} was committed, but it ended at {}", byte, *file.end));
  }
  if (byte != file.end) return true;
  if (file.is_closed || !store_->can_grow()) return false;
  const auto now = TRY(store_->stat(file.name));
  return now && now->bytes > file.stored_bytes;
}

Result<void> FilesSource::go_to(std::size_t ordinal, std::uint64_t byte) {
  if (reader_ && reader_->ordinal() == ordinal && reader_->byte() == byte) return {};
  reader_ = nullptr;
  const FoundFile& file = journal_->files()[ordinal];
  const auto now = TRY(store_->stat(file.name));
  if (!now) {
    return Error{
        Code::NotFound,
        fmt::format("the file is gone, but source '{}' has read it only up to byte {}: put "
                    "it back",
                    source_.name, byte),
        place_of(file)};
  }
  TRY(look_again(ordinal, *now));
  if (changed_) return *changed_;
  if (!TRY(store_->is_same(*now, file))) return changed(file, "its ETag is another one");
  read_stored_bytes_ = now->bytes;
  auto bytes = TRY(store_->open(*now));
  reader_ = TRY(FileReader::open(std::move(bytes),
                                 {.path = place_of(file),
                                  .ordinal = ordinal,
                                  .received_at = file.found_at,
                                  .end = file.is_closed ? file.end : std::nullopt},
                                 source_, byte));
  return {};
}

// Durably, so that the same is read again after a restart, and the file may be taken away.
Result<void> FilesSource::note_end(std::size_t ordinal, std::uint64_t byte) {
  FoundFile known = journal_->files()[ordinal];
  if (known.is_closed) return {};
  const bool is_first_time = !known.end;
  const bool is_closed = !is_newest(ordinal);
  const std::uint64_t stored =
      reader_ && reader_->ordinal() == ordinal ? read_stored_bytes_ : known.stored_bytes;
  if (known.end == byte && known.is_closed == is_closed && stored == known.stored_bytes) return {};
  known.end = byte;
  known.is_closed = is_closed;
  known.stored_bytes = stored;
  TRY(journal_->note_end(ordinal, known));
  if (is_first_time) events::file_finished(tools_.telemetry, source_.name, known.name, byte);
  return {};
}

}  // namespace

Result<std::unique_ptr<Source>> open_files_source(const config::Source& source,
                                                  std::unique_ptr<FileStore> store,
                                                  const os::Path& state_folder,
                                                  const log::Tools& tools) {
  CHECK(std::holds_alternative<config::FilesSource>(source.from));
  auto journal = TRY(FileJournal::open(tools.disk, state_folder, tools.random));
  auto opened = std::make_unique<FilesSource>(source, std::move(store), tools, std::move(journal));
  TRY(opened->look().context(fmt::format("source '{}'", source.name)));
  return std::unique_ptr<Source>(std::move(opened));
}

}  // namespace millrace::source
