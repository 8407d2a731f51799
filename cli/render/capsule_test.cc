#include "cli/render/capsule.h"

#include "cli/render/golden.h"
#include "gtest/gtest.h"

namespace baton::cli {
namespace {

constexpr Look kTable = {Detail::kTable, Colour::kNever};
constexpr Look kWide = {Detail::kWide, Colour::kNever};

TEST(CapsuleRenderTest, SaysWhatAnEngineerNeeds) {
  const auto capsule = Sample<v1::Capsule>("capsule.txtpb");
  ExpectGolden("capsule", CapsuleText(capsule, kTable));
  ExpectGolden("capsule_wide", CapsuleText(capsule, kWide));
}

}  // namespace
}  // namespace baton::cli
