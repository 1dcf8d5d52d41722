#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "base/result.hpp"
#include "os/disk.hpp"

namespace millrace::source {

/// What is durably known of a file. Its ordinal is its place in the journal.
struct FoundFile {
  std::string name;  ///< in the watched folder
  base::Time found_at;
  std::uint64_t stored_bytes = 0;  ///< when it was found, or last read to its end
  std::uint64_t head_bytes = 0;    ///< so many of its first stored bytes have the hash below
  std::uint64_t head_hash = 0;
  std::optional<std::uint64_t> end;  ///< how many bytes it has unpacked; known once it was read
  bool is_closed = false;            ///< a later file was begun: what is after `end` is not read
};

/// The files that a source has found, in order: docs/formats/files_source.md.
/// Threads: one at a time.
class FileJournal {
 public:
  /// Opens the journal in `folder`, or makes it.
  /// Errors  Corrupt: damaged.
  static base::Result<std::unique_ptr<FileJournal>> open(os::Disk& disk, const os::Path& folder,
                                                         base::Random& random);

  const std::string& incarnation() const { return incarnation_; }
  const std::vector<FoundFile>& files() const { return files_; }
  std::optional<std::size_t> ordinal_of(const std::string& name) const;

  /// Both are durable when they return without an error.
  base::Result<void> add(const std::vector<FoundFile>& found);
  base::Result<void> note_end(std::size_t ordinal, const FoundFile& known);

 private:
  FileJournal(os::Disk& disk, os::Path path) : disk_(disk), path_(std::move(path)) {}
  base::Result<void> load(std::string_view text);
  bool take_line(std::string_view line);
  base::Result<void> append(const std::string& lines);
  base::Result<void> write_anew();
  void remember(FoundFile file);

  os::Disk& disk_;
  const os::Path path_;
  std::string incarnation_;
  std::vector<FoundFile> files_;
  std::unordered_map<std::string, std::size_t> ordinals_;
  std::unique_ptr<os::File> file_;  // none: the next change writes the journal anew
};

}  // namespace millrace::source
