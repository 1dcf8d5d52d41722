#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "config/pipeline.hpp"
#include "decode/lambda_event.hpp"
#include "flow/transform.hpp"

namespace millrace::lambda {

/// What Lambda takes as an answer: 6 MB. An answer that is longer fails the invocation, and after
/// three of them Firehose gives all its records up as failed.
inline constexpr std::size_t kAnswerBytesMax = 6 * 1024 * 1024 - 1024;

/// The table whose way a delivery stream's records take: that named `chosen`, or, if that is empty,
/// the only one that reads the source named as the stream, or the only source.
/// Errors  Invalid: there is none, or there are several; with the mend.
base::Result<const config::Table*> table_of(const config::Pipeline& pipeline,
                                            std::string_view stream, std::string_view chosen);

/// An answer to Firehose, and what it says.
struct FirehoseAnswer {
  std::string body;
  std::size_t passed = 0;     ///< `Ok`
  std::size_t dropped = 0;    ///< `Dropped`: the SQL made no row of them
  std::size_t failed = 0;     ///< `ProcessingFailed`: Firehose puts them aside, as they came
  std::size_t too_large = 0;  ///< of those: rows for which there was no room
};

/// `{"records":[{"recordId":"49…","result":"Ok","data":"eyJ…"},…]}`, in the order of the records.
/// What does not fit into `bytes_max` fails, from the last on.
/// Source  Amazon Data Firehose developer guide, "Transform source data".
FirehoseAnswer firehose_answer(std::span<const decode::EventRecord> records,
                               std::span<const flow::Transformed> transformed,
                               std::size_t bytes_max = kAnswerBytesMax);

}  // namespace millrace::lambda
