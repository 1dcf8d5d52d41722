// Alerts.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/base64.hpp"
#include "base/text.hpp"
#include "config/read_parts.hpp"

namespace millrace::config {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kSecretBytesMin = 16;
constexpr std::int64_t kRateMax = 1'000'000;
constexpr std::string_view kWrittenSecret = "whsec_";

// Where machines in a cloud find their own keys.
bool is_metadata_host(std::string_view host) {
  return host.starts_with("169.254.") || host.starts_with("[fe80:") ||
         host.starts_with("[fd00:ec2:");
}

void read_secrets(YamlFile& file, Section& section, WebhookTarget& target) {
  if (!section.has("secret")) return;
  const auto& node = section.entry("secret").value;
  const auto place = section.place_of("secret");
  const auto is_from_environment = [](const YAML::Node& item) {
    return item.IsScalar() && item.Scalar().find("${") != std::string::npos;
  };
  const bool is_safe = node.IsSequence() ? std::ranges::all_of(node, is_from_environment)
                                         : !node.IsScalar() || is_from_environment(node);
  if (!is_safe) {
    file.fail(place,
              "secret: a secret does not belong into the file; write \"${NAME}\" and put it "
              "into that environment variable");
    return;
  }
  target.secrets = section.texts("secret");
  std::erase(target.secrets, "");
  for (const auto& secret : target.secrets) {
    std::string_view text = secret;
    if (text.starts_with(kWrittenSecret)) {
      text.remove_prefix(kWrittenSecret.size());
      if (!base::decode_base64(text)) {
        file.fail(place, "secret: what follows 'whsec_' is not base64");
      }
    }
    if (text.size() < kSecretBytesMin) {
      file.fail(place, fmt::format("secret: at least {} characters are expected; `openssl rand "
                                   "-base64 32` makes a good one",
                                   kSecretBytesMin));
    }
  }
}

std::vector<std::pair<std::string, std::string>> read_headers(YamlFile& file, Section& section) {
  std::vector<std::pair<std::string, std::string>> headers;
  for (const auto& entry : section.entries("headers", "entries `name: value` are")) {
    const auto value = file.text_of(entry);
    const bool is_name = !entry.name.empty() && std::ranges::all_of(entry.name, [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
    });
    const bool is_ours = base::equal_ignoring_case(entry.name.substr(0, 8), "webhook-") ||
                         base::equal_ignoring_case(entry.name, "content-length") ||
                         base::equal_ignoring_case(entry.name, "transfer-encoding");
    const bool is_line =
        std::ranges::none_of(value, [](unsigned char c) { return c < 0x20 || c == 0x7F; });
    if (!is_name || is_ours || !is_line) {
      file.fail(entry.place,
                fmt::format("headers: '{}' cannot be set so", base::printable(entry.name)));
    } else {
      headers.emplace_back(entry.name, value);
    }
  }
  return headers;
}

// None if the URL is empty.
std::optional<WebhookTarget> read_webhook(YamlFile& file, const Entry& entry) {
  WebhookTarget target{.timeout = 10s, .connections = 8};
  Place place = entry.value_place;
  const auto before = file.problem_count();
  if (entry.value.IsMap()) {
    Section section(file, entry, "webhook");
    target.url = section.text("url");
    place = section.place_of("url");
    read_secrets(file, section, target);
    target.headers = read_headers(file, section);
    target.timeout = section.duration("timeout");
    target.connections = section.integer("connections");
  } else {
    target.url = file.text_of(entry);
  }
  if (target.url.empty()) return std::nullopt;
  const auto problem = problem_of_url(target.url);
  if (!problem.empty() && file.problem_count() == before) {
    file.fail(place, fmt::format("webhook: '{}' {}", shown_url(target.url), problem));
  }
  return target;
}

bool is_arn(std::string_view text, std::string_view service) {
  return text.starts_with("arn:aws") &&
         text.find(fmt::format(":{}:", service)) != std::string_view::npos &&
         std::ranges::count(text, ':') >= 5;
}

// A target of a service that is named by a text; empty if the text is.
template <class Check>
std::string read_place(YamlFile& file, Section& section, const char* key, const Check& is_right,
                       std::string_view wanted) {
  if (!section.has(key)) return "";
  const auto before = file.problem_count();
  auto text = section.text(key);
  if (text.empty() || file.problem_count() > before || is_right(text)) return text;
  file.fail(section.place_of(key),
            fmt::format("{}: '{}' is not {}", key, base::printable(text), wanted));
  return "";
}

std::vector<AlertTarget> read_targets(YamlFile& file, const Entry& entry,
                                      const std::string& alert) {
  Section section(file, entry, "send");
  std::vector<AlertTarget> targets;
  const auto add = [&](const char* key, auto to) {
    targets.push_back({key, section.place_of(key), std::move(to)});
  };
  if (section.has("webhook")) {
    if (auto webhook = read_webhook(file, section.entry("webhook"))) add("webhook", *webhook);
  }
  const auto topic = read_place(
      file, section, "sns", [](const auto& text) { return is_arn(text, "sns"); },
      "the ARN of a topic, like arn:aws:sns:eu-central-1:123456789012:frauds");
  if (!topic.empty()) add("sns", SnsTarget{topic});
  const auto queue = read_place(
      file, section, "sqs",
      [](const auto& text) {
        return problem_of_url(text).empty() && std::ranges::count(text, '/') >= 4;
      },
      "the URL of a queue, like https://sqs.eu-central-1.amazonaws.com/123456789012/frauds");
  if (!queue.empty()) add("sqs", SqsTarget{queue});
  const auto stream = read_place(
      file, section, "kinesis",
      [](const auto& text) {
        return is_arn(text, "kinesis") ||
               (text.size() <= 128 && std::ranges::all_of(text, [](unsigned char c) {
                  return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-';
                }));
      },
      "the name or ARN of a stream");
  if (!stream.empty()) add("kinesis", KinesisTarget{stream});
  if (section.has("kafka")) {
    add("kafka", read_kafka_target(file, section.entry("kafka"), alert));
  }
  if (section.has("log")) {
    const auto before = file.problem_count();
    const bool is_empty = section.text("log").empty() && file.problem_count() == before;
    if (!is_empty && file.problem_count() == before) add("log", LogTarget{section.word("log")});
  }
  return targets;
}

std::optional<Rate> read_rate(YamlFile& file, Section& section) {
  if (!section.has("at_most")) return std::nullopt;
  const auto before = file.problem_count();
  const auto text = section.text("at_most");
  if (text.empty() || file.problem_count() > before) return std::nullopt;
  Rate rate;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), rate.count);
  const std::string_view unit(read.ptr, text.data() + text.size());
  if (unit == "/s") rate.per = 1s;
  if (unit == "/m") rate.per = 1min;
  if (unit == "/h") rate.per = 1h;
  if (unit == "/d") rate.per = 24h;
  if (rate.per > 0us && rate.count >= 1 && rate.count <= kRateMax) return rate;
  file.fail(section.place_of("at_most"),
            fmt::format("at_most: '{}' is no rate; `100/m` is expected, with s, m, h or d",
                        base::printable(text)));
  return std::nullopt;
}

}  // namespace

std::string problem_of_url(std::string_view url) {
  const auto scheme = url.find("://");
  const auto name = url.substr(0, scheme);
  if (scheme == std::string_view::npos || (name != "https" && name != "http")) {
    return "is no URL; `https://host/path` is expected";
  }
  const bool is_plain =
      std::ranges::all_of(url, [](unsigned char c) { return c > 0x20 && c < 0x7F; });
  if (!is_plain) return "has characters that a URL cannot have; write them as %XX";
  const auto rest = url.substr(scheme + 3);
  const auto host = rest.substr(0, rest.find_first_of("/?#"));
  if (host.empty() || host.starts_with(':')) return "has no host";
  if (host.find('@') != std::string_view::npos) {
    return "holds a user or password; they belong into keys of their own, with values from the "
           "environment";
  }
  if (is_metadata_host(host)) return "leads to the machine's own keys, nowhere else";
  return "";
}

std::string shown_url(std::string_view url) {
  return base::printable(url.substr(0, url.find('?')));
}

Alert read_alert(YamlFile& file, const Entry& entry) {
  Section section(file, entry, "alert");
  Alert alert{.name = entry.name, .place = entry.place};
  const auto before_from = file.problem_count();
  alert.from = section.text("from");
  if (section.has("from") && file.problem_count() == before_from) {
    alert.from_place = section.place_of("from");
  }
  if (section.has("when")) alert.when = section.sql("when");
  if (section.has("select")) alert.select = section.sql("select");
  if (section.has("group_by")) alert.group_by = section.sql("group_by");
  alert.wait = section.duration("wait");
  alert.every = section.duration("every");
  alert.at_most = read_rate(file, section);
  alert.retry_for = section.duration("retry_for");
  alert.is_bare = section.word("body") == "row";
  if (alert.is_bare && alert.wait > 0us) {
    file.fail(section.place_of("body"), "body: `row` holds one row; `wait` gathers several");
  }
  alert.keeps_all_rows = section.word("history") == "all";
  if (!alert.keeps_all_rows && (alert.every > 0us || alert.at_most)) {
    file.fail(section.place_of("history"),
              "history: `every` and `at_most` are kept to over restarts by the rows in `_alerts`; "
              "leave them out, or `history`");
  }
  if (section.has("send")) {
    const auto before = file.problem_count();
    alert.targets = read_targets(file, section.entry("send"), alert.name);
    if (alert.targets.empty() && file.problem_count() == before) {
      file.fail(section.place_of("send"),
                "send: nowhere to; name a webhook, sns, sqs, kinesis, kafka or log");
    }
  }
  if (section.has("dead_letter")) {
    auto targets = read_targets(file, section.entry("dead_letter"), alert.name);
    if (targets.size() > 1) {
      file.fail(section.place_of("dead_letter"), "dead_letter: one place is expected");
    } else if (!targets.empty()) {
      alert.dead_letter = std::move(targets.front());
    }
  }
  return alert;
}

}  // namespace millrace::config
