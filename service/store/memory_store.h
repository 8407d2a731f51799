#ifndef SERVICE_STORE_MEMORY_STORE_H_
#define SERVICE_STORE_MEMORY_STORE_H_

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "service/runtime/ports.h"
#include "service/store/rows.h"

namespace baton::store {

// What outlives a memory store, as a file outlives a process: stores that are
// opened on one disk one after the other see the same fleet. Holds bytes, so
// that nothing survives which the codec does not carry.
struct MemoryDisk {
  std::map<Table, std::map<std::string, std::string>> tables = {};
  std::map<uint64_t, std::string> audit = {};  // by sequence
  // When it expires, and the record; by update name.
  std::map<std::string, std::pair<absl::Time, std::string>> capsules = {};

  // Commits that succeed before one fails; below 0: none fails. The one that
  // fails leaves nothing behind, and neither do those after it on one store.
  int commits_until_failure = -1;
};

// A fake of the store, for tests. `disk` must outlive it.
std::unique_ptr<runtime::Store> OpenMemoryStore(MemoryDisk& disk);

}  // namespace baton::store

#endif  // SERVICE_STORE_MEMORY_STORE_H_
