#include <fmt/format.h>
#include <google/protobuf/compiler/parser.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/descriptor_database.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/type_resolver.h>
#include <google/protobuf/util/type_resolver_util.h>
#include <google/protobuf/wire_format_lite.h>
#include <simdjson.h>

#include <algorithm>
#include <vector>

#include "decode/unpacker.hpp"

namespace millrace::decode {
namespace {

using base::Code;
using base::Error;
using base::Result;
namespace pb = google::protobuf;
using pb::internal::WireFormatLite;

constexpr int kDepthMax = 64;  // the library's own
constexpr int kIndexesMax = 64;
// Each field of each message in a record costs a node of some 200 bytes while it becomes JSON,
// whether it is set or not, and an empty message in a list is two bytes of a record.
constexpr std::int64_t kNodesMax = std::int64_t{kUnpackedBytesMax / 200};
// What lies within an Any is not looked at: as if it were full of messages of so many fields.
constexpr std::int64_t kNodesOfAnyByte = 50;
constexpr const char* kUrlPrefix = "type.googleapis.com";

Misfit broken(std::string_view what) {
  return {"malformed", fmt::format("not a record of its schema: {}", what)};
}

/// Keeps the first complaint.
class Complaints final : public pb::io::ErrorCollector, public pb::DescriptorPool::ErrorCollector {
 public:
  void AddError(int line, pb::io::ColumnNumber column, const std::string& message) override {
    if (first_.empty()) first_ = fmt::format("{}:{}: {}", line + 1, column + 1, message);
  }
  void AddError(const std::string& file, const std::string& element, const pb::Message*,
                ErrorLocation, const std::string& message) override {
    if (first_.empty()) first_ = fmt::format("{}, {}: {}", file, element, message);
  }
  Error error(std::string_view of) const {
    return {Code::Invalid, fmt::format("'{}': {}", of, first_)};
  }

 private:
  std::string first_;
};

Result<pb::FileDescriptorProto> parse_file(const std::string& name, const std::string& text) {
  Complaints complaints;
  pb::io::ArrayInputStream input(text.data(), static_cast<int>(text.size()));
  pb::io::Tokenizer tokens(&input, &complaints);
  pb::compiler::Parser parser;
  parser.RecordErrorsTo(&complaints);
  pb::FileDescriptorProto file;
  const bool is_parsed = parser.Parse(&tokens, &file);
  if (!is_parsed) return complaints.error(name);
  file.set_name(name);
  return file;
}

/// Goes over a message before it is turned into JSON: whether it is one of its type, its texts are
/// UTF-8 (the library drops what is not), and how many nodes it takes.
class Survey {
 public:
  Survey(std::string_view body, const pb::Descriptor& type)
      : in_(reinterpret_cast<const std::uint8_t*>(body.data()), static_cast<int>(body.size())),
        type_(type) {
    in_.PushLimit(static_cast<int>(body.size()));
  }

  Fit misfit() {
    const bool is_sound = look(type_, 0);
    if (nodes_ > kNodesMax) {
      return Misfit{"too_large", fmt::format("it takes more than {} fields", kNodesMax)};
    }
    if (!is_utf8_) return Misfit{"invalid_utf8", "a string is not UTF-8"};
    if (!is_sound) return broken(fmt::format("not a {}", type_.full_name()));
    return std::nullopt;
  }

 private:
  bool look(const pb::Descriptor& type, int depth) {
    if (depth > kDepthMax) return false;
    nodes_ += type.field_count() + 1;
    const bool is_any = type.well_known_type() == pb::Descriptor::WELLKNOWNTYPE_ANY;
    if (is_any) nodes_ += kNodesOfAnyByte * in_.BytesUntilLimit();
    while (nodes_ <= kNodesMax && is_utf8_) {
      const auto tag = in_.ReadTag();
      if (tag == 0) return in_.ConsumedEntireMessage();
      nodes_ += 1;
      const auto* field = type.FindFieldByNumber(WireFormatLite::GetTagFieldNumber(tag));
      const bool is_counted =
          WireFormatLite::GetTagWireType(tag) == WireFormatLite::WIRETYPE_LENGTH_DELIMITED;
      const auto kind = field == nullptr ? pb::FieldDescriptor::TYPE_BYTES : field->type();
      if (kind == pb::FieldDescriptor::TYPE_GROUP) nodes_ += field->message_type()->field_count();
      if (is_counted && kind == pb::FieldDescriptor::TYPE_MESSAGE) {
        if (!look_into(*field->message_type(), depth)) return false;
      } else if (is_counted && kind == pb::FieldDescriptor::TYPE_STRING) {
        if (!look_at_text()) return false;
      } else if (!WireFormatLite::SkipField(&in_, tag)) {
        return false;
      }
    }
    return true;
  }

  bool read_size(std::uint32_t& size) {
    return in_.ReadVarint32(&size) && size <= static_cast<std::uint32_t>(in_.BytesUntilLimit());
  }

  bool look_into(const pb::Descriptor& type, int depth) {
    std::uint32_t size = 0;
    if (!read_size(size)) return false;
    const auto limit = in_.PushLimit(static_cast<int>(size));
    if (!look(type, depth + 1)) return false;
    in_.PopLimit(limit);
    return true;
  }

  bool look_at_text() {
    std::uint32_t size = 0;
    if (!read_size(size) || !in_.ReadString(&text_, static_cast<int>(size))) return false;
    is_utf8_ = simdjson::validate_utf8(text_.data(), text_.size());
    return true;
  }

  pb::io::CodedInputStream in_;
  const pb::Descriptor& type_;
  std::int64_t nodes_ = 0;
  bool is_utf8_ = true;
  std::string text_;
};

class ProtobufUnpacker final : public Unpacker {
 public:
  static Result<std::unique_ptr<Unpacker>> make(const WriterSchema& schema) {
    static pb::LogHandler* const silenced = pb::SetLogHandler(nullptr);  // it writes to stderr
    (void)silenced;
    auto made = std::make_unique<ProtobufUnpacker>();
    std::vector<std::pair<std::string, std::string>> files;
    for (const auto& reference : schema.references) {
      files.emplace_back(reference.name, reference.text);
    }
    files.emplace_back("the record's schema", schema.text);
    for (const auto& [name, text] : files) {
      if (!made->ours_.Add(TRY(parse_file(name, text)))) {
        return Error{Code::Invalid, fmt::format("'{}' declares what another file does", name)};
      }
    }
    made->file_ = made->pool_.FindFileByName(files.back().first);
    if (made->file_ == nullptr) return made->complaints_.error("the record's schema");
    return std::unique_ptr<Unpacker>(std::move(made));
  }

  Fit unpack(std::string_view body, std::string& json) override {
    pb::io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(body.data()),
                                static_cast<int>(body.size()));
    const pb::Descriptor* type = nullptr;
    if (auto misfit = read_type(in, type)) return misfit;
    body.remove_prefix(static_cast<std::size_t>(in.CurrentPosition()));
    if (auto misfit = Survey(body, *type).misfit()) return misfit;
    pb::util::JsonPrintOptions options;
    options.always_print_primitive_fields = true;  // in proto3 what is not there is the default
    options.preserve_proto_field_names = true;
    std::string text;
    const auto done = pb::util::BinaryToJsonString(
        resolver_.get(), fmt::format("{}/{}", kUrlPrefix, type->full_name()), std::string(body),
        &text, options);
    if (!done.ok()) return broken(done.message().ToString());
    json += text;
    return std::nullopt;
  }

 private:
  // Which message of the file it is: the path of its declaration, a list of indexes; none means the
  // first. Source: "Wire format" in the documentation of Confluent's Schema Registry.
  Fit read_type(pb::io::CodedInputStream& in, const pb::Descriptor*& type) const {
    const auto read = [&](std::int64_t& value) {
      std::uint64_t bits = 0;
      if (!in.ReadVarint64(&bits)) return false;
      value = WireFormatLite::ZigZagDecode64(bits);
      return true;
    };
    std::int64_t count = 0;
    if (!read(count) || count < 0 || count > kIndexesMax) return broken("no list of indexes");
    std::int64_t index = 0;
    for (std::int64_t i = 0; i < std::max<std::int64_t>(count, 1); ++i) {
      if (count > 0 && !read(index)) return broken("no list of indexes");
      const auto size = type == nullptr ? file_->message_type_count() : type->nested_type_count();
      if (index < 0 || index >= size) return broken(fmt::format("no message {}", index));
      const auto at = static_cast<int>(index);
      type = type == nullptr ? file_->message_type(at) : type->nested_type(at);
    }
    return std::nullopt;
  }

  pb::SimpleDescriptorDatabase ours_;
  pb::DescriptorPoolDatabase known_{*pb::DescriptorPool::generated_pool()};  // google/protobuf/…
  pb::MergedDescriptorDatabase all_{&ours_, &known_};
  Complaints complaints_;
  pb::DescriptorPool pool_{&all_, &complaints_};
  std::unique_ptr<pb::util::TypeResolver> resolver_{
      pb::util::NewTypeResolverForDescriptorPool(kUrlPrefix, &pool_)};
  const pb::FileDescriptor* file_ = nullptr;
};

}  // namespace

Result<std::unique_ptr<Unpacker>> make_protobuf_unpacker(const WriterSchema& schema) {
  return ProtobufUnpacker::make(schema);
}

}  // namespace millrace::decode
