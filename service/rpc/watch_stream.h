#ifndef SERVICE_RPC_WATCH_STREAM_H_
#define SERVICE_RPC_WATCH_STREAM_H_

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "proto/status_codec.h"
#include "service/core/apply.h"
#include "service/core/fleet.h"
#include "service/rpc/end_gate.h"
#include "service/rpc/open_streams.h"
#include "service/runtime/feed.h"
#include "service/runtime/fleet_loop.h"

namespace baton::rpc {

// About how large a message of a watch may be, in bytes: clients take 4 MiB.
inline constexpr size_t kWatchBytesMax = size_t{1} << 20;

// What becomes of a message that was filled.
enum class Filled {
  kMessage,      // it is sent
  kLastMessage,  // it is sent, and the stream ends
  kNothing       // nothing of it is of interest: it is not sent
};

// What one kind of watch shows. Called on the loop thread alone, except for
// construction and destruction.
template <typename Response>
class WatchView {
 public:
  virtual ~WatchView() = default;

  // Adds the keys of everything to `keys`. An error ends the stream with it.
  virtual absl::Status Begin(const core::Fleet& fleet,
                             std::set<std::string>& keys) = 0;

  // Adds the keys of what changed and is of interest. Keeps no state.
  virtual void Collect(const core::Changes& changes,
                       std::set<std::string>& keys) const = 0;

  // Moves `keys` into `response`, as they are now; takes all of them when it
  // returns kNothing; stops at about
  // kWatchBytesMax, and what is left goes into the next one. An error ends the
  // stream with it.
  virtual absl::StatusOr<Filled> Fill(const core::Fleet& fleet,
                                      std::set<std::string>& keys,
                                      Response& response) = 0;
};

// One caller who watches. Of what was not sent yet it holds keys alone, each
// once, and one message that is on the wire, so a slow reader costs little and
// always gets the newest state.
//
// gRPC and the feed own it; it goes when both let go.
template <typename Response>
class WatchStream final
    : public grpc::ServerWriteReactor<Response>,
      public runtime::Watcher,
      public OpenStream,
      public std::enable_shared_from_this<WatchStream<Response>> {
 public:
  using View = std::unique_ptr<WatchView<Response>>;

  // Returns the reactor of a call. Any thread. `loop` and `streams` must
  // outlive the call.
  //
  // `view`  an error ends the call with it
  static grpc::ServerWriteReactor<Response>* Open(absl::StatusOr<View> view,
                                                  runtime::FleetLoop& loop,
                                                  OpenStreams& streams) {
    const absl::Status refused = view.status();
    auto stream = std::shared_ptr<WatchStream>(
        new WatchStream(view.ok() ? *std::move(view) : nullptr, loop, streams));
    stream->self_ = stream;
    grpc::ServerWriteReactor<Response>* const reactor = stream.get();
    streams.Add(stream);
    if (!refused.ok()) stream->End(refused);
    stream->Start();
    return reactor;
  }

  void End(const absl::Status& why) override { FinishIf(gate_.End(why)); }

  void OnTurn(const core::Fleet& fleet, const core::Changes& changes) override
      ABSL_LOCKS_EXCLUDED(mu_) {
    {
      MutexLock lock(mu_);
      view_->Collect(changes, keys_);
      if (busy_ || keys_.empty() || !gate_.Enter()) return;
      busy_ = true;
    }
    Write(fleet);
  }

  void OnWriteDone(bool ok) override ABSL_LOCKS_EXCLUDED(mu_) {
    if (!ok) End(absl::CancelledError("the caller is gone"));
    bool more = false;
    {
      MutexLock lock(mu_);
      more = !keys_.empty() && !gate_.ending();
      busy_ = more;
    }
    if (more) {
      ReadAndWrite();
    } else {
      FinishIf(gate_.Leave());
    }
  }

  void OnCancel() override { End(absl::CancelledError("the caller is gone")); }

  void OnDone() override {
    const auto self = std::exchange(self_, nullptr);
    streams_.Remove(this);
    loop_.feed().Unsubscribe(self);
  }

 private:
  WatchStream(View view, runtime::FleetLoop& loop, OpenStreams& streams)
      : loop_(loop), streams_(streams), view_(std::move(view)) {}

  // From here to the end of the first message the stream holds its gate and is
  // busy, so it is subscribed before it can be done.
  void Start() {
    if (!gate_.Enter()) return;
    const auto self = this->shared_from_this();
    const absl::Status posted = loop_.Read(
        [self](const absl::Status& status, const core::Fleet& fleet) {
          self->Begin(status, fleet);
        });
    if (!posted.ok()) GiveUp(posted);
  }

  void Begin(absl::Status status, const core::Fleet& fleet)
      ABSL_LOCKS_EXCLUDED(mu_) {
    std::set<std::string> keys;
    if (status.ok()) status = view_->Begin(fleet, keys);
    if (!status.ok()) return GiveUp(status);
    {
      MutexLock lock(mu_);
      keys_ = std::move(keys);
    }
    loop_.feed().Subscribe(this->shared_from_this());
    Write(fleet);
  }

  // Loop thread; busy.
  void Write(const core::Fleet& fleet) ABSL_LOCKS_EXCLUDED(mu_) {
    std::set<std::string> keys;
    {
      MutexLock lock(mu_);
      keys = std::exchange(keys_, {});
    }
    response_.Clear();
    const absl::StatusOr<Filled> filled = view_->Fill(fleet, keys, response_);
    if (!filled.ok()) return GiveUp(filled.status());
    {
      // Nothing was added to keys_ meanwhile: that happens on this thread.
      MutexLock lock(mu_);
      keys_ = std::move(keys);
      busy_ = *filled != Filled::kNothing;
    }
    if (*filled == Filled::kNothing) return FinishIf(gate_.Leave());
    if (*filled == Filled::kLastMessage) End(absl::OkStatus());
    this->StartWrite(&response_);
  }

  // Busy: what changed during the last write comes next.
  void ReadAndWrite() {
    const auto self = this->shared_from_this();
    const absl::Status posted = loop_.Read(
        [self](const absl::Status& status, const core::Fleet& fleet) {
          status.ok() ? self->Write(fleet) : self->GiveUp(status);
        });
    if (!posted.ok()) GiveUp(posted);
  }

  // Ends instead of writing.
  void GiveUp(const absl::Status& why) {
    End(why);
    FinishIf(gate_.Leave());
  }

  void FinishIf(const std::optional<absl::Status>& due) {
    if (due.has_value()) this->Finish(ToGrpc(*due));
  }

  runtime::FleetLoop& loop_;
  OpenStreams& streams_;
  const View view_;
  std::shared_ptr<WatchStream> self_;  // until gRPC is done with it
  Response response_;                  // on the wire while busy
  EndGate gate_;
  Mutex mu_;
  // Set from before a message is made until it was written.
  bool busy_ ABSL_GUARDED_BY(mu_) = true;
  std::set<std::string> keys_ ABSL_GUARDED_BY(mu_);  // that wait
};

}  // namespace baton::rpc

#endif  // SERVICE_RPC_WATCH_STREAM_H_
