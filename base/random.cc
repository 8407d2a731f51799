#include "base/random.h"

#include <sys/random.h>

#include "base/check.h"

namespace baton {
namespace {

class SystemRandom final : public Random {
 public:
  double Uniform() override {
    return static_cast<double>(Bits() >> 11) * 0x1.0p-53;
  }

  uint64_t Bits() override {
    uint64_t bits = 0;
    CHECK(getrandom(&bits, sizeof(bits), 0) == sizeof(bits));
    return bits;
  }
};

}  // namespace

Random& RealRandom() {
  static SystemRandom random;
  return random;
}

}  // namespace baton
