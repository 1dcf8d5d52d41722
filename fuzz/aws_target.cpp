#include <cstdlib>

#include "aws/credential_source.hpp"
#include "aws/instant.hpp"
#include "aws/service_error.hpp"
#include "aws/verify.hpp"
#include "aws/xml.hpp"
#include "http/url.hpp"
#include "target.hpp"

namespace millrace::fuzz {
namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

std::string_view take_line(std::string_view& input) {
  const auto end = std::min(input.find('\n'), input.size());
  const auto line = input.substr(0, end);
  input.remove_prefix(std::min(end + 1, input.size()));
  return line;
}

/// Lines: `Authorization`, `X-Amz-Date`, the target; then the body. Nobody knows the secret.
void verify_request(std::string_view input) {
  http::Request request{.method = "POST", .headers = {{"Host", "h"}}};
  const auto authorization = take_line(input);
  if (!authorization.empty()) request.headers.add("Authorization", std::string(authorization));
  request.headers.add("X-Amz-Date", std::string(take_line(input)));
  request.target = take_line(input);
  request.body = input;
  for (const auto* service : {"kinesis", "s3"}) {
    const auto verdict = aws::verify(
        request,
        {.find_key = [](std::string_view) { return std::optional(aws::KnownKey{"unguessable"}); },
         .service = service,
         .now = *aws::parse_amz_date("20150830T123600Z")});
    const auto* refusal = std::get_if<aws::Refusal>(&verdict);
    require(refusal != nullptr && !refusal->message.empty());
  }
}

void read_answer(std::string_view input) {
  const auto document = aws::parse_xml(input);
  if (document) require(!document->name.empty());
  const auto error = aws::service_error({.status = 400, .body = std::string(input)});
  require(!error.as_error("x").message.empty());
  (void)aws::credentials_of_json(input).has_value();
}

void write_and_read_text(std::string_view input) {
  std::string text;
  for (const char c : input) {
    if (c != '\0') text += c;  // no document can hold it
  }
  const auto document = aws::parse_xml("<k>" + aws::xml_escaped(text) + "</k>");
  if (document) require(document->text == text);
}

}  // namespace

std::vector<std::string> seed_corpus() {
  const std::string scope = "AKIDEXAMPLE/20150830/us-east-1/kinesis/aws4_request";
  return {
      "vAWS4-HMAC-SHA256 Credential=" + scope +
          ", SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73e\n20150830T123600Z\n/\n{}",
      "v\n20150830T123600Z\n/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" +
          http::percent_encode(scope) +
          "&X-Amz-Date=20150830T123600Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature="
          "e9"
          "\n",
      "v\nSun, 30 Aug 2015 12:36:00 GMT\n/a%20b/../c//?x=%2F&y\nbody",
      "a<?xml version=\"1.0\"?><ListBucketResult><Name>b</Name><Prefix/><Contents><Key>a&amp;&#x41;"
      "</Key><Size>3</Size></Contents></ListBucketResult>",
      "a<ErrorResponse><Error><Code>Throttling</Code><Message>m</Message></Error></ErrorResponse>",
      R"(a{"__type":"com.amazonaws.kinesis#LimitExceededException:","message":"m"})",
      R"(a{"AccessKeyId":"A","SecretAccessKey":"s","Expiration":"2026-01-31T18:00:00Z"})",
      "ttext <with> & entities;\r\n\t\xC3\xA9",
  };
}

std::vector<std::string> dictionary() {
  return {"<",    ">",    "</",  "/>", "&",  "&#",         ";",          "<a>",
          "</a>", "<!--", "-->", "<?", "?>", "%",          "%2",         "%2F",
          "+",    "..",   "/",   "=",  "&",  ",",          ";",          " ",
          "\n",   "\"",   "{",   "}",  "[",  "Signature=", "X-Amz-Date", "AWS4-HMAC-SHA256",
          "\xFF", "Error"};
}

}  // namespace millrace::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (*data) {
    case 'v':
      millrace::fuzz::verify_request(input);
      break;
    case 't':
      millrace::fuzz::write_and_read_text(input);
      break;
    default:
      millrace::fuzz::read_answer(input);
  }
  return 0;
}
