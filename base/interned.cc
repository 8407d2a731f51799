#include "base/interned.h"

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"
#include "base/mutex.h"

namespace baton {

// All that somebody has, by text. Its order is seen by nobody.
struct Interned::Pool {
  struct Hash {
    using is_transparent = void;
    size_t operator()(absl::string_view text) const {
      return absl::HashOf(text);
    }
    size_t operator()(const Entry* entry) const { return (*this)(entry->text); }
  };
  struct Same {
    using is_transparent = void;
    static absl::string_view TextOf(absl::string_view text) { return text; }
    static absl::string_view TextOf(const Entry* entry) { return entry->text; }
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      return TextOf(a) == TextOf(b);
    }
  };

  // As long-lived as the process: whoever ends last may still have some.
  static Pool& Get() {
    static Pool* const pool = new Pool;
    return *pool;
  }

  Mutex mu;
  absl::flat_hash_set<Entry*, Hash, Same> entries ABSL_GUARDED_BY(mu);
};

Interned::Entry* Interned::Take(absl::string_view text) {
  if (text.empty()) return nullptr;
  Pool& pool = Pool::Get();
  MutexLock lock(pool.mu);
  const auto found = pool.entries.find(text);
  if (found != pool.entries.end()) {
    (*found)->holders.fetch_add(1);
    return *found;
  }
  auto* const entry = new Entry(text);
  pool.entries.insert(entry);
  return entry;
}

// The last holder leaves under the lock, where nobody can find the entry
// meanwhile.
void Interned::Leave(Entry* entry) {
  uint32_t holders = entry->holders.load();
  while (holders > 1) {
    if (entry->holders.compare_exchange_weak(holders, holders - 1)) return;
  }
  Pool& pool = Pool::Get();
  MutexLock lock(pool.mu);
  if (entry->holders.fetch_sub(1) > 1) return;
  pool.entries.erase(entry);
  delete entry;
}

const std::string& Interned::Empty() {
  static const std::string* const empty = new std::string;
  return *empty;
}

}  // namespace baton
