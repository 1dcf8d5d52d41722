#include "source/files_source.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "log/test_stream.hpp"
#include "os/fault_disk.hpp"
#include "source/file_reader.hpp"
#include "source/test_files.hpp"

namespace millrace::source {
namespace {

using base::Code;
using base::Offset;
using base::Result;
using base::ShardId;
using testing::ElementsAre;
using testing::HasSubstr;
using namespace std::chrono_literals;
using Bodies = std::vector<std::string>;

class FilesSourceTest : public testing::Test {
 protected:
  FilesSourceTest() {
    config_.name = "orders";
    config_.from = config::FilesSource{.glob = (data_ / "*.ndjson*").string()};
    for (const auto* name : {"a", "b", "c"}) config_.schema.push_back({.name = name});
    EXPECT_TRUE(disk_.make_directories(data_));
  }
  void put(const std::string& name, const std::string& bytes) {
    put_file(disk_, data_ / name, bytes);
  }
  void grow(const std::string& name, const std::string& bytes) {
    const auto file = disk_.open(data_ / name, os::OpenMode::Append);
    EXPECT_TRUE((*file)->append(bytes));
  }
  Result<std::unique_ptr<Source>> try_open() {
    return open_files_source(config_, TRY(open_local_files(config_, faults_)), state_,
                             tools_.on(faults_));
  }
  void open() {
    source_.reset();
    auto opened = try_open();
    ASSERT_TRUE(opened) << opened.error().text();
    source_ = std::move(opened).value();
  }
  // Reads from position_ on, remembering where it came to.
  Result<Bodies> read(std::uint64_t bytes_max = 1'000'000) {
    auto batch = TRY(source_->read(ShardId(0), position_, bytes_max));
    Bodies bodies;
    for (const auto& record : batch.records) {
      EXPECT_GE(record.offset, position_);
      EXPECT_GE(record.offset, last_);
      last_ = record.offset.next();
      EXPECT_LT(record.offset, batch.next);
      bodies.emplace_back(record.bytes);
    }
    position_ = batch.next;
    return bodies;
  }
  Bodies read_all(std::uint64_t bytes_max = 1'000'000) {
    Bodies all;
    for (;;) {
      const auto bodies = read(bytes_max);
      EXPECT_TRUE(bodies) << bodies.error().text();
      if (!bodies || bodies->empty()) return all;
      all.insert(all.end(), bodies->begin(), bodies->end());
    }
  }
  bool has_more() {
    const std::vector<Offset> positions = {position_};
    return source_->wait_beyond(positions, 0us, {});
  }
  void second_passes() { tools_.clock.advance(1s); }

  os::TestFolder folder_;
  os::Path data_ = folder_.path() / "data";
  os::Path state_ = folder_.path() / "state" / "orders";
  os::RealDisk disk_;
  os::FaultDisk faults_{disk_};
  log::TestTools tools_;
  config::Source config_;
  std::unique_ptr<Source> source_;
  Offset position_{0};
  Offset last_{0};
};

TEST_F(FilesSourceTest, ReadsMatchingFilesOldestNameFirst) {
  put("2.ndjson", "c\nd");
  put("1.ndjson", "a\n\nb\r\n");
  put("1.csv", "x\n");
  put(".hidden.ndjson", "x\n");
  put("3.ndjson", "");
  ASSERT_TRUE(disk_.make_directories(data_ / "folder.ndjson"));
  open();
  EXPECT_TRUE(has_more());
  EXPECT_EQ(read_all(), (Bodies{"a", "b", "c", "d"}));
  EXPECT_FALSE(has_more());
  EXPECT_EQ(position_, position_of(1, 3));
  EXPECT_EQ(source_->end(ShardId(0)), position_);
  EXPECT_EQ(source_->shard_count(), 1);
  EXPECT_TRUE(source_->release({}));
}

TEST_F(FilesSourceTest, APositionIsOrdinalAndByte) {
  put("1.ndjson", "a\n\nbb\n");
  put("2.ndjson", "c\n");
  open();
  const auto first = source_->read(ShardId(0), Offset(0), 1'000'000).value();
  ASSERT_EQ(first.records.size(), 2);
  EXPECT_EQ(first.records[0].offset, Offset(0));
  EXPECT_EQ(first.records[1].offset, Offset(3));
  EXPECT_EQ(first.records[1].received_at, tools_.clock.now());
  EXPECT_EQ(first.next, Offset(6));
  const auto second = source_->read(ShardId(0), first.next, 1'000'000).value();
  EXPECT_EQ(second.records[0].offset, Offset(std::int64_t{1} << 40));
}

TEST_F(FilesSourceTest, GoesOnWhereItWasAfterARestartInTheMiddle) {
  Bodies expected;
  std::string text;
  for (int i = 0; i < 50'000; ++i) {
    expected.push_back("record " + std::to_string(i));
    text += expected.back() + "\n";
  }
  for (const auto* name : {"a.ndjson", "a.ndjson.gz", "a.ndjson.zst"}) {
    SCOPED_TRACE(name);
    std::filesystem::remove_all(data_);
    std::filesystem::remove_all(state_);
    ASSERT_TRUE(disk_.make_directories(data_));
    const std::string_view view = name;
    put(name, view.ends_with("gz") ? gzip(text) : view.ends_with("zst") ? zstd(text) : text);
    position_ = last_ = Offset(0);
    Bodies all;
    std::string incarnation;
    while (all.size() < expected.size()) {
      open();
      if (incarnation.empty()) incarnation = source_->incarnation();
      EXPECT_EQ(source_->incarnation(), incarnation);
      EXPECT_TRUE(has_more());
      const auto bodies = read(100'000).value();
      ASSERT_FALSE(bodies.empty());
      all.insert(all.end(), bodies.begin(), bodies.end());
    }
    EXPECT_EQ(all, expected);
    EXPECT_TRUE(read_all().empty());
    open();
    EXPECT_FALSE(has_more());
    EXPECT_EQ(position_, position_of(0, text.size()));
  }
}

TEST_F(FilesSourceTest, FindsNewFilesEachSecondAndKeepsTheirOrder) {
  open();
  EXPECT_FALSE(has_more());
  put("5.ndjson", "a\n");
  EXPECT_FALSE(has_more()) << "looked for a moment ago";
  second_passes();
  EXPECT_TRUE(has_more());
  EXPECT_EQ(read_all(), Bodies{"a"});
  put("4.ndjson", "b\n");
  second_passes();
  EXPECT_EQ(read_all(), Bodies{"b"}) << "an older name that came later is read later";
  open();
  position_ = last_ = Offset(0);
  EXPECT_EQ(read_all(), (Bodies{"a", "b"})) << "and again so after a restart";
}

TEST_F(FilesSourceTest, WakesUpWhenAFileComes) {
  const base::SystemClock clock;
  const log::Tools tools{disk_, clock, tools_.random, {tools_.lines, tools_.metrics}};
  auto store = open_local_files(config_, disk_).value();
  source_ = open_files_source(config_, std::move(store), state_, tools).value();
  const std::vector<Offset> start = {Offset(0)};
  std::stop_source stop;
  stop.request_stop();
  EXPECT_FALSE(source_->wait_beyond(start, 1h, stop.get_token()));
  std::jthread writer([&] { put("1.ndjson", "a\n"); });
  EXPECT_TRUE(source_->wait_beyond(start, 1h, {}));
}

TEST_F(FilesSourceTest, AnEndOfBlankLinesOrAnEmptyPackedFileIsNothingToRead) {
  put("1.ndjson", "a\n\n\n");
  put("2.ndjson.gz", gzip(""));
  put("3.ndjson", " \n");
  open();
  EXPECT_EQ(read().value(), Bodies{"a"});
  EXPECT_EQ(position_, Offset(4));
  const Offset before = position_;
  EXPECT_EQ(read().value(), Bodies{});
  position_ = before;
  EXPECT_FALSE(has_more()) << "also for one who stays where the last record ended";
}

TEST_F(FilesSourceTest, AFileThatGrowsIsReadOnUntilALaterOneIsBegun) {
  put("1.ndjson", "a\n");
  open();
  EXPECT_EQ(read_all(), Bodies{"a"});
  grow("1.ndjson", "b\n");
  second_passes();
  EXPECT_TRUE(has_more());
  EXPECT_EQ(read_all(), Bodies{"b"});
  grow("1.ndjson", "c\n");
  put("2.ndjson", "d\n");
  second_passes();
  EXPECT_EQ(read_all(), (Bodies{"c", "d"}));
  grow("1.ndjson", "too late\n");
  second_passes();
  EXPECT_FALSE(has_more());
  open();
  position_ = last_ = Offset(0);
  EXPECT_EQ(read_all(), (Bodies{"a", "b", "c", "d"})) << "the same again";
}

TEST_F(FilesSourceTest, APackedFileMayGrowByAMember) {
  put("1.ndjson.gz", gzip("a\n"));
  open();
  EXPECT_EQ(read_all(), Bodies{"a"});
  grow("1.ndjson.gz", gzip("b\n"));
  second_passes();
  EXPECT_EQ(read_all(), Bodies{"b"});
  open();
  EXPECT_FALSE(has_more());
}

TEST_F(FilesSourceTest, AFileThatWasReadMayBeTakenAway) {
  put("1.ndjson", "a\n");
  put("2.ndjson.gz", gzip("b\n"));
  open();
  EXPECT_EQ(read_all(), (Bodies{"a", "b"}));
  std::filesystem::remove(data_ / "1.ndjson");
  std::filesystem::remove(data_ / "2.ndjson.gz");
  open();
  EXPECT_FALSE(has_more());
  EXPECT_EQ(read_all(), Bodies{});
  put("3.ndjson", "c\n");
  second_passes();
  EXPECT_EQ(read_all(), Bodies{"c"});
}

TEST_F(FilesSourceTest, AFileThatVanishedBeforeItWasReadIsAClearError) {
  put("1.ndjson", "a\nb\n");
  open();
  std::filesystem::remove(data_ / "1.ndjson");
  const auto bodies = read();
  ASSERT_FALSE(bodies);
  EXPECT_EQ(bodies.error().code, Code::NotFound);
  EXPECT_THAT(bodies.error().text(), HasSubstr("1.ndjson"));
  EXPECT_THAT(bodies.error().text(), HasSubstr("put it back"));
  put("1.ndjson", "a\nb\n");
  EXPECT_EQ(read_all(), (Bodies{"a", "b"}));
}

TEST_F(FilesSourceTest, AFileThatChangedStopsUntilTheOldOneIsBack) {
  for (const auto& [bytes, how] : std::vector<std::pair<std::string, std::string>>{
           {"x\nb\n", "begins with other bytes"}, {"a\n", "it had 4 bytes, now it has 2"}}) {
    std::filesystem::remove_all(state_);
    put("1.ndjson", "a\nb\n");
    position_ = last_ = Offset(0);
    open();
    EXPECT_EQ(read_all(), (Bodies{"a", "b"}));
    put("1.ndjson", bytes);
    second_passes();
    EXPECT_TRUE(has_more()) << "so that the error is seen";
    const auto bodies = read();
    ASSERT_FALSE(bodies);
    EXPECT_EQ(bodies.error().code, Code::Corrupt);
    EXPECT_THAT(bodies.error().text(), HasSubstr(how));
    put("1.ndjson", "a\nb\n");
    second_passes();
    EXPECT_EQ(read_all(), Bodies{});
  }
}

TEST_F(FilesSourceTest, CsvRowsComeInTheSchemasOrder) {
  config_.format = config::Format::Csv;
  config_.from = config::FilesSource{.glob = (data_ / "*.csv").string()};
  put("1.csv",
      "\xEF\xBB\xBF"
      "a,b,c\n1,\"x\ny\",3\n");
  put("2.csv", "c,a\n3,1\n\n\"4,5\",\"x\"\"y\"\nonly one\n");
  put("3.csv", "b\n2");
  const auto misfit = "only one" + std::string("\0header:2", 9);
  open();
  EXPECT_EQ(read_all(), (Bodies{"1,\"x\ny\",3", "1,,3", "\"x\"\"y\",,\"4,5\"", misfit, ",2,"}));
  open();
  position_ = position_of(1, 8);
  last_ = position_;
  EXPECT_EQ(read().value(), (Bodies{"\"x\"\"y\",,\"4,5\"", misfit})) << "the header is kept";
}

TEST_F(FilesSourceTest, ABadCsvHeaderNamesTheFileUnlessThereIsNone) {
  config_.format = config::Format::Csv;
  config_.from = config::FilesSource{.glob = (data_ / "*.csv").string(), .header = false};
  put("1.csv", "x,y\n1,2\n");
  open();
  EXPECT_EQ(read_all(), (Bodies{"x,y", "1,2"}));
  config_.from = config::FilesSource{.glob = (data_ / "*.csv").string()};
  position_ = last_ = Offset(0);
  open();
  const auto bodies = read();
  ASSERT_FALSE(bodies);
  EXPECT_EQ(bodies.error().code, Code::Invalid);
  EXPECT_THAT(bodies.error().text(), HasSubstr("1.csv"));
}

TEST_F(FilesSourceTest, AJsonArrayIsReadElementByElement) {
  std::string array = "[";
  Bodies expected;
  for (int i = 0; i < 20'000; ++i) {
    expected.push_back("{\"n\": " + std::to_string(i) + "}");
    array += (i > 0 ? ",\n " : "") + expected.back();
  }
  put("1.ndjson", array + "]\n");
  Bodies all;
  while (all.size() < expected.size()) {
    open();
    const auto bodies = read(70'000).value();
    ASSERT_FALSE(bodies.empty());
    all.insert(all.end(), bodies.begin(), bodies.end());
  }
  EXPECT_EQ(all, expected);
  open();
  EXPECT_EQ(read_all(), Bodies{});
  put("2.ndjson", "[{},");
  second_passes();
  EXPECT_EQ(read().value(), Bodies{"{}"});
  EXPECT_THAT(read().error().text(), HasSubstr("2.ndjson, byte 3: the array is not closed"));
}

TEST_F(FilesSourceTest, ARecordAboveTheLimitNamesFileAndByte) {
  put("1.ndjson", "a\n" + std::string(kRecordBytesMax, 'x') + "\n" +
                      std::string(kRecordBytesMax + 1, 'y') + "\n");
  open();
  EXPECT_EQ(read().value(), Bodies{"a"});
  EXPECT_EQ(read().value().at(0).size(), kRecordBytesMax);
  const auto bodies = read();
  ASSERT_FALSE(bodies);
  EXPECT_EQ(bodies.error().code, Code::Invalid);
  EXPECT_THAT(bodies.error().text(), HasSubstr("1.ndjson"));
  EXPECT_THAT(bodies.error().text(), HasSubstr(std::to_string(kRecordBytesMax + 3)));
}

TEST_F(FilesSourceTest, NothingIsGivenOutThatWasNotRememberedFirst) {
  open();
  put("1.ndjson", "a\n");
  faults_.fail({.call = os::DiskCall::Sync, .nth = 1});
  second_passes();
  EXPECT_FALSE(has_more());
  EXPECT_EQ(read_all(), Bodies{});
  second_passes();
  EXPECT_EQ(read_all(), Bodies{"a"}) << "the journal was written anew";
}

TEST_F(FilesSourceTest, ATornJournalLineIsForgottenADamagedOneIsCorrupt) {
  put("1.ndjson", "a\n");
  put("2.ndjson", "b\n");
  open();
  EXPECT_EQ(read().value(), Bodies{"a"});
  source_.reset();
  const os::Path path = state_ / "files";
  const std::string journal = os::read_file(disk_, path).value();
  ASSERT_TRUE(os::write_file(disk_, path, journal.substr(0, journal.size() - 5)));
  open();
  EXPECT_EQ(read_all(), Bodies{"b"}) << "it was found again";
  source_.reset();
  std::string damaged = journal;
  damaged[journal.find("found") + 8] ^= 1;
  ASSERT_TRUE(os::write_file(disk_, path, damaged));
  const auto opened = try_open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::Corrupt);
  EXPECT_THAT(opened.error().text(), HasSubstr("files:2"));
}

TEST_F(FilesSourceTest, APositionThatItNeverGaveIsRefused) {
  put("1.ndjson", "a\n");
  open();
  for (const Offset position : {position_of(5, 0), position_of(1, 1), position_of(0, 100)}) {
    EXPECT_EQ(source_->read(ShardId(0), position, 100).error().code, Code::Corrupt);
  }
}

TEST_F(FilesSourceTest, RefusesAGlobOfSeveralFoldersAndAFolderThatIsNotThere) {
  config_.from = config::FilesSource{.glob = (folder_.path() / "*" / "*.ndjson").string()};
  EXPECT_EQ(try_open().error().code, Code::Invalid);
  config_.from = config::FilesSource{.glob = (folder_.path() / "none" / "*.ndjson").string()};
  const auto opened = try_open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::NotFound);
  EXPECT_THAT(opened.error().text(), HasSubstr("none"));
  config_.from = config::LogSource{};
  EXPECT_EQ(try_open().error().code, Code::Invalid);
}

}  // namespace
}  // namespace millrace::source
