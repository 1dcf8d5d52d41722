#include "batch/job_order.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace millrace::batch {
namespace {

using base::Error;
using base::Result;

/// Visits jobs depth first; those that are being visited are on the path.
class Order {
 public:
  Order(const std::vector<config::Job>& jobs,
        const std::map<std::string, std::vector<std::string>>& reads)
      : jobs_(jobs), reads_(reads) {}

  Result<void> visit(const config::Job& job) {
    if (std::ranges::find(done_, &job) != done_.end()) return {};
    const auto on_path = std::ranges::find(path_, &job);
    if (on_path != path_.end()) return cycle(job, on_path - path_.begin());
    path_.push_back(&job);
    const auto reads = reads_.find(job.name);
    for (const auto& name : reads == reads_.end() ? std::vector<std::string>() : reads->second) {
      const auto other = std::ranges::find_if(
          jobs_, [&](const auto& j) { return base::equal_ignoring_case(j.name, name); });
      if (other != jobs_.end()) TRY(visit(*other));
    }
    path_.pop_back();
    done_.push_back(&job);
    return {};
  }

  std::vector<const config::Job*> take() { return std::move(done_); }

 private:
  Error cycle(const config::Job& job, std::ptrdiff_t from) const {
    std::string way;
    for (auto i = static_cast<std::size_t>(from) + 1; i < path_.size(); ++i) {
      way += fmt::format("{}'{}'", way.empty() ? ", by way of " : ", ", path_[i]->name);
    }
    return {base::Code::Invalid, fmt::format("job '{}' reads its own table{}", job.name, way),
            job.sql.place.text()};
  }

  const std::vector<config::Job>& jobs_;
  const std::map<std::string, std::vector<std::string>>& reads_;
  std::vector<const config::Job*> path_;
  std::vector<const config::Job*> done_;
};

}  // namespace

std::map<std::string, std::vector<std::string>> reads_of(const config::Pipeline& pipeline,
                                                         sql::Connection& connection) {
  std::map<std::string, std::vector<std::string>> reads;
  for (const auto& job : pipeline.jobs) {
    auto& names = reads[job.name];
    names = job.reads;
    if (const auto found = connection.table_names(job.sql.text)) {
      names.insert(names.end(), found->begin(), found->end());
    }
    const auto add_all_of = [&](const config::SqlText& sql) {
      for (auto& name : connection.table_names(sql.text).value_or({})) {
        if (!base::equal_ignoring_case(name, job.name)) names.push_back(std::move(name));
      }
    };
    for (const auto& pair : job.reconcile) add_all_of(pair.left), add_all_of(pair.right);
    for (const auto& one : job.expectations) {
      if (!one.table.empty()) names.push_back(one.table);
      if (one.kind == config::ResultCheck::Kind::NoRows) add_all_of(one.sql);
    }
  }
  return reads;
}

Result<std::vector<const config::Job*>> in_order(
    const std::vector<config::Job>& jobs,
    const std::map<std::string, std::vector<std::string>>& reads) {
  Order order(jobs, reads);
  for (const auto& job : jobs) TRY(order.visit(job));
  return order.take();
}

}  // namespace millrace::batch
