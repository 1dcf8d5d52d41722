#include <cstdlib>

#include "base/aggregated_record.hpp"
#include "base/base64.hpp"
#include "base/md5.hpp"
#include "kinesis/names.hpp"
#include "kinesis/sequence_number.hpp"
#include "kinesis/shapes.hpp"
#include "kinesis/tokens.hpp"
#include "log/stream_file.hpp"
#include "target.hpp"

namespace millrace::fuzz {
namespace {

using kinesis::Encoding;

void require(bool holds) {
  if (!holds) std::abort();
}

/// A body, held against the inputs of some operations.
void read_body(Encoding encoding, std::string_view body) {
  for (const auto* operation :
       {"PutRecords", "ListShards", "AddTagsToStream", "SubscribeToShard"}) {
    auto value = kinesis::parse(encoding, body);
    if (!value) return;
    const auto* shape = kinesis::input_shape(operation);
    if (kinesis::check_shape(*shape, encoding, *value)) {
      require(value->kind == kinesis::Value::Kind::Object);
      for (const auto& member : shape->members) {
        require(member.need == kinesis::Need::Optional || value->find(member.name) != nullptr);
      }
    }
  }
}

void take_apart(std::string_view data);

/// A message with the right digest, which mutations would not find.
void take_message_apart(std::string_view message) {
  const auto digest = base::md5(message);
  std::string data = "\xf3\x89\x9a\xc2";
  data += message;
  data.append(digest.begin(), digest.end());
  take_apart(data);
}

void take_apart(std::string_view data) {
  const auto records = base::user_records(data);
  if (!records) return;
  require(!records->empty());
  for (const auto& record : *records) {
    require(record.data.data() >= data.data() &&
            record.data.data() + record.data.size() <= data.data() + data.size());
  }
}

/// What clients hand back; nobody knows the key.
void read_handed_back(std::string_view text) {
  const kinesis::Tokens tokens("unguessable");
  require(!tokens.open(kinesis::TokenKind::ShardIterator, text));
  if (const auto number = kinesis::SequenceNumber::parse(text)) {
    require(kinesis::SequenceNumber::parse(number->text()) == number);
  }
  if (const auto shard = kinesis::parse_shard_name(text)) {
    require(kinesis::parse_shard_name(kinesis::shard_name(*shard)) == shard);
  }
  if (const auto arn = kinesis::parse_arn(text)) require(arn->stream_arn.size() <= text.size());
  (void)kinesis::account_of(text);
  kinesis::Fields fields(text);
  (void)fields.text();
  (void)fields.number();
  if (const auto bytes = base::decode_base64(text)) {
    std::string again;
    base::append_base64(*bytes, again);
    require(base::decode_base64(again) == bytes);
  }
}

void read_stream_file(std::string_view text) {
  const auto file = log::parse_stream_file(text, base::Time{});
  if (!file) return;
  const auto again = log::parse_stream_file(log::text_of(*file), base::Time{});
  require(again && log::text_of(*again) == log::text_of(*file));
  require(file->shards.has(file->shards.route(0)));
  require(file->shards.has(file->shards.route(log::kHashKeyMax)));
}

template <std::size_t Size>
std::string literal(const char (&bytes)[Size]) {
  return {bytes, Size - 1};
}

}  // namespace

std::vector<std::string> seed_corpus() {
  const std::string everything = "ffffffffffffffffffffffffffffffff";
  return {
      R"(j{"StreamName":"o","Records":[{"Data":"QQ==","PartitionKey":"k","ExplicitHashKey":"0"}]})",
      R"(j{"StreamName":"o","Tags":{},"ShardFilter":{"Type":"AT_TIMESTAMP","Timestamp":1.5}})",
      R"(j{"ConsumerARN":"arn:aws:kinesis:a:000000000000:stream/o/consumer/c:1","ShardId":"s",)"
      R"("StartingPosition":{"Type":"LATEST"}})",
      "c\xbf\x6aStreamName\x66orders\x67Records\x9f\xa2\x64"
      "Data\x41\x01\x6cPartitionKey\x61k\xff\xff",
      literal("c\xa1\x64Tags\xa1\x61"
              "a\x61"
              "b\xc1\x1a\x00\xf9\x3c\x00"),
      literal(
          "a\xf3\x89\x9a\xc2\n\x01k\x1a\t\x08\x00\x1a\x05hello\x1a\t\x08\x00\x1a\x05world\x17\x8c"
          "Ps\xe3j\xa9\x00\xe3"
          "0\xd0\n\xc4=T\x8b"),
      literal("m\n\x01k\x12\x01"
              "7\x1a\x09\x08\x00\x10\x00\x1a\x03"
              "abc"),
      "h49680539380340684307327364188190726356325824280748097538",
      "hshardId-000000000007",
      "harn:aws:kinesis:us-east-1:000000000000:stream/orders/consumer/c:1795262400",
      "hAWS4-HMAC-SHA256 Credential=123456789012/20261121/eu-central-1/kinesis/aws4_request",
      "hAdzfbt0QYQYABQAAAAAAAABqbWFkZSQAAAAAAAAA",
      "fmillrace log 2\nincarnation 3f2504e0-4f89-41d3-9a0c-0305e82c3301\ncreated 1\nasked 1 2\n"
      "retention 3\nshard 00000000000000000000000000000000 " +
          everything + " 1 - - 4\nshard 00000000000000000000000000000000 " + everything +
          " 4 0 - -\ntag =a =%20\nconsumer =c 5\nend\n",
      "fmillrace log 1\nincarnation 3f2504e0-4f89-41d3-9a0c-0305e82c3301\nshards 3\n",
  };
}

std::vector<std::string> dictionary() {
  return {"{",     "}",       "[",        "]",        ":",          ",",    "\"",   "null",
          "1e300", "\\u0000", "\xbf",     "\x9f",     "\xff",       "\x5f", "\x7f", "\x81",
          "\xc1",  "\x1b",    "Data",     "Records",  "Tags",       "Type", "\n",   " ",
          "shard", "end\n",   "shards 9", ":stream/", "/consumer/", "=",    "%",    "-"};
}

}  // namespace millrace::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  using millrace::kinesis::Encoding;
  switch (*data) {
    case 'j':
      millrace::fuzz::read_body(Encoding::Json, input);
      break;
    case 'a':
      millrace::fuzz::take_apart(input);
      break;
    case 'm':
      millrace::fuzz::take_message_apart(input);
      break;
    case 'h':
      millrace::fuzz::read_handed_back(input);
      break;
    case 'f':
      millrace::fuzz::read_stream_file(input);
      break;
    default:
      millrace::fuzz::read_body(Encoding::Cbor, input);
  }
  return 0;
}
