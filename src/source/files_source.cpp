#include "source/files_source.hpp"

#include <fmt/format.h>
#include <fnmatch.h>

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

constexpr std::uint64_t kHeadBytes = 64_KiB;
constexpr auto kLookEvery = std::chrono::seconds(1);

/// What a file looked like when its folder was listed last.
struct Look {
  std::uint64_t stored_bytes = 0;
  base::Time modified_at;
  bool is_reported = false;  // that it grew too late
};

class FilesSource final : public Source {
 public:
  FilesSource(config::Source source, const os::Path& glob, const log::Tools& tools,
              std::unique_ptr<FileJournal> journal)
      : source_(std::move(source)),
        folder_(glob.parent_path()),
        pattern_(glob.filename().string()),
        tools_(tools),
        incarnation_(journal->incarnation()),
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
  os::Path path_of(const FoundFile& file) const { return folder_ / file.name; }
  void look_if_due();
  Result<FoundFile> describe(const os::FileInfo& info) const;
  Result<void> look_again(std::size_t ordinal, const os::FileInfo& info);
  Error changed(const FoundFile& file, std::string_view how) const;
  Result<bool> has_more(std::size_t ordinal, std::uint64_t byte) const;
  Result<void> go_to(std::size_t ordinal, std::uint64_t byte);
  Result<RecordBatch> read_file(std::size_t ordinal, std::uint64_t byte, std::uint64_t bytes_max);
  Result<void> note_end(std::size_t ordinal, std::uint64_t byte);

  const config::Source source_;
  const os::Path folder_;
  const std::string pattern_;
  const log::Tools tools_;
  const std::string incarnation_;

  mutable std::mutex mutex_;
  std::condition_variable_any timer_;  // waits of wait_beyond; only a stop wakes it
  // All below: guarded by mutex_.
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
  if (const auto info = TRY(tools_.disk.stat(path_of(journal_->files()[ordinal])))) {
    read_stored_bytes_ = info->size;
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
    timer_.wait_until(lock, stop, std::min<base::SteadyTime>(deadline, now + kLookEvery),
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
  if (newest.end && stored <= newest.stored_bytes) return position_of(ordinal, *newest.end);
  // How much packed data unpack to is known at their end only.
  return position_of(ordinal, is_packed(newest.name) ? kByteMax : stored);
}

void FilesSource::look_if_due() {
  if (tools_.clock.steady_now() - looked_at_ < kLookEvery) return;
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
  for (const auto& info : TRY(tools_.disk.list(folder_))) {
    if (info.is_directory || ::fnmatch(pattern_.c_str(), info.name.c_str(), FNM_PERIOD) != 0) {
      continue;
    }
    if (const auto ordinal = journal_->ordinal_of(info.name)) {
      TRY(look_again(*ordinal, info));
    } else if (info.size > 0) {  // an empty file is one that is only being begun
      if (info.name.find('\n') != std::string::npos) {
        return Error{Code::Invalid, "a file's name holds a line break: rename it",
                     (folder_ / base::printable(info.name)).string()};
      }
      found.push_back(TRY(describe(info)));
      looks_[info.name] = {.stored_bytes = info.size, .modified_at = info.modified_at};
    }
  }
  if (found.empty()) return {};
  TRY(journal_->add(found));
  events::files_found(tools_.telemetry, source_.name, found.size(), found.front().name);
  return {};
}

Result<FoundFile> FilesSource::describe(const os::FileInfo& info) const {
  const auto file = TRY(tools_.disk.open(folder_ / info.name, os::OpenMode::Read));
  std::string head(std::min(info.size, kHeadBytes), '\0');
  head.resize(TRY(file->read_at(0, head.data(), head.size())));
  return FoundFile{.name = info.name,
                   .found_at = tools_.clock.now(),
                   .stored_bytes = info.size,
                   .head_bytes = head.size(),
                   .head_hash = log::checksum(head, 0)};
}

// A known file may grow, but not change.
Result<void> FilesSource::look_again(std::size_t ordinal, const os::FileInfo& info) {
  Look& look = looks_[info.name];
  if (look.stored_bytes == info.size && look.modified_at == info.modified_at) return {};
  const FoundFile& known = journal_->files()[ordinal];
  if (info.size < known.stored_bytes) {
    changed_ = changed(
        known, fmt::format("it had {} bytes, now it has {}", known.stored_bytes, info.size));
    return {};
  }
  const auto file = TRY(tools_.disk.open(path_of(known), os::OpenMode::Read));
  std::string head(known.head_bytes, '\0');
  head.resize(TRY(file->read_at(0, head.data(), head.size())));
  if (log::checksum(head, 0) != known.head_hash) {
    changed_ = changed(known, "it begins with other bytes than before");
    return {};
  }
  look.stored_bytes = info.size;
  look.modified_at = info.modified_at;
  if (known.is_closed && info.size > known.stored_bytes && !look.is_reported) {
    events::file_grew_too_late(tools_.telemetry, source_.name, info.name);
    look.is_reported = true;
  }
  return {};
}

Error FilesSource::changed(const FoundFile& file, std::string_view how) const {
  return {Code::Corrupt,
          fmt::format("the file was changed after source '{}' found it: {}. Put the old one back; "
                      "new data belong into a file with a new name",
                      source_.name, how),
          path_of(file).string()};
}

// False: it was read to its end, as far as is known; the file itself may be gone by now.
Result<bool> FilesSource::has_more(std::size_t ordinal, std::uint64_t byte) const {
  const FoundFile& file = journal_->files()[ordinal];
  if (file.is_closed && byte > *file.end) {
    return changed(file, fmt::format("byte {} was committed, but it ended at {}", byte, *file.end));
  }
  if (byte != file.end) return true;
  if (file.is_closed) return false;
  const auto info = TRY(tools_.disk.stat(path_of(file)));
  return info && info->size > file.stored_bytes;
}

Result<void> FilesSource::go_to(std::size_t ordinal, std::uint64_t byte) {
  if (reader_ && reader_->ordinal() == ordinal && reader_->byte() == byte) return {};
  reader_ = nullptr;
  const FoundFile& file = journal_->files()[ordinal];
  const auto info = TRY(tools_.disk.stat(path_of(file)));
  if (!info) {
    return Error{
        Code::NotFound,
        fmt::format("the file is gone, but source '{}' has read it only up to byte {}: put "
                    "it back",
                    source_.name, byte),
        path_of(file).string()};
  }
  TRY(look_again(ordinal, *info));
  if (changed_) return *changed_;
  read_stored_bytes_ = info->size;
  reader_ = TRY(FileReader::open(tools_.disk,
                                 {.path = path_of(file),
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
                                                  const os::Path& state_folder,
                                                  const log::Tools& tools) {
  const auto* files = std::get_if<config::FilesSource>(&source.from);
  if (files == nullptr) {
    return Error{Code::Invalid, fmt::format("source '{}' reads no files", source.name),
                 source.place.text()};
  }
  const os::Path glob = files->glob;
  if (glob.filename().empty() ||
      glob.parent_path().string().find_first_of("*?[") != std::string::npos) {
    return Error{
        Code::Invalid,
        fmt::format("source '{}' must read files of one folder: wildcards may stand in the "
                    "last part of its path only, in '{}' they do not",
                    source.name, files->glob),
        source.place.text()};
  }
  auto journal = TRY(FileJournal::open(tools.disk, state_folder, tools.random));
  auto opened = std::make_unique<FilesSource>(source, glob, tools, std::move(journal));
  TRY(opened->look().context(fmt::format("source '{}'", source.name)));
  return std::unique_ptr<Source>(std::move(opened));
}

}  // namespace millrace::source
