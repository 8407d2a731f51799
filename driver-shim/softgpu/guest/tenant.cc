#include "driver-shim/softgpu/guest/tenant.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "driver-shim/softgpu/doorbell.h"

namespace baton::softgpu {
namespace {

// How often a tenant looks up while it waits.
constexpr absl::Duration kLook = absl::Milliseconds(100);
constexpr absl::Duration kSetUpLook = absl::Milliseconds(2);
constexpr uint32_t kBatchMax = SOFTGPU_RING_SLOTS / 2;
constexpr uint64_t kComplaintsMax = 20;
constexpr uint64_t kCheckBytes = 65536;

bool GoodName(const std::string& name) {
  return !name.empty() && name.size() < SOFTGPU_OWNER_BYTES &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
         });
}

absl::Status CheckOptions(const Tenant::Options& options) {
  if (GoodName(options.name) && options.rate > 0 &&
      options.function < SOFTGPU_FUNCTIONS_MAX &&
      options.working_bytes >= 32768 && options.working_bytes % 4096 == 0) {
    return absl::OkStatus();
  }
  return ErrorWithReason(
      absl::StatusCode::kInvalidArgument, "GUEST_OPTION",
      absl::StrCat("guest '", options.name, "' got function ", options.function,
                   ", rate ", options.rate, " and a working set of ",
                   options.working_bytes, " bytes, want a function below ",
                   static_cast<int>(SOFTGPU_FUNCTIONS_MAX),
                   ", a rate of at least 1, and a multiple of 4096 from 32768; "
                   "a name has 1 to 47 of a-z A-Z 0-9 . _ -"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tenant>> Tenant::Create(const Options& options) {
  RETURN_IF_ERROR(CheckOptions(options));
  std::unique_ptr<Tenant> tenant(new Tenant(options));
  ASSIGN_OR_RETURN(
      tenant->page_file_,
      MappedFile::Open(absl::StrCat(options.directory, "/vf", options.function),
                       0, sizeof(softgpu_vf)));
  tenant->page_ = tenant->page_file_->As<softgpu_vf>();
  tenant->report_.name = options.name;
  tenant->report_.function = options.function;
  return tenant;
}

Report Tenant::Run(Stop& stop) {
  if (!SetUp(stop)) return report_;
  options_.on_ready();
  const auto period = absl::ToInt64Nanoseconds(options_.batch_period);
  uint64_t next = softgpu_now_ns();
  bool going = true;
  while (going) {
    going = RunBatch(stop);
    PumpMailbox();
    if (going && options_.report_wanted()) {
      CheckAll();
      options_.on_report(report_);
    }
    next += static_cast<uint64_t>(period);
    const uint64_t now = softgpu_now_ns();
    // Late: no burst to make up for it.
    if (next < now) next = now;
    if (going &&
        stop.WaitFor(absl::Nanoseconds(static_cast<int64_t>(next - now)))) {
      break;
    }
  }
  if (going) CheckAll();
  return report_;
}

bool Tenant::SetUp(Stop& stop) {
  while (softgpu_read32(&page_->enabled) == 0) {
    if (stop.WaitFor(kSetUpLook)) return false;
  }
  if (!MapWindow()) return false;
  mailbox_ = std::make_unique<MailboxClient>(page_);
  heap_ =
      std::make_unique<Heap>(page_->window_bytes, options_.seed ^ 0x48656170);
  model_ = std::make_unique<Model>(page_->window_bytes, options_.seed);
  return AskForWorkingSet(stop) && PrimeChain(stop);
}

bool Tenant::MapWindow() {
  auto window = MappedFile::Open(absl::StrCat(options_.directory, "/vram"),
                                 page_->window_base, page_->window_bytes);
  if (!window.ok()) {
    Complain(std::string(window.status().message()));
    ++report_.mailbox_errors;
    return false;
  }
  window_ = std::move(*window);
  return true;
}

// Waits for the answer: only before the work begins.
bool Tenant::Ask(const MailboxRequest& request, Stop& stop,
                 MailboxAnswer* answer) {
  while (mailbox_->Busy()) {
    if (stop.WaitFor(kSetUpLook)) return false;
  }
  mailbox_->Post(request);
  ++report_.mailbox_requests;
  while (true) {
    const auto polled = mailbox_->Poll();
    if (polled.has_value()) {
      *answer = *polled;
      return true;
    }
    if (stop.WaitFor(kSetUpLook)) return false;
  }
}

bool Tenant::AskForWorkingSet(Stop& stop) {
  MailboxAnswer answer;
  if (!Ask({SOFTGPU_MAILBOX_INFO, {}}, stop, &answer)) return false;
  heap_->SetBaseline(answer);
  for (uint64_t fence = 0; fence < SOFTGPU_FENCES; ++fence) {
    if (!Ask({SOFTGPU_MAILBOX_QUERY_FENCE, {fence, 0}}, stop, &answer)) {
      return false;
    }
    heap_->SetFence(fence, answer.results[0]);
  }
  // A page more, so that the working set can start on one.
  for (const MailboxRequest& request :
       {MailboxRequest{SOFTGPU_MAILBOX_CREATE_CONTEXT, {}},
        MailboxRequest{SOFTGPU_MAILBOX_ALLOCATE,
                       {options_.working_bytes + 4096, 0}}}) {
    if (!Ask(request, stop, &answer)) return false;
    const std::string wrong = heap_->Judge(request, answer);
    if (!wrong.empty()) {
      ++report_.mailbox_errors;
      Complain(wrong);
      return false;
    }
    if (request.opcode == SOFTGPU_MAILBOX_CREATE_CONTEXT) {
      context_ = static_cast<uint32_t>(answer.results[0]);
      context_tag_ = static_cast<uint32_t>(answer.results[1]);
    }
  }
  const Heap::Range range = heap_->TakeFresh();
  const uint64_t start = (range.offset + 4095) / 4096 * 4096;
  model_->SetWorkingSet(start, options_.working_bytes);
  model_->Check(window_->data(), range.offset, range.bytes);
  return true;
}

// Learns where the context's chain stands: hashing nothing writes it down.
bool Tenant::PrimeChain(Stop& stop) {
  while (softgpu_read64(&page_->completed) != page_->submitted) {
    if (stop.WaitFor(kSetUpLook)) return false;
  }
  softgpu_command nothing = {};
  nothing.opcode = SOFTGPU_HASH;
  nothing.dst = heap_->peak() - 8;
  Submit({nothing});
  if (!AwaitBatch(stop)) return false;
  uint64_t chain = 0;
  std::copy_n(window_->data() + nothing.dst, 8,
              reinterpret_cast<uint8_t*>(&chain));
  model_->SetChain(chain);
  model_->Check(window_->data(), nothing.dst, 8);
  return true;
}

bool Tenant::RunBatch(Stop& stop) {
  std::vector<softgpu_command> commands = std::exchange(extra_, {});
  for (const softgpu_command& command : commands) model_->Apply(command);
  const auto wanted = static_cast<uint32_t>(
      std::clamp(absl::ToDoubleSeconds(options_.batch_period) * options_.rate,
                 1.0, static_cast<double>(kBatchMax)));
  while (commands.size() < wanted) {
    commands.push_back(model_->Next(static_cast<uint32_t>(commands.size())));
  }
  Submit(std::move(commands));
  if (!AwaitBatch(stop)) return false;
  CheckBatch();
  return true;
}

void Tenant::Submit(std::vector<softgpu_command> commands) {
  uint64_t sequence = page_->submitted;
  for (softgpu_command& command : commands) {
    command.sequence = ++sequence;
    command.context = context_;
    command.context_tag = context_tag_;
    page_->ring[sequence % SOFTGPU_RING_SLOTS] = command;
  }
  report_.commands += commands.size();
  batch_ = std::move(commands);
  // Before the submission: the engine looks at it after each command.
  __atomic_store_n(&page_->notify_at, sequence, __ATOMIC_SEQ_CST);
  softgpu_write64(&page_->submitted, sequence);
  softgpu_ring(&page_->doorbell);
}

bool Tenant::AwaitBatch(Stop& stop) {
  const uint64_t last = batch_.back().sequence;
  const uint64_t begin = softgpu_now_ns();
  uint64_t give_up = 0;
  while (true) {
    const uint32_t doorbell = softgpu_read32(&page_->completion_doorbell);
    if (softgpu_read64(&page_->completed) >= last) break;
    if (softgpu_read32(&page_->enabled) == 0) {
      Complain("the function was taken away");
      CountMissing();
      return false;
    }
    const uint64_t now = softgpu_now_ns();
    if (give_up == 0 && now - begin > 1'000'000'000 &&
        stop.WaitFor(absl::ZeroDuration())) {
      give_up =
          now + static_cast<uint64_t>(absl::ToInt64Nanoseconds(options_.drain));
    }
    if (give_up != 0 && now >= give_up) {
      Complain("what was in flight did not come back");
      CountMissing();
      return false;
    }
    softgpu_wait(&page_->completion_doorbell, doorbell,
                 absl::ToInt64Nanoseconds(kLook));
    PumpMailbox();
  }
  const double gap_ms = static_cast<double>(softgpu_now_ns() - begin) / 1e6;
  report_.longest_gap_ms = std::max(report_.longest_gap_ms, gap_ms);
  if (gap_ms > absl::ToDoubleMilliseconds(options_.stall)) ++report_.stalls;
  return true;
}

void Tenant::CheckBatch() {
  for (const softgpu_command& command : batch_) {
    const softgpu_command& slot =
        page_->ring[command.sequence % SOFTGPU_RING_SLOTS];
    if (slot.executions == 0) {
      ++report_.lost;
    } else {
      report_.duplicated += slot.executions - 1;
      if (slot.order != static_cast<uint32_t>(command.sequence)) {
        ++report_.reordered;
      }
    }
    if (slot.fault != SOFTGPU_FAULT_NONE) ++report_.faults;
    const Written written = WrittenBy(command);
    if (!model_->Check(window_->data(), written.offset, written.bytes)) {
      ++report_.wrong;
      Complain(absl::StrCat("command ", command.sequence, " with opcode ",
                            command.opcode, " left another result"));
    }
  }
}

void Tenant::CountMissing() {
  for (const softgpu_command& command : batch_) {
    const softgpu_command& slot =
        page_->ring[command.sequence % SOFTGPU_RING_SLOTS];
    if (slot.executions == 0) ++report_.lost;
  }
}

void Tenant::PumpMailbox() {
  const auto answer = mailbox_->Poll();
  if (answer.has_value()) {
    const std::string wrong = heap_->Judge(asked_, *answer);
    if (!wrong.empty()) {
      ++report_.mailbox_errors;
      Complain(wrong);
    }
    // New memory gets contents that are this tenant's alone.
    const Heap::Range fresh = heap_->TakeFresh();
    if (fresh.bytes != 0) {
      softgpu_command fill = {};
      fill.opcode = SOFTGPU_FILL;
      fill.dst = fresh.offset;
      fill.bytes = static_cast<uint32_t>(fresh.bytes);
      fill.value = options_.seed ^ fresh.offset;
      extra_.push_back(fill);
    }
  }
  const uint64_t now = softgpu_now_ns();
  if (now < next_request_ns_ || mailbox_->Busy()) return;
  next_request_ns_ =
      now +
      static_cast<uint64_t>(absl::ToInt64Nanoseconds(options_.mailbox_period));
  asked_ = heap_->Choose();
  mailbox_->Post(asked_);
  ++report_.mailbox_requests;
}

// All that was ever the tenant's, up to its highest byte.
void Tenant::CheckAll() {
  for (uint64_t at = 0; at < heap_->peak(); at += kCheckBytes) {
    const uint64_t bytes = std::min(kCheckBytes, heap_->peak() - at);
    if (!model_->Check(window_->data(), at, bytes)) {
      ++report_.wrong;
      Complain(absl::StrCat("VRAM from ", at, " is not what was written"));
    }
  }
}

void Tenant::Complain(const std::string& what) {
  if (report_.mailbox_errors + report_.wrong + report_.lost > kComplaintsMax) {
    return;
  }
  LogError(absl::StrCat("guest '", options_.name, "': ", what));
}

}  // namespace baton::softgpu
