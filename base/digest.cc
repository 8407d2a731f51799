#include "base/digest.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>
#include <xxhash.h>
#if defined(__x86_64__)
// The widest instructions that the processor has: three times as fast.
#include <xxh_x86dispatch.h>
#endif

#include <algorithm>
#include <cerrno>
#include <memory>
#include <system_error>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "base/check.h"
#include "base/reason.h"

namespace baton {
namespace {

constexpr size_t kBufferBytes = size_t{1} << 15;

// Looked up once: EVP_sha256() would be searched for at each use.
const EVP_MD* Algorithm() {
  static const EVP_MD* const sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  CHECK(sha256 != nullptr);
  return sha256;
}

}  // namespace

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  CHECK(context_ != nullptr);
  Restart();
}

void Sha256::Restart() {
  CHECK(EVP_DigestInit_ex(context_, Algorithm(), nullptr) == 1);
}

Sha256::~Sha256() { EVP_MD_CTX_free(context_); }

void Sha256::Update(absl::string_view bytes) {
  CHECK(EVP_DigestUpdate(context_, bytes.data(), bytes.size()) == 1);
}

std::string Sha256::Finish() {
  unsigned char raw[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  CHECK(EVP_DigestFinal_ex(context_, raw, &size) == 1);
  return absl::StrCat("sha256:",
                      absl::BytesToHexString(absl::string_view(
                          reinterpret_cast<const char*>(raw), size)));
}

// To make a context takes longer than to hash a short text: each thread keeps
// one.
std::string Sha256Of(absl::string_view bytes) {
  thread_local Sha256 sha;
  sha.Restart();
  sha.Update(bytes);
  return sha.Finish();
}

absl::StatusOr<std::string> Sha256OfFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    const auto code = errno == ENOENT ? absl::StatusCode::kNotFound
                                      : absl::StatusCode::kUnavailable;
    return ErrorWithReason(
        code, "FILE_UNREADABLE",
        absl::StrCat("cannot open '", path,
                     "': ", std::generic_category().message(errno)));
  }
  Sha256 sha;
  const auto buffer = std::make_unique_for_overwrite<char[]>(kBufferBytes);
  ssize_t got = 0;
  while ((got = read(fd, buffer.get(), kBufferBytes)) > 0) {
    sha.Update({buffer.get(), static_cast<size_t>(got)});
  }
  const int error = errno;
  close(fd);
  if (got < 0) {
    return ErrorWithReason(
        absl::StatusCode::kUnavailable, "FILE_UNREADABLE",
        absl::StrCat("cannot read '", path,
                     "': ", std::generic_category().message(error)));
  }
  return sha.Finish();
}

bool IsSha256(absl::string_view text) {
  if (!absl::ConsumePrefix(&text, "sha256:") || text.size() != 64) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
}

std::string Digest128::ToString() const {
  return absl::StrFormat("%016x%016x", high, low);
}

Digest128 Xxh3Of(const void* data, size_t bytes) {
  const XXH128_hash_t hash = XXH3_128bits(data, bytes);
  return {.high = hash.high64, .low = hash.low64};
}

}  // namespace baton
