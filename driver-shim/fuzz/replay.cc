// Runs a fuzz target without libFuzzer: every file of its corpus, then inputs
// made from them by a seeded generator. So the target is a test like any other,
// which needs no clang and finds the same on every machine.
//
// usage: X_replay_test ROUNDS FILE...

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes);

namespace {

constexpr uint64_t kSeed = 20263;
constexpr size_t kBytesMax = 4096;
constexpr int kFatalSignals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};

// What the signal handler prints.
std::string* current = nullptr;

// Async-signal-safe, so by hand.
void PrintInput(int signal) {
  static const char kDigits[] = "0123456789abcdef";
  for (const char byte : *current) {
    const char hex[] = {kDigits[static_cast<uint8_t>(byte) >> 4],
                        kDigits[static_cast<uint8_t>(byte) & 15]};
    if (write(STDERR_FILENO, hex, sizeof hex) < 0) break;
  }
  static const char kSays[] = "\nthe input above ended the target\n";
  if (write(STDERR_FILENO, kSays, sizeof kSays - 1) < 0) _exit(1);
  ::signal(signal, SIG_DFL);
  raise(signal);
}

class Mutator {
 public:
  explicit Mutator(const std::vector<std::string>& corpus) : corpus_(corpus) {}

  std::string Next() {
    std::string input = corpus_[Below(corpus_.size())];
    for (uint64_t left = 1 + Below(6); left > 0; --left) Change(input);
    if (input.size() > kBytesMax) input.resize(kBytesMax);
    return input;
  }

 private:
  uint64_t Below(uint64_t bound) { return bound == 0 ? 0 : random_() % bound; }

  void Change(std::string& input) {
    const size_t at = Below(input.size() + 1);
    switch (Below(6)) {
      case 0:
        if (at < input.size()) {
          input[at] = static_cast<char>(input[at] ^ (1u << Below(8)));
        }
        return;
      case 1:
        if (at < input.size()) input[at] = static_cast<char>(random_());
        return;
      case 2:
        input.insert(at, Below(16), static_cast<char>(random_()));
        return;
      case 3:
        input.erase(at, Below(16));
        return;
      case 4:
        WriteNumber(input, at);
        return;
      case 5: {
        const std::string& other = corpus_[Below(corpus_.size())];
        input = input.substr(0, at) + other.substr(Below(other.size() + 1));
        return;
      }
    }
  }

  // A number on which bounds break.
  void WriteNumber(std::string& input, size_t at) {
    const uint64_t near = uint64_t{1} << Below(64);
    const uint64_t number = near - 1 + Below(3);
    for (size_t i = 0; i < 8 && at + i < input.size(); ++i) {
      input[at + i] = static_cast<char>(number >> (8 * i));
    }
  }

  const std::vector<std::string>& corpus_;
  std::mt19937_64 random_{kSeed};
};

void Run(const std::string& input) {
  *current = input;
  // A copy of exactly its size, so that a sanitizer sees the last byte.
  const std::vector<uint8_t> exact(input.begin(), input.end());
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: %s ROUNDS FILE...\n", argv[0]);
    return 2;
  }
  const uint64_t rounds = std::strtoull(argv[1], nullptr, 10);
  std::vector<std::string> corpus;
  for (int i = 2; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    if (!file) {
      std::fprintf(stderr, "cannot read '%s'\n", argv[i]);
      return 1;
    }
    corpus.emplace_back(std::istreambuf_iterator<char>(file),
                        std::istreambuf_iterator<char>());
  }
  std::printf("%zu files, %llu rounds, seed %llu\n", corpus.size(),
              static_cast<unsigned long long>(rounds),
              static_cast<unsigned long long>(kSeed));
  std::fflush(stdout);
  current = new std::string;
  for (const int signal : kFatalSignals) ::signal(signal, &PrintInput);
  Run("");
  for (const std::string& input : corpus) Run(input);
  Mutator mutator(corpus);
  for (uint64_t i = 0; i < rounds; ++i) Run(mutator.Next());
  return 0;
}
