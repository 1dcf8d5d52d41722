#include "os/sim_disk.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

namespace millrace::os {

using base::Code;
using base::Error;
using base::Result;

namespace {

Error power_is_off() {
  return {Code::Unavailable, "the power is off"};
}

Result<std::string> bytes_from(const File& file, std::uint64_t offset) {
  std::string bytes(file.size() > offset ? file.size() - offset : 0, '\0');
  bytes.resize(TRY(file.read_at(offset, bytes.data(), bytes.size())));
  return bytes;
}

}  // namespace

class SimFile final : public File {
 public:
  SimFile(SimDisk& disk, std::unique_ptr<File> file, Path path, std::uint64_t node)
      : disk_(disk),
        file_(std::move(file)),
        path_(std::move(path)),
        node_(node),
        life_(disk.life_) {}

  Result<void> append(std::string_view bytes) override {
    const std::lock_guard lock(disk_.mutex_);
    TRY(disk_.need_power(life_));
    const auto step = disk_.count_call();
    if (step == SimDisk::Step::Go) return file_->append(bytes);
    if (step == SimDisk::Step::GoThenFail) {
      TRY(file_->append(bytes.substr(0, disk_.random_.below(bytes.size() + 1))));
    }
    return power_is_off();
  }

  Result<std::size_t> read_at(std::uint64_t offset, char* into, std::size_t size) const override {
    const std::lock_guard lock(disk_.mutex_);
    TRY(disk_.need_power(life_));
    return file_->read_at(offset, into, size);
  }

  Result<void> sync() override {
    const std::lock_guard lock(disk_.mutex_);
    TRY(disk_.need_power(life_));
    return disk_.counted([&]() -> Result<void> {
      auto& node = disk_.nodes_[node_];
      node.bytes.resize(std::min(node.bytes.size(), node.intact));
      node.bytes += TRY(bytes_from(*file_, node.bytes.size()));
      node.intact = ~std::uint64_t{0};
      return {};
    });
  }

  Result<void> truncate(std::uint64_t size) override {
    const std::lock_guard lock(disk_.mutex_);
    TRY(disk_.need_power(life_));
    return disk_.counted([&]() -> Result<void> {
      TRY(file_->truncate(size));
      auto& intact = disk_.nodes_[node_].intact;
      intact = std::min(intact, size);
      return {};
    });
  }

  std::uint64_t size() const override { return file_->size(); }

 private:
  SimDisk& disk_;
  const std::unique_ptr<File> file_;
  const Path path_;
  const std::uint64_t node_;
  const std::uint64_t life_;
};

SimDisk::SimDisk(const SimDiskOptions& options)
    : root_(options.root), unsynced_(options.unsynced), random_(options.seed) {}

Result<std::unique_ptr<SimDisk>> SimDisk::open(const SimDiskOptions& options) {
  std::unique_ptr<SimDisk> disk(new SimDisk(options));
  TRY(disk->real_.make_directories(options.root));
  TRY(disk->keep_all(options.root));
  return disk;
}

void SimDisk::cut_at(std::uint64_t nth_call) {
  const std::lock_guard lock(mutex_);
  cut_at_ = nth_call;
}

std::uint64_t SimDisk::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

bool SimDisk::is_off() const {
  const std::lock_guard lock(mutex_);
  return is_off_;
}

Result<void> SimDisk::power_cycle() {
  const std::lock_guard lock(mutex_);
  live_paths_.clear();
  TRY(find_live(root_));
  const bool names_survive =
      unsynced_ == Survival::Everything || (unsynced_ == Survival::Random && random_.below(4) == 0);
  if (names_survive) {
    const auto live = live_paths_;
    for (const auto& [node, path] : live) {
      if (nodes_[node].is_directory) TRY(keep_names(path));
    }
  }
  std::vector<Survivor> survivors;
  const auto root = TRY(node_at(root_));
  TRY(collect_survivors(root, root_, survivors));

  for (const auto& entry : TRY(real_.list(root_))) {
    const Path path = root_ / entry.name;
    TRY(entry.is_directory ? remove_all(real_, path) : real_.remove(path));
  }
  for (const auto& survivor : survivors) {
    if (survivor.is_directory) {
      TRY(real_.make_directories(survivor.path));
    } else {
      const auto file = TRY(real_.open(survivor.path, OpenMode::CreateNew));
      TRY(file->append(survivor.bytes));
    }
  }
  known_.clear();
  nodes_.clear();
  live_paths_.clear();
  TRY(keep_all(root_));
  switch_on();
  return {};
}

void SimDisk::kill_cycle() {
  const std::lock_guard lock(mutex_);
  switch_on();
}

void SimDisk::switch_on() {
  ++life_;
  calls_ = 0;
  cut_at_ = ~std::uint64_t{0};
  is_off_ = false;
}

Result<std::unique_ptr<File>> SimDisk::open(const Path& path, OpenMode mode) {
  const std::lock_guard lock(mutex_);
  TRY(need_power(life_));
  const auto work = [&]() -> Result<std::unique_ptr<File>> {
    auto file = TRY(real_.open(path, mode));
    const auto node = TRY(node_at(path));
    return std::unique_ptr<File>(std::make_unique<SimFile>(*this, std::move(file), path, node));
  };
  return mode == OpenMode::CreateNew ? counted(work) : work();
}

Result<void> SimDisk::rename(const Path& from, const Path& to) {
  const std::lock_guard lock(mutex_);
  TRY(need_power(life_));
  return counted([&]() -> Result<void> {
    if (TRY(real_.stat(from))) forget_identity(to);
    return real_.rename(from, to);
  });
}

Result<Renamed> SimDisk::rename_no_replace(const Path& from, const Path& to) {
  const std::lock_guard lock(mutex_);
  TRY(need_power(life_));
  return counted([&] { return real_.rename_no_replace(from, to); });
}

Result<void> SimDisk::remove(const Path& path) {
  const std::lock_guard lock(mutex_);
  TRY(need_power(life_));
  return counted([&]() -> Result<void> {
    const auto identity = TRY(identity_of(path));
    TRY(real_.remove(path));
    if (identity) known_.erase(*identity);
    return {};
  });
}

Result<std::vector<FileInfo>> SimDisk::list(const Path& directory) {
  const std::lock_guard lock(mutex_);
  TRY(need_power(life_));
  return real_.list(directory);
}

Result<void> SimDisk::make_directories(const Path& directory) {
  const std::lock_guard lock(mutex_);
  TRY(need_power(life_));
  return counted([&] { return real_.make_directories(directory); });
}

Result<std::optional<FileInfo>> SimDisk::stat(const Path& path) {
  const std::lock_guard lock(mutex_);
  TRY(need_power(life_));
  return real_.stat(path);
}

Result<void> SimDisk::sync_file(const Path& path) {
  const std::lock_guard lock(mutex_);
  TRY(need_power(life_));
  return counted([&]() -> Result<void> { return keep_bytes(TRY(node_at(path)), path); });
}

Result<void> SimDisk::sync_directory(const Path& directory) {
  const std::lock_guard lock(mutex_);
  TRY(need_power(life_));
  return counted([&] { return keep_names(directory.empty() ? Path(".") : directory); });
}

Result<std::uint64_t> SimDisk::space_free(const Path& path) {
  const std::lock_guard lock(mutex_);
  TRY(need_power(life_));
  return real_.space_free(path);
}

SimDisk::Step SimDisk::count_call() {
  if (++calls_ < cut_at_) return Step::Go;
  is_off_ = true;
  const bool is_done = unsynced_ != Survival::Nothing && random_.below(2) == 0;
  return is_done ? Step::GoThenFail : Step::Fail;
}

template <class Work>
auto SimDisk::counted(Work work) -> decltype(work()) {
  const Step step = count_call();
  if (step == Step::Fail) return power_is_off();
  auto result = work();
  if (step == Step::GoThenFail) return power_is_off();
  return result;
}

Result<void> SimDisk::need_power(std::uint64_t life) const {
  if (is_off_ || life != life_) return power_is_off();
  return {};
}

Result<std::optional<SimDisk::Identity>> SimDisk::identity_of(const Path& path) {
  struct ::statx state{};
  if (::statx(AT_FDCWD, path.c_str(), 0, STATX_INO | STATX_BTIME, &state) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::optional<Identity>();
    return error_from_errno(errno, "statx", path);
  }
  Identity identity{.inode = state.stx_ino};
  if ((state.stx_mask & STATX_BTIME) != 0) {
    identity.born_ns = state.stx_btime.tv_sec * 1'000'000'000 + state.stx_btime.tv_nsec;
  }
  return std::optional(identity);
}

Result<std::uint64_t> SimDisk::node_at(const Path& path) {
  const auto identity = TRY(identity_of(path));
  if (!identity) return error_from_errno(ENOENT, "open", path);
  const auto [known, is_new] = known_.try_emplace(*identity, node_next_);
  if (is_new) nodes_[node_next_++].is_directory = std::filesystem::is_directory(path);
  return known->second;
}

void SimDisk::forget_identity(const Path& path) {
  if (const auto identity = identity_of(path); identity && *identity) known_.erase(**identity);
}

Result<void> SimDisk::keep_bytes(std::uint64_t node, const Path& path) {
  const auto file = TRY(real_.open(path, OpenMode::Read));
  nodes_[node].bytes = TRY(bytes_from(*file, 0));
  nodes_[node].intact = ~std::uint64_t{0};
  return {};
}

Result<void> SimDisk::keep_names(const Path& directory) {
  std::map<std::string, std::uint64_t> names;
  for (const auto& entry : TRY(real_.list(directory))) {
    names[entry.name] = TRY(node_at(directory / entry.name));
  }
  nodes_[TRY(node_at(directory))].names = std::move(names);
  return {};
}

Result<void> SimDisk::keep_all(const Path& directory) {
  TRY(keep_names(directory));
  for (const auto& entry : TRY(real_.list(directory))) {
    const Path path = directory / entry.name;
    const auto node = TRY(node_at(path));
    TRY(entry.is_directory ? keep_all(path) : keep_bytes(node, path));
  }
  return {};
}

// Appended bytes survive as a prefix; a truncation happened or did not.
std::string SimDisk::surviving_bytes(const Node& node, const std::optional<std::string>& live) {
  if (!live || unsynced_ == Survival::Nothing) return node.bytes;
  if (unsynced_ == Survival::Everything) return *live;
  const std::size_t intact = std::min(node.bytes.size(), node.intact);
  if (intact < node.bytes.size() && random_.below(2) == 0) return node.bytes;
  const std::size_t tail = live->size() > intact ? live->size() - intact : 0;
  return live->substr(0, std::min(live->size(), intact + random_.below(tail + 1)));
}

Result<void> SimDisk::collect_survivors(std::uint64_t node, const Path& path,
                                        std::vector<Survivor>& into) {
  const Node& kept = nodes_.at(node);
  if (!kept.is_directory) {
    std::optional<std::string> live;
    if (const auto found = live_paths_.find(node); found != live_paths_.end()) {
      live = TRY(read_file(real_, found->second));
    }
    into.push_back({path, surviving_bytes(kept, live), false});
    return {};
  }
  into.push_back({path, {}, true});
  for (const auto& [name, child] : kept.names) TRY(collect_survivors(child, path / name, into));
  return {};
}

Result<void> SimDisk::find_live(const Path& directory) {
  live_paths_[TRY(node_at(directory))] = directory;
  for (const auto& entry : TRY(real_.list(directory))) {
    const Path path = directory / entry.name;
    if (entry.is_directory) {
      TRY(find_live(path));
    } else {
      live_paths_[TRY(node_at(path))] = path;
    }
  }
  return {};
}

}  // namespace millrace::os
