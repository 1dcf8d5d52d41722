#include "deploy/options.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace millrace::deploy {

using base::Code;
using base::Error;
using base::Result;

namespace {

constexpr std::uint64_t kRecordBytesMax = 1 << 20;
constexpr int kLambdaMemoryMin = 512;
constexpr int kLambdaMemoryMax = 10240;

template <class Number>
Result<void> within(const char* name, Number value, Number least, Number most) {
  if (value >= least && value <= most) return {};
  return Error{Code::Invalid,
               fmt::format("{} is {}, and may be {} to {}", name, value, least, most)};
}

bool is_stage_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

}  // namespace

Result<void> check(const Options& options) {
  const auto& stage = options.stage;
  const bool is_stage = !stage.empty() && stage.front() >= 'a' && stage.front() <= 'z' &&
                        stage.back() != '-' && std::ranges::all_of(stage, is_stage_letter);
  if (!is_stage) {
    return Error{Code::Invalid,
                 fmt::format("--stage '{}' is part of names: it begins with a small letter, and "
                             "has small letters, digits and '-' only",
                             base::printable(stage))};
  }
  TRY(within("--rate", options.records_per_second, 0.001, 1e9));
  TRY(within("--record-bytes", options.record_bytes, std::uint64_t{1}, kRecordBytesMax));
  TRY(within("--burst", options.burst, 1.0, 10'000.0));
  TRY(within("--retention (hours)", static_cast<int>(options.retention.count()), 24, 8760));
  TRY(within("--window (seconds)", options.window_seconds, 0, 300));
  TRY(within("--memory (MiB)", options.memory_mib, kLambdaMemoryMin, kLambdaMemoryMax));
  TRY(within("--jobs-memory (MiB)", options.jobs_memory_mib, kLambdaMemoryMin, kLambdaMemoryMax));
  if (options.worker == Worker::Fargate && options.code == CodeForm::Zip) {
    return Error{Code::Invalid, "Fargate runs images only: say --code image"};
  }
  return {};
}

}  // namespace millrace::deploy
