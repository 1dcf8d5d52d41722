#include "app/data_folder.hpp"

#include <gtest/gtest.h>

#include "os/sim_disk.hpp"
#include "os/test_folder.hpp"

namespace millrace::app {
namespace {

// A killed process made a folder in it and did not come to sync its name. The next one finds it,
// fills it durably, and the power goes.
TEST(DataFolder, SyncsTheNamesThatAKilledLifeLeftInIt) {
  os::TestFolder folder;
  const auto disk =
      os::SimDisk::open({.root = folder.path(), .unsynced = os::Survival::Nothing}).value();
  const auto data = folder.path() / "data";
  disk->make_directories(data).value();
  disk->make_directories(data / "sources").value();
  {
    const auto lock = take_data_folder(*disk, data);
    ASSERT_TRUE(lock) << lock.error().text();
    os::make_directories_durably(*disk, data / "sources").value();
    os::write_file(*disk, data / "sources" / "orders", "positions").value();
  }
  disk->power_cycle().value();
  const auto kept = os::read_file(*disk, data / "sources" / "orders");
  ASSERT_TRUE(kept) << kept.error().text();
  EXPECT_EQ(*kept, "positions");
}

}  // namespace
}  // namespace millrace::app
