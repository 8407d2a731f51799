#ifndef DRIVER_SHIM_MINIPORT_TESTING_FOOTPRINT_H_
#define DRIVER_SHIM_MINIPORT_TESTING_FOOTPRINT_H_

#include <cstdint>
#include <string>
#include <vector>

namespace baton::miniport {

// What this process holds of its machine at one moment. Memory that is shared
// is in it three times: by descriptor, by mapping, and by the name of its file.
struct Footprint {
  int64_t descriptors = 0;
  int64_t processes = 0;  // children that were not waited for
  int64_t threads = 0;
  int64_t files = 0;  // in a directory
  int64_t mappings = 0;
  int64_t heap_bytes = 0;  // allocated and not freed; 0 under a sanitizer
  int64_t resident_bytes = 0;
};

// `directory`  where whoever is looked at may leave files
Footprint TakeFootprint(const std::string& directory);

// By how much may become more what comes and goes, over all repeats.
struct Allowance {
  int64_t mappings = 2;
  int64_t heap_bytes = 4 << 10;
  int64_t resident_bytes = 512 << 10;
};

// What became more from repeat to repeat of one thing; "" when nothing did. To
// be counted are all but mappings and bytes, and those must never be more than
// after the first. Of the others, which come and go, the median of the last 20
// is compared with that of the 10th to the 30th; they are not looked at when
// there are fewer than 60.
std::string Growth(const std::vector<Footprint>& after_each,
                   const Allowance& allowance = {});

// The same medians, for people to read.
std::string Trend(const std::vector<Footprint>& after_each);

}  // namespace baton::miniport

#endif  // DRIVER_SHIM_MINIPORT_TESTING_FOOTPRINT_H_
