#include "driver-shim/port/hostile_delivery.h"

#include <algorithm>
#include <utility>

namespace baton::port {
namespace {

constexpr uint64_t kPageBytes = 4096;
constexpr size_t kFlips = 8;

// A small generator of its own, so that a seed means the same everywhere.
class Dice {
 public:
  explicit Dice(uint32_t seed) : state_(seed * 2654435761u + 1) {}
  size_t Below(size_t end) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<size_t>(state_ >> 33) % end;
  }

 private:
  uint64_t state_;
};

void CutBytes(SavedBlock& block) {
  // Deep, since drivers round what they save up to pages.
  block.bytes = std::max<uint64_t>(1, block.bytes / 16);
  uint64_t left =
      (block.byte_offset + block.bytes + kPageBytes - 1) / kPageBytes;
  for (PageRun& run : block.runs) {
    run.pages = std::min(run.pages, left);
    left -= run.pages;
  }
  std::erase_if(block.runs, [](const PageRun& run) { return run.pages == 0; });
}

void Damage(Delivery& delivery, const std::vector<SavedBlock>& blocks,
            const Hostility& hostility) {
  std::string& metadata = delivery.block.metadata;
  switch (hostility.damage) {
    case Hostility::Damage::kNone:
    case Hostility::Damage::kLost:
      return;
    case Hostility::Damage::kBytesFlipped:
      delivery.flips_bytes = true;
      return;
    case Hostility::Damage::kBytesCut:
      return CutBytes(delivery.block);
    case Hostility::Damage::kMetadataFlipped:
      return FlipBytes(reinterpret_cast<std::byte*>(metadata.data()),
                       metadata.size(), hostility.seed);
    case Hostility::Damage::kMetadataCut:
      return metadata.resize(metadata.size() / 2);
    case Hostility::Damage::kMetadataGone:
      return metadata.clear();
    case Hostility::Damage::kMetadataOfAnother:
      metadata = blocks[(delivery.index + 1) % blocks.size()].metadata;
      return;
  }
}

}  // namespace

void FlipBytes(std::byte* data, size_t bytes, uint32_t seed) {
  if (bytes == 0) return;
  Dice dice(seed);
  for (size_t i = 0; i < kFlips; ++i) {
    data[dice.Below(bytes)] ^= std::byte{1} << dice.Below(8);
  }
}

std::vector<Delivery> Deliveries(const std::vector<SavedBlock>& blocks,
                                 const Hostility& hostility) {
  std::vector<Delivery> deliveries;
  for (size_t i = 0; i < blocks.size(); ++i) {
    const bool damaged = hostility.damage != Hostility::Damage::kNone &&
                         hostility.damaged_block == i;
    if (damaged && hostility.damage == Hostility::Damage::kLost) continue;
    deliveries.push_back({.index = i, .block = blocks[i]});
    if (damaged) Damage(deliveries.back(), blocks, hostility);
  }
  if (hostility.order == Hostility::Order::kReversed) {
    std::reverse(deliveries.begin(), deliveries.end());
  }
  if (hostility.order == Hostility::Order::kShuffled) {
    Dice dice(hostility.seed);
    for (size_t i = deliveries.size(); i > 1; --i) {
      std::swap(deliveries[i - 1], deliveries[dice.Below(i)]);
    }
  }
  return deliveries;
}

}  // namespace baton::port
