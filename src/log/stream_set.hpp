#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "log/stream.hpp"

namespace millrace::log {

/// The streams of a data folder by name: sources of the pipeline file, which are opened one by one
/// and stay, and those that are made and deleted while the program runs.
/// Threads: safe from any.
class StreamSet {
 public:
  struct Options {
    os::Path folder;
    StreamOptions made;  ///< for streams that are made while the program runs; all but name, shards
    std::size_t streams_max = 256;
  };

  /// Opens no stream, but finishes deletions that were broken off.
  static base::Result<std::unique_ptr<StreamSet>> open(Options options, const Tools& tools);
  /// Closes.
  ~StreamSet() { close(); }

  /// Opens a source of the pipeline file.
  base::Result<std::shared_ptr<Stream>> add(StreamOptions options);
  /// Opens what was made in earlier lives. What was once a source and is none any more stays as it
  /// is, unopened. Call it after the sources were added.
  base::Result<void> add_made();

  std::shared_ptr<Stream> find(std::string_view name) const;
  std::vector<std::string> names() const;  ///< sorted

  /// Makes a stream, durably.
  /// Errors  Invalid: there is one of that name. Exhausted: there are too many.
  base::Result<std::shared_ptr<Stream>> create(const std::string& name, int shards);
  /// Deletes a stream and its records. Whoever holds it still can get errors only.
  /// Errors  NotFound: no such stream. Denied: it is a source of the pipeline file.
  base::Result<void> remove(const std::string& name);
  void close();

 private:
  StreamSet(Options options, const Tools& tools);
  os::Path folder_of(std::string_view name) const;
  base::Result<std::shared_ptr<Stream>> open_stream(StreamOptions options);

  const Options options_;
  const Tools tools_;

  std::mutex changing_;  // one change at a time
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Stream>, std::less<>> streams_;  // Guarded by mutex_.
};

}  // namespace millrace::log
