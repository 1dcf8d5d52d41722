#include "base/random.hpp"

#include <fmt/format.h>

#include "base/result.hpp"

namespace millrace::base {
namespace {

std::uint64_t seed_from_system() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) ^ device();
}

}  // namespace

Random::Random() : engine_(seed_from_system()) {}

std::uint64_t Random::next() {
  std::lock_guard lock(mutex_);
  return engine_();
}

std::uint64_t Random::below(std::uint64_t bound) {
  CHECK(bound > 0);
  std::lock_guard lock(mutex_);
  return std::uniform_int_distribution<std::uint64_t>(0, bound - 1)(engine_);
}

std::string Random::uuid() {
  const std::uint64_t high = (next() & ~0xF000ULL) | 0x4000ULL;
  const std::uint64_t low = (next() & ~(3ULL << 62)) | (2ULL << 62);
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, (high >> 16) & 0xFFFF,
                     high & 0xFFFF, low >> 48, low & 0xFFFF'FFFF'FFFFULL);
}

}  // namespace millrace::base
