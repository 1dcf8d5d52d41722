// What a power cut at every call leaves of a files source: docs/how_to/test_a_crash.md. The files
// that it reads lie on another disk; what may be lost is what it knows of them.

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "log/test_stream.hpp"
#include "os/sim_disk.hpp"
#include "source/file_reader.hpp"
#include "source/files_source.hpp"
#include "source/test_files.hpp"

namespace millrace::source {
namespace {

using base::Offset;
using os::Survival;
using namespace std::chrono_literals;

/// A reader that commits what it was given, with the position, as a table would.
class FilesCrash {
 public:
  FilesCrash(Survival unsynced, std::uint64_t seed) {
    CHECK(real_.make_directories(data_).has_value());
    CHECK(real_.make_directories(folder_.path() / "disk").has_value());
    disk = os::SimDisk::open({.root = folder_.path() / "disk", .seed = seed, .unsynced = unsynced})
               .value();
    config_.name = "orders";
    config_.from = config::FilesSource{.glob = (data_ / "*.ndjson").string()};
    config_.schema.push_back({.name = "a"});
  }

  // A life up to the power cut, or to its end. False: it was cut.
  bool live() {
    if (!open()) return false;
    while (step_ < kSteps) {
      happen(step_++);
      if (!read_on()) return false;
    }
    return true;
  }
  void put_more() {
    if (step_ < kSteps) happen(step_++);
  }
  void put_the_rest() {
    while (step_ < kSteps) happen(step_++);
  }
  bool open() {
    source_.reset();
    auto opened = open_files_source(config_, open_local_files(config_, *disk).value(),
                                    folder_.path() / "disk" / "orders", tools_.on(*disk));
    if (!opened) return false;
    source_ = std::move(opened).value();
    EXPECT_TRUE(committed_.empty() || source_->incarnation() == incarnation_);
    incarnation_ = source_->incarnation();
    return true;
  }
  bool read_on() {
    tools_.clock.advance(1s);
    for (;;) {
      const auto before = committed_.size();
      if (!read_some(1'000'000)) return false;
      if (committed_.size() == before) return true;
    }
  }
  bool read_some(std::uint64_t bytes_max) {
    auto batch = source_->read(base::ShardId(0), position_, bytes_max);
    if (!batch) {
      why = batch.error().text();
      return false;
    }
    for (const auto& record : batch->records) take(record.offset, std::string(record.bytes));
    position_ = batch->next;
    return true;
  }
  // Each record of each file was committed once, and no ordinal belongs to two files.
  void check(const std::string& when) const {
    std::set<std::string> found;
    for (const auto& [offset, body] : committed_) {
      EXPECT_TRUE(found.insert(body).second) << when << ": twice " << body;
    }
    EXPECT_EQ(found, put_) << when;
  }

  std::unique_ptr<os::SimDisk> disk;
  std::string why;

 private:
  static constexpr int kSteps = 6;

  void happen(int step) {
    switch (step) {
      case 0:
        return put("1", 3);
      case 1:
        return put("2", 2), put("3", 1);
      case 2:
        return grow("3");
      case 3:
        return put("4", 2);
      case 4:
        // Only what was read to its end may be taken away.
        if (position_ >= position_of(3, 0)) std::filesystem::remove(data_ / "1.ndjson");
        return;
      default:
        return put("0", 1);  // a name before the others: it comes last all the same
    }
  }
  void put(const std::string& name, int count) {
    std::string bytes;
    for (int i = 0; i < count; ++i) bytes += promise(name, i);
    put_file(real_, data_ / (name + ".ndjson"), bytes);
  }
  void grow(const std::string& name) {
    const auto file = real_.open(data_ / (name + ".ndjson"), os::OpenMode::Append).value();
    EXPECT_TRUE(file->append(promise(name, 9)));
  }
  std::string promise(const std::string& name, int number) {
    const auto body = fmt::format("{}:{}", name, number);
    put_.insert(body);
    return body + "\n";
  }
  void take(Offset offset, const std::string& body) {
    EXPECT_TRUE(committed_.emplace(offset, body).second) << "a position was given twice: " << body;
    const auto name = body.substr(0, body.find(':'));
    const auto ordinal = offset.value() >> kByteBits;
    const auto [known, is_new] = name_of_.emplace(ordinal, name);
    EXPECT_EQ(known->second, name) << "ordinal " << ordinal;
  }

  os::TestFolder folder_;
  const os::Path data_ = folder_.path() / "data";
  os::RealDisk real_;
  log::TestTools tools_;
  config::Source config_;
  std::unique_ptr<Source> source_;
  int step_ = 0;
  std::set<std::string> put_;
  // As a table would have it.
  std::map<Offset, std::string> committed_;
  std::map<std::int64_t, std::string> name_of_;
  std::string incarnation_;
  Offset position_{0};
};

std::uint64_t calls_of_a_life() {
  FilesCrash uncut(Survival::Nothing, 1);
  EXPECT_TRUE(uncut.live()) << uncut.why;
  uncut.check("uncut");
  EXPECT_GT(uncut.disk->calls(), 20U);
  return uncut.disk->calls();
}

TEST(FilesSourceCrash, EachRecordIsGivenOnceAtItsPositionAfterACutAtAnyCall) {
  const auto calls = calls_of_a_life();
  for (const auto survival : {Survival::Nothing, Survival::Random, Survival::Everything}) {
    for (std::uint64_t nth = 1; nth <= calls && !testing::Test::HasFailure(); ++nth) {
      const auto when = fmt::format("survival {} cut at {}", static_cast<int>(survival), nth);
      FilesCrash crash(survival, nth);
      crash.disk->cut_at(nth);
      (void)crash.live();
      ASSERT_TRUE(crash.disk->power_cycle());
      crash.put_the_rest();
      ASSERT_TRUE(crash.open() && crash.read_on()) << when << ": " << crash.why;
      crash.check(when);
      ASSERT_TRUE(crash.open()) << when << ", again";
    }
  }
}

// The successor of a killed process relies on what it finds, synced or not, for the first record
// that it reads or for all; then the power goes.
TEST(FilesSourceCrash, ASuccessorOfAKilledLifeSyncsWhatItReliesOn) {
  const auto calls = calls_of_a_life();
  for (const bool reads_all : {false, true}) {
    for (std::uint64_t nth = 1; nth <= calls && !testing::Test::HasFailure(); ++nth) {
      const auto when = fmt::format("killed at {}", nth);
      FilesCrash crash(Survival::Nothing, nth);
      crash.disk->cut_at(nth);
      (void)crash.live();
      crash.disk->kill_cycle();
      crash.put_more();
      ASSERT_TRUE(crash.open()) << when;
      ASSERT_TRUE(reads_all ? crash.read_on() : crash.read_some(1)) << when << ": " << crash.why;
      ASSERT_TRUE(crash.disk->power_cycle());
      crash.put_the_rest();
      ASSERT_TRUE(crash.open() && crash.read_on()) << when << ": " << crash.why;
      crash.check(when);
    }
  }
}

}  // namespace
}  // namespace millrace::source
