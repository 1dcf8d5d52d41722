#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "config/pipeline.hpp"

namespace millrace::decode {

/// Takes the value of a source's `partition_key` column out of a record, without decoding the rest.
/// Threads: one at a time.
class KeyReader {
 public:
  explicit KeyReader(const config::Source& source);
  KeyReader(KeyReader&&) noexcept;
  ~KeyReader();

  /// The text of the value; empty if the source has no partition key, or the record has no such
  /// value: a record that is bad otherwise still goes somewhere. Good until the next call.
  std::string_view read(std::string_view record);

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace millrace::decode
