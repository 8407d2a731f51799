#include "driver-shim/miniport/testing/fake_host.h"

#include <cstring>

#include "base/check.h"
#include "driver-shim/miniport/testing/fake_kernel.h"

namespace baton::miniport {
namespace {

constexpr uint32_t kFunctions = 4;
constexpr int kBarShift = 40;

FakeHost* Of(HANDLE handle) { return static_cast<FakeHost*>(handle); }

}  // namespace

FakeHost::FakeHost(uint32_t board_revision)
    : board_(kFunctions, board_revision) {
  for (uint32_t n = 0; n < kFunctions; ++n) {
    functions_.push_back(board_.MapFunction(n));
  }
  const uint32_t bars = 2 + kFunctions;
  resources_.resize(sizeof(CM_RESOURCE_LIST) +
                    bars * sizeof(CM_PARTIAL_RESOURCE_DESCRIPTOR));
  auto* list = reinterpret_cast<CM_RESOURCE_LIST*>(resources_.data());
  list->Count = 1;
  list->List[0].PartialResourceList.Count = bars;
  for (uint32_t bar = 0; bar < bars; ++bar) {
    CM_PARTIAL_RESOURCE_DESCRIPTOR& descriptor = *BatonResourceAt(list, bar);
    descriptor.Type = CmResourceTypeMemory;
    descriptor.u.Memory.Start.QuadPart = int64_t{bar} << kBarShift;
  }
}

FakeHost::~FakeHost() = default;

void FakeHost::Load(const Image& image) {
  adapter_ = std::make_unique<Adapter>(image);
}

NTSTATUS FakeHost::Start() {
  DXGKRNL_INTERFACE dxgk = {};
  dxgk.DeviceHandle = this;
  dxgk.DxgkCbGetDeviceInformation = GetDeviceInformation;
  dxgk.DxgkCbMapMemory = MapMemory;
  dxgk.DxgkCbUnmapMemory = UnmapMemory;
  dxgk.DxgkCbQueueDpc = QueueDpc;
  dxgk.DxgkCbSaveMemoryForHotUpdate = SaveMemory;
  return adapter_->Start(dxgk);
}

NTSTATUS FakeHost::Save() {
  blocks_.clear();
  saved_pages_.clear();
  DXGKARG_SAVEMEMORYFORHOTUPDATE arguments = {};
  return adapter_->Save(arguments);
}

void FakeHost::Cancel() {
  DXGKARG_SAVEMEMORYFORHOTUPDATE arguments = {};
  arguments.Flags.CancelHotUpdate = 1;
  CHECK(adapter_->Save(arguments) == STATUS_SUCCESS);
}

void FakeHost::Unload() {
  adapter_->Stop();
  CHECK(mapped_ == 0);
  adapter_.reset();
}

NTSTATUS FakeHost::RestoreAll() {
  for (SavedBlock& block : blocks_) {
    DXGKARG_RESTOREMEMORYFORHOTUPDATE arguments = {};
    arguments.pDataMdl = MakeRestoredList(block.bytes);
    arguments.MetaDataSize = static_cast<UINT>(block.metadata.size());
    arguments.pMetaData = block.metadata.data();
    const NTSTATUS status = adapter_->Restore(arguments);
    if (!NT_SUCCESS(status)) {
      // R8: the list is the host's again.
      MmFreePagesFromMdl(arguments.pDataMdl);
      ExFreePool(arguments.pDataMdl);
      return status;
    }
  }
  return STATUS_SUCCESS;
}

void FakeHost::CompleteRestore() {
  DXGKARG_RESTOREMEMORYFORHOTUPDATE arguments = {};
  arguments.Flags.RestoreComplete = 1;
  CHECK(adapter_->Restore(arguments) == STATUS_SUCCESS);
}

NTSTATUS FakeHost::CreateVgpu(uint32_t partition) {
  auto wanted = std::make_unique<DXGKARG_CREATEVIRTUALGPU>();
  wanted->PartitionId = partition;
  wanted->VirtualGpuLuid = {partition + 100, 7};
  return adapter_->CreateVgpu(*wanted);
}

uint32_t FakeHost::Request(uint32_t function, uint32_t opcode, uint64_t first,
                           uint64_t second, uint64_t* results) {
  softgpu_mailbox* mailbox = &functions_[function]->As<softgpu_vf>()->mailbox;
  mailbox->opcode = opcode;
  mailbox->arguments[0] = first;
  mailbox->arguments[1] = second;
  softgpu_write64(&mailbox->request_sequence, mailbox->request_sequence + 1);
  if (!ServeWaiting(function)) return kUnanswered;
  if (results != nullptr) {
    std::memcpy(results, mailbox->results, sizeof(mailbox->results));
  }
  return mailbox->status;
}

bool FakeHost::ServeWaiting(uint32_t function) {
  adapter_->Dpc();
  const softgpu_mailbox& mailbox =
      functions_[function]->As<softgpu_vf>()->mailbox;
  return mailbox.response_sequence == mailbox.request_sequence;
}

NTSTATUS FakeHost::Census(uint32_t partition, std::string* digest) const {
  BATON_ESCAPE_INPUT input = {};
  input.Command = kEscapeStateDigest;
  BATON_ESCAPE_STATE_DIGEST output = {};
  DXGK_VIRTUALGPUDRIVERESCAPE escape = {};
  escape.PartitionId = partition;
  escape.InputBufferSize = sizeof(input);
  escape.OutputBufferSize = sizeof(output);
  escape.pInputBuffer = &input;
  escape.pOutputBuffer = &output;
  const NTSTATUS status = adapter_->Escape(escape);
  if (!NT_SUCCESS(status)) return status;
  CHECK(output.VirtualGpuLuid.LowPart == partition + 100);
  CHECK(output.VramBytes == uint64_t{1} << 20);
  digest->assign(reinterpret_cast<const char*>(output.Digest),
                 sizeof(output.Digest));
  return STATUS_SUCCESS;
}

NTSTATUS FakeHost::GetDeviceInformation(HANDLE host, DXGK_DEVICE_INFO* info) {
  info->TranslatedResourceList =
      reinterpret_cast<CM_RESOURCE_LIST*>(Of(host)->resources_.data());
  return STATUS_SUCCESS;
}

// As many parameters as were published.
// NOLINTNEXTLINE(readability-function-size)
NTSTATUS FakeHost::MapMemory(HANDLE host, PHYSICAL_ADDRESS bar, ULONG, BOOLEAN,
                             BOOLEAN, MEMORY_CACHING_TYPE, PVOID* address) {
  const auto index = static_cast<uint32_t>(bar.QuadPart >> kBarShift);
  CHECK(index != 1);  // this driver needs no VRAM
  *address = index == 0
                 ? static_cast<void*>(Of(host)->board_.pf())
                 : static_cast<void*>(Of(host)->functions_[index - 2]->data());
  ++Of(host)->mapped_;
  return STATUS_SUCCESS;
}

NTSTATUS FakeHost::UnmapMemory(HANDLE host, PVOID) {
  --Of(host)->mapped_;
  return STATUS_SUCCESS;
}

BOOLEAN FakeHost::QueueDpc(HANDLE host) {
  ++Of(host)->dpcs_;
  return TRUE;
}

NTSTATUS FakeHost::SaveMemory(
    HANDLE handle, IN_CONST_PDXGKARGCB_SAVEMEMORYFORHOTUPDATE block) {
  FakeHost* host = Of(handle);
  SavedBlock saved;
  saved.metadata.assign(reinterpret_cast<const char*>(block->pMetaData),
                        block->MetaDataSize);
  const int forms = (block->pData != nullptr) + (block->pDataMdl != nullptr) +
                    (block->pDataMemoryRanges != nullptr);
  CHECK(forms == 1);
  if (block->pData != nullptr) {
    const auto first = reinterpret_cast<uintptr_t>(block->pData) >> PAGE_SHIFT;
    host->TakePages(
        &saved, first,
        ADDRESS_AND_SIZE_TO_SPAN_PAGES(block->pData, block->DataSize));
    saved.bytes.assign(static_cast<const char*>(block->pData), block->DataSize);
  } else if (block->pDataMdl != nullptr) {
    const SIZE_T pages = BatonMdlPageCount(block->pDataMdl);
    for (SIZE_T i = 0; i < pages; ++i) {
      host->TakePages(&saved, MmGetMdlPfnArray(block->pDataMdl)[i], 1);
    }
  } else {
    for (UINT i = 0; i < block->NumDataMemoryRanges; ++i) {
      host->TakePages(&saved, BatonKsrFirstPage(block->pDataMemoryRanges[i]),
                      BatonKsrPages(block->pDataMemoryRanges[i]));
    }
  }
  host->blocks_.push_back(saved);
  return STATUS_SUCCESS;
}

void FakeHost::TakePages(SavedBlock* block, uint64_t first_page,
                         uint64_t pages) {
  for (uint64_t page = first_page; page < first_page + pages; ++page) {
    if (!saved_pages_.insert(page).second) page_saved_twice_ = true;
    // As the fake kernel numbers pages.
    // NOLINTNEXTLINE(performance-no-int-to-ptr)
    block->bytes.append(reinterpret_cast<const char*>(
                            static_cast<uintptr_t>(page << PAGE_SHIFT)),
                        PAGE_SIZE);
  }
}

}  // namespace baton::miniport
