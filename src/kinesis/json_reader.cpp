#include <nlohmann/json.hpp>
#include <utility>

#include "kinesis/codec.hpp"
#include "kinesis/fault.hpp"

namespace millrace::kinesis {
namespace {

using base::Result;
using nlohmann::json;

/// Builds a Value of what nlohmann's parser, which does not recurse, tells.
class Builder final : public nlohmann::json_sax<json> {
 public:
  bool null() override { return add({}); }
  bool boolean(bool value) override {
    return add({.kind = Value::Kind::Boolean, .boolean = value});
  }
  bool number_integer(std::int64_t value) override {
    return add({.kind = Value::Kind::Integer, .integer = value});
  }
  bool number_unsigned(std::uint64_t value) override {
    if (std::in_range<std::int64_t>(value)) return number_integer(static_cast<std::int64_t>(value));
    return add({.kind = Value::Kind::Real, .real = static_cast<double>(value)});
  }
  bool number_float(double value, const std::string& /*text*/) override {
    return add({.kind = Value::Kind::Real, .real = value});
  }
  bool string(std::string& value) override {
    return add({.kind = Value::Kind::Text, .text = std::move(value)});
  }
  bool binary(json::binary_t& /*value*/) override { return false; }
  bool start_object(std::size_t /*count*/) override { return open(Value::Kind::Object); }
  bool key(std::string& value) override {
    open_.back()->keys.push_back(std::move(value));
    return true;
  }
  bool end_object() override { return close(); }
  bool start_array(std::size_t /*count*/) override { return open(Value::Kind::List); }
  bool end_array() override { return close(); }
  bool parse_error(std::size_t /*position*/, const std::string& /*token*/,
                   const json::exception& /*error*/) override {
    return false;
  }

  Value take() { return std::move(root_); }

 private:
  bool add(Value value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else {
      open_.back()->items.push_back(std::move(value));
    }
    return true;
  }
  bool open(Value::Kind kind) {
    if (open_.size() >= kDepthMax) return false;
    add({.kind = kind});
    // A container does not grow while one within it is open: the pointers stay good.
    open_.push_back(open_.empty() ? &root_ : &open_.back()->items.back());
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  Value root_;
  std::vector<Value*> open_;
};

}  // namespace

Result<Value> parse_json(std::string_view body) {
  Builder builder;
  if (!json::sax_parse(body, &builder)) {
    return fault(kSerialization, "the body is no JSON document");
  }
  return builder.take();
}

}  // namespace millrace::kinesis
