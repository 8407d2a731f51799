#ifndef SERVICE_STORE_MEMORY_STORE_H_
#define SERVICE_STORE_MEMORY_STORE_H_

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "service/runtime/ports.h"

namespace baton::store {

// What outlives a MemoryStore, as a file outlives a process: stores that are
// opened on one disk one after the other see the same fleet. Holds encoded
// records, so that nothing survives which the codec does not carry.
struct MemoryDisk {
  std::string meta = "";
  std::map<std::string, std::string> hosts = {};
  std::map<std::string, std::string> drivers = {};
  std::map<std::string, std::string> rollouts = {};
  std::map<std::pair<std::string, std::string>, std::string> updates = {};
  std::map<std::string, std::string> requests = {};
  std::vector<core::AuditRecord> audit = {};
  int commits_until_failure = -1;  // below 0: none fails
};

// A fake of the store, for tests. `disk` must outlive it.
std::unique_ptr<runtime::Store> OpenMemoryStore(MemoryDisk& disk);

}  // namespace baton::store

#endif  // SERVICE_STORE_MEMORY_STORE_H_
