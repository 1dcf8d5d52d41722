#include "aws/test_kinesis.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/base64.hpp"
#include "base/md5.hpp"

namespace millrace::aws {

std::string event_frame(const std::vector<std::pair<std::string, std::string>>& headers,
                        const std::string& payload) {
  const auto number = [](std::uint64_t value, int bytes) {
    std::string text;
    for (int i = bytes - 1; i >= 0; --i) text += static_cast<char>(value >> (8 * i) & 255);
    return text;
  };
  const auto crc = [](std::string_view bytes) {
    std::uint32_t value = 0xffffffff;
    for (const char byte : bytes) {
      value ^= static_cast<std::uint8_t>(byte);
      for (int i = 0; i < 8; ++i) value = (value >> 1) ^ ((value & 1) != 0 ? 0xedb88320U : 0);
    }
    return ~value;
  };
  std::string fields;
  for (const auto& [name, value] : headers) {
    fields += number(name.size(), 1) + name + '\7' + number(value.size(), 2) + value;
  }
  auto message = number(16 + fields.size() + payload.size(), 4) + number(fields.size(), 4);
  message += number(crc(message), 4) + fields + payload;
  return message + number(crc(message), 4);
}

std::string aggregated(const std::string& key, const std::vector<std::string>& records) {
  const auto field = [](int number, const std::string& bytes) {
    std::string text(1, static_cast<char>(number << 3 | 2));
    for (std::size_t size = bytes.size();; size >>= 7) {
      text += static_cast<char>((size & 127) | (size > 127 ? 128 : 0));
      if (size <= 127) break;
    }
    return text + bytes;
  };
  std::string message = field(1, key);
  for (const auto& record : records) {
    message += field(3, std::string("\x08\x00", 2) + field(3, record));
  }
  const auto digest = base::md5(message);
  return "\xf3\x89\x9a\xc2" + message + std::string(digest.begin(), digest.end());
}

class FakeKinesis::State {
 public:
  using Json = nlohmann::json;

  State() { add_shard("", "", "0", kLastKey); }

  std::string url() const { return server_.url(); }

  int add_shard(const std::string& parent, const std::string& adjacent, const std::string& first,
                const std::string& last) {
    const std::lock_guard lock(mutex_);
    shards_.push_back({.id = fmt::format("shardId-{:012}", shards_.size()),
                       .parent = parent,
                       .adjacent = adjacent,
                       .first = first,
                       .last = last});
    return static_cast<int>(shards_.size()) - 1;
  }
  void split(int shard) {
    const auto id = close(shard);
    const std::string half = "170141183460469231731687303715884105728";
    add_shard(id, "", "0", "170141183460469231731687303715884105727");
    add_shard(id, "", half, kLastKey);
  }
  void merge(int shard, int other) {
    const auto id = close(shard);
    add_shard(id, close(other), "0", kLastKey);
  }
  std::string close(int shard) {
    const std::lock_guard lock(mutex_);
    at(shard).is_closed = true;
    return at(shard).id;
  }
  void put(int shard, const std::string& data, const std::string& key) {
    const std::lock_guard lock(mutex_);
    auto& records = at(shard).records;
    records.push_back(
        {fmt::format("49590338271490256608559692538361{:04}{:020}", shard, 1000 + records.size()),
         key, data, server_.clock.now()});
  }
  /// Drops the oldest `count` records that are still there.
  void trim(int shard, std::size_t count) {
    const std::lock_guard lock(mutex_);
    at(shard).trimmed += count;
  }
  /// No longer lists a closed shard.
  void forget(int shard) {
    const std::lock_guard lock(mutex_);
    at(shard).is_forgotten = true;
  }
  void recreate() {
    const std::lock_guard lock(mutex_);
    shards_.clear();
    created_at_ += 1000;
    shards_.push_back({.id = "shardId-000000000000", .first = "0", .last = kLastKey});
  }
  /// The next `count` calls of `operation` are answered with this error.
  void fail(const std::string& operation, const std::string& code, int count = 1,
            int status = 400) {
    const std::lock_guard lock(mutex_);
    faults_[operation] = {code, count, status};
  }
  void expire_iterators() {
    const std::lock_guard lock(mutex_);
    ++iterator_age_;
  }
  void name_shards(const std::string& prefix) {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < shards_.size(); ++i) shards_[i].id = fmt::format("{}{}", prefix, i);
  }
  /// What comes later arrives later.
  void advance(std::chrono::microseconds by) { server_.clock.advance(by); }
  void limit_page(std::size_t records) {
    const std::lock_guard lock(mutex_);
    page_records_ = records;
  }
  int calls(const std::string& operation) const {
    const std::lock_guard lock(mutex_);
    const auto found = calls_.find(operation);
    return found == calls_.end() ? 0 : found->second;
  }
  /// The shards that were read, each time anew.
  std::vector<std::string> starts() const {
    const std::lock_guard lock(mutex_);
    return starts_;
  }

  static constexpr const char* kLastKey = "340282366920938463463374607431768211455";

 private:
  struct Record {
    std::string number;
    std::string key;
    std::string data;
    base::Time arrived_at;
  };
  struct Shard {
    std::string id;
    std::string parent = {};
    std::string adjacent = {};
    std::string first;
    std::string last;
    std::vector<Record> records = {};
    std::size_t trimmed = 0;
    bool is_closed = false;
    bool is_forgotten = false;
  };
  struct Fault {
    std::string code;
    int left = 0;
    int status = 400;
  };

  Shard& at(int shard) { return shards_.at(static_cast<std::size_t>(shard)); }

  static http::Response answer(const Json& body) { return {.status = 200, .body = body.dump()}; }
  static http::Response refusal(const std::string& code, int status = 400) {
    return {.status = status, .body = Json{{"__type", code}, {"message", "because"}}.dump()};
  }

  http::Response handle(const http::Request& request) {
    const std::lock_guard lock(mutex_);
    const auto target = request.headers.value("X-Amz-Target");
    const std::string operation(target.substr(target.find('.') + 1));
    ++calls_[operation];
    auto& fault = faults_[operation];
    if (fault.left > 0) {
      --fault.left;
      return refusal(fault.code, fault.status);
    }
    const auto input = Json::parse(request.body);
    if (operation == "DescribeStreamSummary") return summary();
    if (operation == "ListShards") return list();
    if (operation == "GetShardIterator") return iterator(input);
    if (operation == "GetRecords") return records(input);
    if (operation == "DescribeStreamConsumer") return consumer();
    if (operation == "RegisterStreamConsumer") {
      is_consumer_there_ = true;
      return answer({{"Consumer", {{"ConsumerStatus", "CREATING"}}}});
    }
    if (operation == "SubscribeToShard") return subscription(input);
    return refusal("UnknownOperationException");
  }

  http::Response summary() const {
    return answer({{"StreamDescriptionSummary",
                    {{"StreamARN", "arn:aws:kinesis:eu-central-1:1:stream/orders"},
                     {"StreamStatus", "ACTIVE"},
                     {"RetentionPeriodHours", 24},
                     {"StreamCreationTimestamp", created_at_}}}});
  }
  http::Response list() const {
    Json shards = Json::array();
    for (const auto& shard : shards_) {
      if (shard.is_forgotten) continue;
      Json one{{"ShardId", shard.id},
               {"HashKeyRange", {{"StartingHashKey", shard.first}, {"EndingHashKey", shard.last}}}};
      if (!shard.parent.empty()) one["ParentShardId"] = shard.parent;
      if (!shard.adjacent.empty()) one["AdjacentParentShardId"] = shard.adjacent;
      shards.push_back(std::move(one));
    }
    return answer({{"Shards", shards}});
  }
  std::size_t start_of(const Shard& shard, const Json& from, const char* type,
                       const char* number) const {
    const auto what = from.at(type).get<std::string>();
    std::size_t index = shard.trimmed;
    for (; index < shard.records.size() && what != "TRIM_HORIZON"; ++index) {
      const auto& record = shard.records[index];
      if (what == "AT_TIMESTAMP" &&
          static_cast<double>(record.arrived_at.time_since_epoch().count()) / 1e6 >=
              from.at("Timestamp").get<double>() - 0.0005) {
        break;
      }
      if (what == "AT_SEQUENCE_NUMBER" && record.number >= from.at(number)) break;
      if (what == "AFTER_SEQUENCE_NUMBER" && record.number > from.at(number)) break;
    }
    return index;
  }
  const Shard* find(const std::string& id) const {
    const auto found = std::ranges::find(shards_, id, &Shard::id);
    return found == shards_.end() ? nullptr : &*found;
  }
  http::Response iterator(const Json& input) {
    const auto* shard = find(input.at("ShardId"));
    if (shard == nullptr) return refusal("ResourceNotFoundException");
    starts_.push_back(shard->id);
    const auto index = start_of(*shard, input, "ShardIteratorType", "StartingSequenceNumber");
    return answer({{"ShardIterator", token(*shard, index)}});
  }
  std::string token(const Shard& shard, std::size_t index) const {
    return fmt::format("{} {} {} {}", shard.id, index, iterator_age_, created_at_);
  }
  std::pair<Json, std::size_t> page(const Shard& shard, std::size_t index) const {
    Json records = Json::array();
    index = std::max(index, shard.trimmed);
    for (; index < shard.records.size() && records.size() < page_records_; ++index) {
      const auto& record = shard.records[index];
      std::string data;
      base::append_base64(record.data, data);
      records.push_back(
          {{"SequenceNumber", record.number},
           {"PartitionKey", record.key},
           {"Data", data},
           {"ApproximateArrivalTimestamp",
            static_cast<double>(record.arrived_at.time_since_epoch().count()) / 1e6}});
    }
    const auto behind = index < shard.records.size() ? 5000 : 0;
    return {Json{{"Records", records}, {"MillisBehindLatest", behind}}, index};
  }
  http::Response records(const Json& input) {
    std::string id;
    std::size_t index = 0;
    int age = 0;
    std::int64_t created = 0;
    std::istringstream(input.at("ShardIterator").get<std::string>()) >> id >> index >> age >>
        created;
    if (age < iterator_age_) return refusal("ExpiredIteratorException");
    const auto* shard = find(id);
    if (shard == nullptr || created != created_at_) return refusal("ResourceNotFoundException");
    auto [body, next] = page(*shard, index);
    if (!shard->is_closed || next < shard->records.size()) {
      body["NextShardIterator"] = token(*shard, next);
    }
    return answer(body);
  }
  http::Response consumer() const {
    if (!is_consumer_there_) return refusal("ResourceNotFoundException");
    return answer({{"ConsumerDescription",
                    {{"ConsumerStatus", "ACTIVE"}, {"ConsumerARN", "arn:aws:kinesis:consumer"}}}});
  }
  /// One page, and then it ends: the next subscription goes on.
  http::Response subscription(const Json& input) {
    const auto* shard = find(input.at("ShardId"));
    if (shard == nullptr) return refusal("ResourceNotFoundException");
    starts_.push_back(shard->id);
    const auto index = start_of(*shard, input.at("StartingPosition"), "Type", "SequenceNumber");
    auto [body, next] = page(*shard, index);
    if (!shard->is_closed || next < shard->records.size()) {
      body["ContinuationSequenceNumber"] = next == 0 ? "0" : shard->records[next - 1].number;
    }
    const auto kind = [](const char* type) {
      return std::vector<std::pair<std::string, std::string>>{{":message-type", "event"},
                                                              {":event-type", type}};
    };
    auto bytes = event_frame(kind("initial-response"), "{}") +
                 event_frame(kind("SubscribeToShardEvent"), body.dump());
    auto& fault = faults_["in the subscription"];
    if (fault.left > 0) {
      --fault.left;
      bytes += event_frame({{":message-type", "exception"}, {":exception-type", fault.code}}, "{}");
    }
    return {.status = 200, .body = bytes};
  }

  mutable std::mutex mutex_;
  // All below but the server: guarded by mutex_.
  std::vector<Shard> shards_;
  std::map<std::string, Fault> faults_;
  std::map<std::string, int> calls_;
  std::vector<std::string> starts_;
  std::int64_t created_at_ = 1'795'435'200;
  int iterator_age_ = 0;
  std::size_t page_records_ = 1000;
  bool is_consumer_there_ = false;
  FakeAws server_{[this](const http::Request& request) { return handle(request); }};
};

FakeKinesis::FakeKinesis() : state_(std::make_unique<State>()) {}
FakeKinesis::~FakeKinesis() = default;

std::string FakeKinesis::url() const {
  return state_->url();
}
void FakeKinesis::split(int shard) {
  state_->split(shard);
}
void FakeKinesis::merge(int shard, int other) {
  state_->merge(shard, other);
}
void FakeKinesis::put(int shard, const std::string& data, const std::string& key) {
  state_->put(shard, data, key);
}
void FakeKinesis::trim(int shard, std::size_t count) {
  state_->trim(shard, count);
}
void FakeKinesis::forget(int shard) {
  state_->forget(shard);
}
void FakeKinesis::recreate() {
  state_->recreate();
}
void FakeKinesis::fail(const std::string& operation, const std::string& code, int count,
                       int status) {
  state_->fail(operation, code, count, status);
}
void FakeKinesis::expire_iterators() {
  state_->expire_iterators();
}
void FakeKinesis::name_shards(const std::string& prefix) {
  state_->name_shards(prefix);
}
void FakeKinesis::advance(std::chrono::microseconds by) {
  state_->advance(by);
}
void FakeKinesis::limit_page(std::size_t records) {
  state_->limit_page(records);
}
int FakeKinesis::calls(const std::string& operation) const {
  return state_->calls(operation);
}
std::vector<std::string> FakeKinesis::starts() const {
  return state_->starts();
}

}  // namespace millrace::aws
