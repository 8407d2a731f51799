#include "driver-shim/port/rules.h"

#include <array>
#include <string>
#include <vector>

#include "driver-shim/kit/label.h"
#include "gtest/gtest.h"

namespace baton::port {
namespace {

int RuleOf(const Verdict& verdict) {
  return verdict.has_value() ? verdict->rule : 0;
}

TEST(RulesTest, R1NoBlockCannotBeTheStateOfAnyVgpu) {
  EXPECT_EQ(RuleOf(CheckSavedAnything(0, 0)), 0);
  EXPECT_EQ(RuleOf(CheckSavedAnything(1, 4)), 0);
  EXPECT_EQ(CheckSavedAnything(0, 4),
            (Violation{1, "driver saved no block, but has 4 vGPUs"}));
}

// A block of `partition`, part `part` of `parts`.
SavedBlock Labelled(uint32_t partition, uint32_t part, uint32_t parts) {
  alignas(8) std::array<char, 64> frame = {};
  const baton_kit_label label = {
      .partition_id = partition, .part = part, .parts = parts};
  baton_kit_writer writer = {};
  baton_kit_start(&writer, frame.data(), frame.size(), 7);
  baton_kit_write_label(&writer, &label);
  return {.metadata = std::string(frame.data(), baton_kit_finish(&writer))};
}

TEST(RulesTest, R1BlocksThatSayWhoseTheyAreNameEverybody) {
  const std::vector<CensusEntry> census = {
      {.vgpu = {.partition_id = 0, .guest = "red"}},
      {.vgpu = {.partition_id = 3, .guest = "blue"}}};
  constexpr uint32_t kNobody = BATON_KIT_NO_PARTITION;
  const SavedBlock silent = {.metadata = "whose block is this"};
  const SavedBlock adapter = Labelled(kNobody, 0, 1);
  const SavedBlock red = Labelled(0, 0, 1);
  const struct {
    const char* name = "";
    std::vector<SavedBlock> blocks = {};
    const char* message = "";
  } kCases[] = {
      {"no label", {silent, {}, silent}, ""},
      {"no block", {}, ""},
      {"whole", {adapter, red, Labelled(3, 1, 2), Labelled(3, 0, 2)}, ""},
      {"and others", {red, silent, Labelled(3, 0, 1), Labelled(9, 0, 2)}, ""},
      {"left out",
       {adapter, red},
       "driver saved 0 blocks of partition 3 ('blue'), want 1"},
      {"nobody",
       {adapter},
       "driver saved 0 blocks of partition 0 ('red'), want 1"},
      {"in part",
       {red, Labelled(3, 1, 2)},
       "driver saved 1 blocks of partition 3 ('blue'), want 2"},
      {"twice",
       {red, Labelled(3, 0, 2), Labelled(3, 0, 2)},
       "block 2 says that it is part 0 of 2 of partition 3, which has 1 of 2"},
      {"of another number",
       {red, Labelled(3, 0, 2), Labelled(3, 1, 3)},
       "block 2 says that it is part 1 of 3 of partition 3, which has 1 of 2"},
      {"past the end",
       {red, Labelled(3, 2, 2)},
       "block 1 says that it is part 2 of 2 of partition 3, which has 0 of 2"},
      {"of none",
       {Labelled(0, 0, 0)},
       "block 0 says that it is part 0 of 0 of partition 0, which has 0 of 0"},
  };
  for (const auto& c : kCases) {
    const Verdict verdict = CheckLabels(c.blocks, census);
    EXPECT_EQ(verdict.has_value() ? verdict->message : "", c.message) << c.name;
    EXPECT_EQ(RuleOf(verdict), *c.message == '\0' ? 0 : 1) << c.name;
  }
}

TEST(RulesTest, R2BlocksAreSavedInsideSaveAlone) {
  EXPECT_EQ(RuleOf(CheckSaveIsOpen(SavePhase::kOpen)), 0);
  EXPECT_EQ(RuleOf(CheckSaveIsOpen(SavePhase::kClosed)), 2);
  EXPECT_EQ(RuleOf(CheckSaveIsOpen(SavePhase::kLate)), 2);
}

TEST(RulesTest, R3ExactlyOneFormWithASize) {
  DXGK_KSR_MEMORY_RANGE range = BatonKsrRange(0x1000, 1);
  DXGK_KSR_MEMORY_RANGE empty_range = BatonKsrRange(0x1000, 0);
  MDL list = {};
  list.ByteCount = 1;
  MDL empty_list = {};
  BYTE data[8] = {};
  using Args = DXGKARGCB_SAVEMEMORYFORHOTUPDATE;
  const struct {
    const char* name;
    Args args;
    int rule;
  } kCases[] = {
      {"ranges", {1, &range, nullptr, 0, nullptr, 0, nullptr}, 0},
      {"list", {0, nullptr, &list, 0, nullptr, 0, nullptr}, 0},
      {"data", {0, nullptr, nullptr, 8, data, 0, nullptr}, 0},
      {"metadata", {0, nullptr, nullptr, 8, data, 4, data}, 0},
      {"nothing", {0, nullptr, nullptr, 0, nullptr, 0, nullptr}, 3},
      {"two forms", {1, &range, &list, 0, nullptr, 0, nullptr}, 3},
      {"three forms", {1, &range, &list, 8, data, 0, nullptr}, 3},
      {"no ranges", {0, &range, nullptr, 0, nullptr, 0, nullptr}, 3},
      {"empty range", {1, &empty_range, nullptr, 0, nullptr, 0, nullptr}, 3},
      {"empty list", {0, nullptr, &empty_list, 0, nullptr, 0, nullptr}, 3},
      {"empty data", {0, nullptr, nullptr, 0, data, 0, nullptr}, 3},
      {"no metadata", {0, nullptr, nullptr, 8, data, 4, nullptr}, 3},
      {"no size", {0, nullptr, nullptr, 8, data, 0, data}, 3},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(RuleOf(CheckOneForm(c.args)), c.rule) << c.name;
  }
}

TEST(RulesTest, R4NoPageTwiceWithinABlockOrAcrossThem) {
  PageSet saved;
  EXPECT_EQ(RuleOf(CheckPagesOnce(saved, {{1, 2}, {9, 1}})), 0);
  EXPECT_EQ(CheckPagesOnce(saved, {{20, 2}, {2, 1}}),
            (Violation{4, "page 0x2 is saved twice"}));
  EXPECT_EQ(RuleOf(CheckPagesOnce(saved, {{30, 2}, {31, 1}})), 4);
}

TEST(RulesTest, R5BlocksAreHandedOverAsTheyWereSaved) {
  const SavedBlock block = {.bytes = 7, .digest = {.high = 1, .low = 2}};
  EXPECT_EQ(RuleOf(CheckHandedOver(0, block, {.high = 1, .low = 2})), 0);
  EXPECT_EQ(RuleOf(CheckHandedOver(0, block, {.high = 1, .low = 3})), 5);
}

TEST(RulesTest, R6NoBlockIsSavedThatNoListCanDescribe) {
  EXPECT_EQ(RuleOf(CheckListCan(0xffffffff)), 0);
  EXPECT_EQ(CheckListCan(0x100000000),
            (Violation{6,
                       "block has 4294967296 bytes, and is to be restored as a "
                       "list, which describes at most 4294967295"}));
}

TEST(RulesTest, R6AListDescribesItsBlock) {
  struct {
    MDL list = {};
    PFN_NUMBER pages[2] = {7, 9};
  } whole;
  whole.list.ByteOffset = 100;
  whole.list.ByteCount = PAGE_SIZE;
  const SavedBlock block = {.runs = {{.first = 7, .pages = 1}, {9, 1}},
                            .byte_offset = 100,
                            .bytes = PAGE_SIZE};
  EXPECT_EQ(RuleOf(CheckList(whole.list, block)), 0);
  whole.pages[1] = 8;
  EXPECT_EQ(RuleOf(CheckList(whole.list, block)), 6);
  whole.pages[1] = 9;
  whole.list.ByteCount = 1;
  EXPECT_EQ(RuleOf(CheckList(whole.list, block)), 6);
}

TEST(RulesTest, R7NothingIsOutstandingAtUnload) {
  EXPECT_EQ(RuleOf(CheckNothingOutstanding({})), 0);
  EXPECT_EQ(RuleOf(CheckNothingOutstanding({.pool = 1})), 7);
  EXPECT_EQ(RuleOf(CheckNothingOutstanding({.lists = 1})), 7);
  EXPECT_EQ(RuleOf(CheckNothingOutstanding({.pages = 1})), 7);
}

TEST(RulesTest, R8AListThatWasRefusedIsLeftAlone) {
  EXPECT_EQ(RuleOf(CheckListLeft(true, {})), 0);
  EXPECT_EQ(CheckListLeft(false, {.bytes = 7}),
            (Violation{8,
                       "list of a block of 7 bytes is freed, but its restore "
                       "failed"}));
}

TEST(RulesTest, R9AndR13TheOrderOfCalls) {
  using E = EntryPoint;
  const struct {
    const char* name;
    std::vector<EntryPoint> calls;
    int rule;
  } kCases[] = {
      {"none", {}, 0},
      {"whole life",
       {E::kDriverEntry, E::kAddDevice, E::kRestoreMemory, E::kRestoreMemory,
        E::kStartDevice, E::kGetVirtualGpuInfo, E::kSaveMemory, E::kStopDevice,
        E::kRemoveDevice, E::kUnload},
       0},
      {"from the middle", {E::kStopDevice, E::kRemoveDevice, E::kUnload}, 0},
      {"never started",
       {E::kDriverEntry, E::kAddDevice, E::kRestoreMemory, E::kRemoveDevice,
        E::kUnload},
       0},
      {"vGPU before start",
       {E::kDriverEntry, E::kAddDevice, E::kCreateVirtualGpu},
       9},
      {"restore after start", {E::kStartDevice, E::kRestoreMemory}, 13},
      {"unload before remove", {E::kStopDevice, E::kUnload}, 13},
      {"start twice", {E::kStartDevice, E::kStartDevice}, 13},
      {"add before entry", {E::kDriverEntry, E::kStartDevice}, 13},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(RuleOf(CheckOrder(c.calls)), c.rule) << c.name;
  }
}

TEST(RulesTest, R13NoDpcIsLeftQueued) {
  EXPECT_EQ(RuleOf(CheckNoDpcQueued(false)), 0);
  EXPECT_EQ(CheckNoDpcQueued(true),
            (Violation{13,
                       "driver returned with a DPC queued, which would run "
                       "in a driver that is gone"}));
}

TEST(RulesTest, R10RestoreCompleteComesAlone) {
  DXGKARG_RESTOREMEMORYFORHOTUPDATE args = {};
  EXPECT_EQ(RuleOf(CheckRestoreComplete(args)), 10);
  args.Flags.RestoreComplete = 1;
  EXPECT_EQ(RuleOf(CheckRestoreComplete(args)), 0);
  args.MetaDataSize = 1;
  EXPECT_EQ(RuleOf(CheckRestoreComplete(args)), 10);
}

TEST(RulesTest, R11CancelIsSentWheneverADriverMayHaveChanged) {
  using Result = SaveOutcome::Result;
  EXPECT_EQ(JudgeCancel({}), CancelVerdict::kDoNotSend);
  EXPECT_EQ(JudgeCancel({Result::kSucceeded, 0}), CancelVerdict::kSend);
  EXPECT_EQ(JudgeCancel({Result::kSucceeded, 3}), CancelVerdict::kSend);
  EXPECT_EQ(JudgeCancel({Result::kFailed, 1}), CancelVerdict::kSend);
  EXPECT_EQ(JudgeCancel({Result::kFailed, 0}), CancelVerdict::kDoNotSend);
}

TEST(RulesTest, R12HotDriverUpdateIsACapability) {
  DXGK_GPUPCAPS caps = {};
  EXPECT_EQ(RuleOf(CheckCapable(caps)), 12);
  caps.Caps.LiveMigration = 1;
  EXPECT_EQ(RuleOf(CheckCapable(caps)), 12);
  caps.Caps.HotDriverUpdate = 1;
  EXPECT_EQ(RuleOf(CheckCapable(caps)), 0);
}

TEST(RulesTest, R14RegistersStayWhatTheyWere) {
  const CensusEntry before = {.vgpu = {.partition_id = 3, .guest = "blue"},
                              .registers = {.high = 1, .low = 1}};
  EXPECT_EQ(RuleOf(CheckRegisters(before, before.registers)), 0);
  EXPECT_EQ(CheckRegisters(before, {}),
            (Violation{14,
                       "registers of partition 3 ('blue') changed during "
                       "the update"}));
  EXPECT_EQ(FunctionGone(before),
            (Violation{14,
                       "virtual function of partition 3 ('blue') was disabled "
                       "during the update"}));
}

TEST(RulesTest, R15EveryVgpuGoesOnOnceEnginesRun) {
  const CensusEntry before = {.vgpu = {.partition_id = 3, .guest = "blue"}};
  const auto now = [](uint64_t completed, uint64_t submitted) {
    return FunctionState{.partition_id = 3,
                         .commands_submitted = submitted,
                         .commands_completed = completed};
  };
  EXPECT_EQ(RuleOf(CheckGoesOn(before, 7, now(8, 20))), 0);
  EXPECT_EQ(RuleOf(CheckGoesOn(before, 7, now(7, 7))), 0);  // idle
  EXPECT_EQ(CheckGoesOn(before, 7, now(7, 8)),
            (Violation{15, "partition 3 ('blue') makes no progress"}));
}

TEST(RulesTest, R16WhatIsSavedMustFit) {
  EXPECT_EQ(RuleOf(CheckFits(5, 5)), 0);
  EXPECT_EQ(
      CheckFits(6, 5),
      (Violation{16, "block needs 6 pages to be copied to, but 5 are free"}));
  EXPECT_EQ(RuleOf(CheckPieces(10'000)), 0);
  EXPECT_EQ(CheckPieces(10'001),
            (Violation{16, "saved pages lie in 10001 pieces, at most 10000"}));
  EXPECT_EQ(RuleOf(CheckMetadata(1 << 20)), 0);
  EXPECT_EQ(CheckMetadata((1 << 20) + 1),
            (Violation{16,
                       "metadata of a block has 1048577 bytes, at most "
                       "1048576"}));
}

TEST(RulesTest, R17EveryCallReturnsInTime) {
  EXPECT_EQ(TooLate(absl::Milliseconds(50), "DxgkDdiStopDevice"),
            (Violation{17,
                       "driver did not answer within 50ms: it is in "
                       "DxgkDdiStopDevice"}));
  EXPECT_EQ(TooLate(absl::Seconds(1), "").message,
            "driver did not answer within 1s");
}

}  // namespace
}  // namespace baton::port
