#include "verify/write_records.hpp"

#include <condition_variable>
#include <limits>
#include <mutex>

#include "base/units.hpp"

namespace millrace::verify {
namespace {

using namespace base::literals;
using base::Result;

constexpr std::size_t kPieceBytes = 256_KiB;

Result<void> flush(std::string& bytes, const Sink& sink) {
  if (!bytes.empty() && sink) TRY(sink(bytes));
  bytes.clear();
  return {};
}

}  // namespace

bool wait_until(base::Time time, const base::Clock& clock, const std::stop_token& stop) {
  const auto left = time - clock.now();
  if (left.count() <= 0) return !stop.stop_requested();
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  wake.wait_until(lock, stop, std::chrono::steady_clock::now() + left, [] { return false; });
  return !stop.stop_requested();
}

Result<std::uint64_t> write_records(Generator generator, const WriteOptions& options,
                                    const base::Clock& clock, const std::stop_token& stop) {
  const std::uint64_t count = options.count.value_or(std::numeric_limits<std::uint64_t>::max());
  std::string bytes, lines;
  Label label;
  if (!generator.header().empty()) bytes.append(generator.header()) += '\n';
  std::uint64_t index = 0;
  for (; index < count && !stop.stop_requested(); ++index) {
    const bool is_early = options.is_live && generator.due(index) > clock.now();
    if (bytes.size() >= kPieceBytes || lines.size() >= kPieceBytes || is_early) {
      TRY(flush(lines, options.labels));
      TRY(flush(bytes, options.records));
    }
    if (is_early && !wait_until(generator.due(index), clock, stop)) break;
    generator.write(index, label, bytes);
    bytes += '\n';
    if (options.labels) append_line(label, lines);
  }
  TRY(flush(lines, options.labels));
  TRY(flush(bytes, options.records));
  return index;
}

Result<void> write_labels(Generator generator, std::uint64_t count, const Sink& labels,
                          const std::stop_token& stop) {
  std::string bytes, lines;
  Label label;
  for (std::uint64_t index = 0; index < count && !stop.stop_requested(); ++index) {
    bytes.clear();
    generator.write(index, label, bytes);
    append_line(label, lines);
    if (lines.size() >= kPieceBytes) TRY(flush(lines, labels));
  }
  return flush(lines, labels);
}

}  // namespace millrace::verify
