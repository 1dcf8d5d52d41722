#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "sql/instance.hpp"

namespace millrace::flow {

/// The rows of the micro-batch at hand, as a relation that a prepared statement reads: set before
/// each run. Threads: one at a time.
class BatchRelation final : public sql::ScanTable {
 public:
  struct Part {
    std::shared_ptr<const sql::Chunk> chunk;
    std::unique_ptr<sql::Selection> rows;  ///< null: all
  };

  explicit BatchRelation(std::vector<sql::Column> columns) : columns_(std::move(columns)) {}

  void set(std::vector<Part> parts) { parts_ = std::move(parts); }
  const std::vector<sql::Column>& columns() const override { return columns_; }
  std::unique_ptr<sql::Scan> scan() override { return std::make_unique<Run>(parts_); }

 private:
  class Run final : public sql::Scan {
   public:
    explicit Run(const std::vector<Part>& parts) : parts_(parts) {}
    bool next(sql::ScanPart& part) override {
      if (at_ == parts_.size()) return false;
      part = {parts_[at_].chunk, parts_[at_].rows.get()};
      ++at_;
      return true;
    }

   private:
    const std::vector<Part>& parts_;
    std::size_t at_ = 0;
  };

  const std::vector<sql::Column> columns_;
  std::vector<Part> parts_;
};

}  // namespace millrace::flow
