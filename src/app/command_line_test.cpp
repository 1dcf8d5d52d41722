#include "app/command_line.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::app {
namespace {

using ::testing::HasSubstr;

/// What a command line came to, without running it.
struct Parsed {
  bool is_command = false;
  Exit exit = Exit::Fine;
  std::string out;
  std::string err;
};

Parsed parse(const std::vector<std::string>& arguments) {
  Screen screen;
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const auto outcome = parse_command_line(arguments, screen);
  screen.flush();
  Parsed parsed{.out = testing::internal::GetCapturedStdout(),
                .err = testing::internal::GetCapturedStderr()};
  parsed.is_command = std::holds_alternative<Command>(outcome);
  if (!parsed.is_command) parsed.exit = std::get<Exit>(outcome);
  return parsed;
}

TEST(CommandLine, KnowsEachCommand) {
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"run", "a.yaml", "--data", "d", "--listen", "127.0.0.1:0", "--log-format", "json"},
           {"run", "a.yaml", "--tls-certificate", "c.pem", "--tls-key", "k.pem"},
           {"validate", "a.yaml", "--output", "json"},
           {"validate", "--engine", "spark", "a.yaml"},
           {"validate", "--schema"},
           {"test", "a.yaml"},
           {"doctor"},
           {"generate", "orders", "--rate", "1000", "--burst", "10x@20s/5s", "--burst",
            "2x@30s/1s"},
           {"evaluate", "a.yaml", "--duration", "10s"},
           {"query", "SELECT 1", "-p", "a=1", "-p", "b=x=y", "-o", "csv"},
           {"query", "-"},
           {"report"},
           {"report", "top", "limit=3", "day=2026-11-20"},
           {"job", "list"},
           {"job", "run", "daily", "2026-11-20"},
           {"job", "backfill", "daily", "2026-11-01", "2026-11-20", "--dry-run"},
           {"rejects", "list", "--table", "t", "--limit", "5"},
           {"rejects", "show", "t/s/0000/0/1"},
           {"rejects", "replay", "--reason", "x"},
           {"table", "maintain"},
           {"table", "maintain", "t"},
           {"table", "compact", "t", "--target-bytes", "64MiB"},
           {"status", "--data", "d"}}) {
    const auto parsed = parse(arguments);
    EXPECT_TRUE(parsed.is_command) << testing::PrintToString(arguments) << parsed.err;
  }
}

TEST(CommandLine, NamesTheNearestCommand) {
  const auto parsed = parse({"rum", "a.yaml"});
  EXPECT_EQ(parsed.exit, Exit::Usage);
  EXPECT_THAT(parsed.err, HasSubstr("no such command 'rum'"));
  EXPECT_THAT(parsed.err, HasSubstr("'run'"));
  EXPECT_THAT(parse({"job", "lits"}).err, HasSubstr("did you mean 'list'?"));
}

TEST(CommandLine, NamesTheNearestOption) {
  const auto parsed = parse({"run", "a.yaml", "--dta", "x"});
  EXPECT_EQ(parsed.exit, Exit::Usage);
  EXPECT_THAT(parsed.err, HasSubstr("no such option --dta"));
  EXPECT_THAT(parsed.err, HasSubstr("--data"));
  EXPECT_THAT(parsed.err, HasSubstr("try: millrace run --help"));
}

TEST(CommandLine, SaysWhatIsMissing) {
  EXPECT_THAT(parse({"run"}).err, HasSubstr("FILE"));
  EXPECT_THAT(parse({"validate"}).err, HasSubstr("FILE"));
  EXPECT_THAT(parse({"job", "backfill", "daily", "2026-11-01"}).err, HasSubstr("TO"));
  EXPECT_EQ(parse({"run"}).exit, Exit::Usage);
}

TEST(CommandLine, RefusesWordsThatAnOptionDoesNotKnow) {
  EXPECT_THAT(parse({"query", "SELECT 1", "--output", "xml"}).err,
              HasSubstr("'xml' is none of table|csv|json"));
  EXPECT_THAT(parse({"job", "list", "--output", "csv"}).err, HasSubstr("table|json"));
  EXPECT_THAT(parse({"run", "a", "--log-level", "loud"}).err, HasSubstr("debug|info|warn|error"));
}

TEST(CommandLine, PrintsHelpToStandardOutput) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"--help"}, {"run", "--help"}, {"job", "-h"}}) {
    const auto parsed = parse(arguments);
    EXPECT_FALSE(parsed.is_command);
    EXPECT_EQ(parsed.exit, Exit::Fine);
    EXPECT_FALSE(parsed.out.empty());
    EXPECT_TRUE(parsed.err.empty());
  }
  EXPECT_THAT(parse({"run", "--help"}).out, HasSubstr("--listen"));
  EXPECT_THAT(parse({"job", "run", "--help"}).out, HasSubstr("PARTITION"));
}

TEST(CommandLine, ShowsHelpAsWrongUsageWithoutArguments) {
  const auto parsed = parse({});
  EXPECT_EQ(parsed.exit, Exit::Usage);
  EXPECT_THAT(parsed.out, HasSubstr("evaluate"));
}

TEST(CommandLine, PrintsItsVersion) {
  EXPECT_EQ(parse({"--version"}).out, "millrace " MILLRACE_VERSION "\n");
}

TEST(CommandLine, ShowsNoControlCharactersOfWhatItWasGiven) {
  EXPECT_EQ(parse({"\x1b[31m"}).err.find('\x1b'), std::string::npos);
}

TEST(Exit, TellsWhatTheUserCanMendFromWorkThatFailed) {
  EXPECT_EQ(exit_of({base::Code::Invalid, ""}), Exit::Usage);
  EXPECT_EQ(exit_of({base::Code::NotFound, ""}), Exit::Usage);
  EXPECT_EQ(exit_of({base::Code::Denied, ""}), Exit::Usage);
  EXPECT_EQ(exit_of({base::Code::Corrupt, ""}), Exit::Failed);
  EXPECT_EQ(exit_of({base::Code::Unavailable, ""}), Exit::Failed);
}

}  // namespace
}  // namespace millrace::app
