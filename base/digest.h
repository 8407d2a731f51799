#ifndef BASE_DIGEST_H_
#define BASE_DIGEST_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

struct evp_md_ctx_st;

namespace baton {

// SHA-256 of bytes that come in pieces. For what must be authentic: packages,
// plans. Confined to one thread.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void Update(absl::string_view bytes);

  // Returns "sha256:" and 64 lower-case hex digits. Only Restart() may follow.
  std::string Finish();

  // Forgets all that was added.
  void Restart();

 private:
  evp_md_ctx_st* const context_;
};

// Returns the digest of `bytes`, in the form of Sha256::Finish().
std::string Sha256Of(absl::string_view bytes);

// Returns the digest of the file at `path`. Blocks on the disk.
//
// Errors:
//   NOT_FOUND    there is no such file
//   UNAVAILABLE  it cannot be read; reason FILE_UNREADABLE
absl::StatusOr<std::string> Sha256OfFile(const std::string& path);

// Whether `text` has the form that Sha256::Finish() returns.
bool IsSha256(absl::string_view text);

// XXH3-128: not against an adversary, but as fast as memory. For saved blocks.
struct Digest128 {
  uint64_t high = 0;
  uint64_t low = 0;

  bool operator==(const Digest128&) const = default;
  std::string ToString() const;  // 32 lower-case hex digits
};

Digest128 Xxh3Of(const void* data, size_t bytes);

}  // namespace baton

#endif  // BASE_DIGEST_H_
