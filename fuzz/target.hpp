#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

// libFuzzer's entry point, and what our own driver starts from.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace millrace::fuzz {

/// Inputs that are right, or wrong in an interesting way.
std::vector<std::string> seed_corpus();
/// Pieces that mutations put in.
std::vector<std::string> dictionary();

}  // namespace millrace::fuzz
