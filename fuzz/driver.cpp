// A driver for fuzz targets where there is no libFuzzer: mutates a seed corpus for some seconds.
// Each iteration has its own random numbers, so that one can be run again alone.
#include <sanitizer/asan_interface.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>

#include "target.hpp"

namespace {

using Numbers = std::mt19937_64;

constexpr std::size_t kInputBytesMax = 20'000;
std::uint64_t seed = 0;
std::uint64_t iteration = 0;

std::size_t below(Numbers& numbers, std::size_t limit) {
  return limit == 0 ? 0 : numbers() % limit;
}

void mutate(Numbers& numbers, std::string& input, const std::vector<std::string>& corpus,
            const std::vector<std::string>& words) {
  const std::size_t at = below(numbers, input.size() + 1);
  const std::size_t count = below(numbers, std::min<std::size_t>(input.size() - at, 16) + 1);
  switch (numbers() % 8) {
    case 0:
      if (at < input.size()) input[at] = static_cast<char>(numbers());
      break;
    case 1:
      if (at < input.size()) input[at] = static_cast<char>(input[at] ^ (1 << numbers() % 8));
      break;
    case 2:
      input.erase(at, count);
      break;
    case 3:
      input.insert(at, words[below(numbers, words.size())]);
      break;
    case 4:
      input.insert(at, input.substr(at, count));
      break;
    case 5:
      input.resize(at);
      break;
    case 6: {
      const auto& other = corpus[below(numbers, corpus.size())];
      input = input.substr(0, at) + other.substr(below(numbers, other.size() + 1));
      break;
    }
    default: {
      const std::size_t times = numbers() % 16 == 0 ? 2'000 : below(numbers, 40);
      const auto& word = words[below(numbers, words.size())];
      std::string many;
      for (std::size_t i = 0; i < times; ++i) many += word;
      input.insert(at, many);
    }
  }
  if (input.size() > kInputBytesMax) input.resize(kInputBytesMax);
}

void run_once(const std::vector<std::string>& corpus, const std::vector<std::string>& words) {
  Numbers numbers(seed * 1'000'003 + iteration);
  std::string input = corpus[iteration % corpus.size()];
  // The first round is the corpus as it is.
  const std::size_t mutations = iteration < corpus.size() ? 0 : 1 + numbers() % 8;
  for (std::size_t i = 0; i < mutations; ++i) mutate(numbers, input, corpus, words);
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

void say_where() {
  std::fprintf(stderr, "fuzz: again with --only %llu %llu\n",
               static_cast<unsigned long long>(iteration), static_cast<unsigned long long>(seed));
}

}  // namespace

// Read by the sanitizer's runtime: a failed CHECK is reported like any other fault.
extern "C" const char* __asan_default_options() {
  return "handle_abort=1:detect_leaks=1";
}

// Called by UBSan, whose runtime knows no death callbacks of ASan's.
extern "C" void __ubsan_on_report() {
  say_where();
}

int main(int argc, char** argv) {
  const auto corpus = millrace::fuzz::seed_corpus();
  const auto words = millrace::fuzz::dictionary();
  __sanitizer_set_death_callback(say_where);
  if (argc == 4 && std::strcmp(argv[1], "--only") == 0) {
    iteration = std::strtoull(argv[2], nullptr, 10);
    seed = std::strtoull(argv[3], nullptr, 10);
    run_once(corpus, words);
    return 0;
  }
  const double seconds = argc > 1 ? std::atof(argv[1]) : 10;
  seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : std::random_device{}();
  std::printf("fuzz: seed %llu\n", static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  const auto start = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - start < std::chrono::duration<double>(seconds)) {
    run_once(corpus, words);
    ++iteration;
  }
  std::printf("fuzz: %llu inputs in %.0f s, none failed\n",
              static_cast<unsigned long long>(iteration), seconds);
  return 0;
}
