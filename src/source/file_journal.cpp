#include "source/file_journal.hpp"

#include <fmt/format.h>

#include <charconv>

#include "log/format.hpp"

namespace millrace::source {
namespace {

using base::Code;
using base::Error;
using base::Result;

constexpr std::string_view kFirstLine = "millrace files 1 ";

// `<checksum> <text>\n`
std::string line_of(const std::string& text) {
  return fmt::format("{:016x} {}\n", log::checksum(text, 0), text);
}

std::string found_line(const FoundFile& file) {
  return line_of(fmt::format("found {} {} {} {:016x} {}", file.found_at.time_since_epoch().count(),
                             file.stored_bytes, file.head_bytes, file.head_hash, file.name));
}

std::string end_line(std::size_t ordinal, const FoundFile& file) {
  return line_of(fmt::format("{} {} {} {}", file.is_closed ? "closed" : "end", ordinal, *file.end,
                             file.stored_bytes));
}

/// Takes words and numbers off the front of a line.
class Words {
 public:
  explicit Words(std::string_view line) : rest_(line) {}

  std::string_view word() {
    const std::size_t end = std::min(rest_.find(' '), rest_.size());
    const auto word = rest_.substr(0, end);
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    return word;
  }
  template <class T>
  T number(int number_base = 10) {
    const auto text = word();
    T value{};
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), value, number_base);
    is_good_ = is_good_ && error == std::errc() && end == text.data() + text.size();
    return value;
  }
  std::string_view rest() const { return rest_; }
  bool is_good() const { return is_good_; }

 private:
  std::string_view rest_;
  bool is_good_ = true;
};

}  // namespace

Result<std::unique_ptr<FileJournal>> FileJournal::open(os::Disk& disk, const os::Path& folder,
                                                       base::Random& random) {
  TRY(os::make_directories_durably(disk, folder));
  TRY(disk.sync_directory(folder.parent_path()));  // made by a life that was killed before its sync
  std::unique_ptr<FileJournal> journal(new FileJournal(disk, folder / "files"));
  if (TRY(disk.stat(journal->path_))) {
    const std::string text = TRY(os::read_file(disk, journal->path_));
    TRY(journal->load(text));
  } else {
    journal->incarnation_ = random.uuid();
  }
  // Always: what the last life appended may not have been synced, or with an error.
  TRY(journal->write_anew());
  return journal;
}

std::optional<std::size_t> FileJournal::ordinal_of(const std::string& name) const {
  const auto found = ordinals_.find(name);
  if (found == ordinals_.end()) return std::nullopt;
  return found->second;
}

Result<void> FileJournal::add(const std::vector<FoundFile>& found) {
  std::string lines;
  for (const auto& file : found) lines += found_line(file);
  TRY(append(lines));
  for (const auto& file : found) remember(file);
  return {};
}

Result<void> FileJournal::note_end(std::size_t ordinal, const FoundFile& known) {
  TRY(append(end_line(ordinal, known)));
  files_.at(ordinal) = known;
  return {};
}

// The file is text of whole lines; only the last one can be torn.
Result<void> FileJournal::load(std::string_view text) {
  const auto corrupt = [&](std::size_t line) {
    return Error{Code::Corrupt, "the journal of found files is damaged",
                 fmt::format("{}:{}", path_.string(), line)};
  };
  const std::size_t first_end = text.find('\n');
  if (first_end == std::string_view::npos || !text.starts_with(kFirstLine)) return corrupt(1);
  incarnation_ = text.substr(kFirstLine.size(), first_end - kFirstLine.size());
  if (!log::parse_incarnation(incarnation_)) return corrupt(1);
  text.remove_prefix(first_end + 1);
  for (std::size_t line = 2; !text.empty(); ++line) {
    const std::size_t end = text.find('\n');
    const bool is_good = end != std::string_view::npos && take_line(text.substr(0, end));
    const bool is_last = end == std::string_view::npos || end + 1 == text.size();
    if (!is_good && !is_last) return corrupt(line);
    text.remove_prefix(is_last ? text.size() : end + 1);
  }
  return {};
}

bool FileJournal::take_line(std::string_view line) {
  Words words(line);
  const auto checksum = words.number<std::uint64_t>(16);
  if (!words.is_good() || checksum != log::checksum(words.rest(), 0)) return false;
  const auto kind = words.word();
  if (kind == "found") {
    FoundFile file;
    file.found_at = base::Time(std::chrono::microseconds(words.number<std::int64_t>()));
    file.stored_bytes = words.number<std::uint64_t>();
    file.head_bytes = words.number<std::uint64_t>();
    file.head_hash = words.number<std::uint64_t>(16);
    file.name = words.rest();
    if (!words.is_good()) return false;
    remember(std::move(file));
    return true;
  }
  const auto ordinal = words.number<std::size_t>();
  const auto end = words.number<std::uint64_t>();
  const auto stored_bytes = words.number<std::uint64_t>();
  if (!words.is_good() || ordinal >= files_.size() || (kind != "end" && kind != "closed")) {
    return false;
  }
  FoundFile& file = files_[ordinal];
  file.end = end;
  file.stored_bytes = stored_bytes;
  file.is_closed = kind == "closed";
  return true;
}

Result<void> FileJournal::append(const std::string& lines) {
  if (!file_) TRY(write_anew());
  auto written = file_->append(lines);
  if (written) written = file_->sync();
  // A file whose write or sync failed is not written to again.
  if (!written) file_ = nullptr;
  return written;
}

Result<void> FileJournal::write_anew() {
  std::string text = fmt::format("{}{}\n", kFirstLine, incarnation_);
  for (const auto& file : files_) text += found_line(file);
  for (std::size_t i = 0; i < files_.size(); ++i) {
    if (files_[i].end) text += end_line(i, files_[i]);
  }
  TRY(os::write_file(disk_, path_, text));
  file_ = TRY(disk_.open(path_, os::OpenMode::Append));
  return {};
}

void FileJournal::remember(FoundFile file) {
  ordinals_.emplace(file.name, files_.size());
  files_.push_back(std::move(file));
}

}  // namespace millrace::source
