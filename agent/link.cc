#include "agent/link.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/convert.h"
#include "base/fail_point.h"
#include "base/log.h"
#include "base/reason.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/client_callback.h"
#include "proto/status_codec.h"

namespace baton::agent {
namespace {

// What a service may ask for.
constexpr absl::Duration kHeartbeatMin = absl::Milliseconds(100);
constexpr absl::Duration kHeartbeatMax = absl::Minutes(5);

// How long a service may take to answer a hello; less than an order is valid.
constexpr absl::Duration kWelcomeMax = absl::Seconds(30);

// How long a service may tell an agent to stay away.
constexpr absl::Duration kStayAwayMax = absl::Minutes(10);

// How long the news of an update waits for more where it may: of the steps that
// guests stand for the service hears at once, and not one by one.
constexpr absl::Duration kGather = absl::Seconds(1);

// How long the status of a stream that broke may take to arrive.
constexpr absl::Duration kEndMax = absl::Seconds(1);

absl::Time TimeOf(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) +
         absl::Nanoseconds(time.nanos());
}

// Returns what `word` says to the loop; none for what is not for it, or what
// this release does not know.
std::optional<FromService> NewsIn(const v1::ConnectResponse& word,
                                  const ServiceClock& clock) {
  FromService news;
  if (word.has_welcome()) {
    news.kind = FromService::Kind::kWelcome;
    news.epoch = word.welcome().epoch();
    return news;
  }
  if (word.has_ack()) {
    news.kind = FromService::Kind::kAck;
    news.attempt = word.ack().attempt();
    news.sequence = word.ack().sequence();
    return news;
  }
  if (!word.has_order()) return std::nullopt;
  const v1::Order& order = word.order();
  news.epoch = order.epoch();
  news.order = FromProto(order);
  news.kind = FromService::Kind::kCancel;
  if (order.kind() == v1::ORDER_KIND_CANCEL) return news;
  // One of a kind that is not known is answered, too: the service waits for it.
  news.kind = FromService::Kind::kStart;
  news.order.unknown = UnknownIn(order);
  if (order.has_not_after()) {
    news.not_after = clock.When(TimeOf(order.not_after()));
  }
  return news;
}

// Tells what of a report has to be said from what was; empty: nothing has.
std::string KeyOf(const View& view) {
  if (!view.report.has_value()) return "";
  return absl::StrCat(view.report->attempt(), "/", view.report->sequence(), "/",
                      view.asked_again);
}

}  // namespace

// One stream. Lives on the stack of RunStream(), which outwaits OnDone().
class Link::Stream final
    : public grpc::ClientBidiReactor<v1::ConnectRequest, v1::ConnectResponse> {
 public:
  explicit Stream(Link& link)
      : link_(link), opened_(link.clock_.Monotonic()), clock_(opened_) {}

  void Open() {
    link_.stub_->async()->Connect(&context_, this);
    AddHold();  // writes come from the link's thread
    StartRead(&read_);
    StartCall();
  }

  // Only when no write is under way.
  void Write(v1::ConnectRequest word) {
    FAIL_POINT("agent.before_say");
    written_ = std::move(word);
    StartWrite(&written_);
  }

  // Nothing may be written afterwards.
  void Release() { RemoveHold(); }

  void Cancel() { context_.TryCancel(); }

  void OnReadDone(bool ok) override {
    if (!ok) return Break();
    FAIL_POINT("agent.after_hear");
    if (!Take()) return Break();
    StartRead(&read_);
  }

  void OnWriteDone(bool ok) override {
    FAIL_POINT("agent.after_say");
    MutexLock lock(link_.mu_);
    link_.writing_ = false;
    if (!ok) link_.broken_ = true;
    link_.changed_.SignalAll();
  }

  void OnDone(const grpc::Status& status) override {
    MutexLock lock(link_.mu_);
    link_.ended_ = FromGrpc(status);
    link_.changed_.SignalAll();
  }

 private:
  void Break() {
    MutexLock lock(link_.mu_);
    link_.broken_ = true;
    link_.changed_.SignalAll();
  }

  // Returns whether it came in time: by one that did not, each order would seem
  // to be too late.
  bool TakeWelcome(const v1::AgentWelcome& welcome) {
    if (link_.clock_.Monotonic() - opened_ > kWelcomeMax) {
      LogWarning("the service took this host in too late: dials again");
      return false;
    }
    LogInfo(absl::StrCat("the service of epoch ", welcome.epoch(),
                         " took this host in"));
    if (welcome.has_service_time()) {
      clock_.Welcome(TimeOf(welcome.service_time()));
    }
    MutexLock lock(link_.mu_);
    link_.welcomed_ = true;
    link_.inventory_.Welcomed(welcome);
    link_.heartbeat_ = std::clamp(FromProto(welcome.heartbeat()), kHeartbeatMin,
                                  kHeartbeatMax);
    link_.changed_.SignalAll();
    return true;
  }

  void TakeWait(const v1::AgentWait& wait) {
    MutexLock lock(link_.mu_);
    link_.wait_ =
        std::clamp(FromProto(wait.wait()), absl::ZeroDuration(), kStayAwayMax);
  }

  // Returns whether there is any use in what comes next.
  bool Take() {
    if (read_.has_welcome() && !TakeWelcome(read_.welcome())) return false;
    if (read_.has_wait()) {
      TakeWait(read_.wait());
      return true;
    }
    const std::optional<FromService> news = NewsIn(read_, clock_);
    if (!news.has_value()) {
      LogWarning("the service said something that this release does not know");
      return true;
    }
    // Full: the service repeats all on the next stream.
    return link_.deliver_(*news);
  }

  Link& link_;
  const absl::Duration opened_;
  ServiceClock clock_;  // of what reads
  grpc::ClientContext context_;
  v1::ConnectRequest written_;
  v1::ConnectResponse read_;
};

Link::Link(Options options, const std::shared_ptr<grpc::Channel>& channel,
           const Clock& clock, Random& random, Deliver deliver)
    : options_(std::move(options)),
      stub_(v1::AgentService::NewStub(channel)),
      clock_(clock),
      deliver_(std::move(deliver)),
      backoff_(options_.reconnect, random),
      thread_([this] { Run(); }) {}

Link::~Link() {
  {
    MutexLock lock(mu_);
    closing_ = true;
    changed_.SignalAll();
  }
  thread_.join();
}

void Link::Publish(View view) {
  MutexLock lock(mu_);
  view_ = std::move(view);
  changed_.SignalAll();
}

void Link::Pause(absl::Duration wait) {
  const absl::Duration until = clock_.Monotonic() + wait;
  MutexLock lock(mu_);
  while (!closing_) {
    const absl::Duration left = until - clock_.Monotonic();
    if (left <= absl::ZeroDuration()) return;
    changed_.WaitFor(mu_, absl::Ceil(left, absl::Milliseconds(1)));
  }
}

void Link::Run() {
  for (;;) {
    {
      MutexLock lock(mu_);
      while (!closing_ && !view_.has_value()) {
        changed_.WaitFor(mu_, absl::Seconds(1));
      }
      if (closing_) return;
    }
    Pause(WaitAfter(RunStream()));
  }
}

absl::Duration Link::WaitAfter(const absl::Status& ended) {
  std::optional<absl::Duration> told_to_wait;
  {
    MutexLock lock(mu_);
    told_to_wait = wait_;
  }
  if (told_to_wait.has_value()) {
    // The service spreads those that it sends away.
    LogInfo(absl::StrCat("the service is busy: comes again in ",
                         absl::FormatDuration(*told_to_wait)));
    return *told_to_wait;
  }
  if (Reason(ended) == "STREAM_REPLACED") {
    LogWarning(absl::StrCat("another agent speaks for '", options_.host,
                            "': ", ended.message()));
    return backoff_.Next() + options_.after_replaced;
  }
  if (ended.message() != told_) {
    // Once for each cause: it may be tried for hours.
    told_ = std::string(ended.message());
    LogWarning(absl::StrCat("no stream to the service: ", ended.ToString()));
  }
  return backoff_.Next();
}

v1::ConnectRequest Link::Hello(Sent& sent) {
  v1::ConnectRequest word;
  v1::AgentHello& hello = *word.mutable_hello();
  hello.set_host(options_.host);
  hello.set_boot_id(options_.boot_id);
  hello.set_agent_version(options_.agent_version);
  hello.mutable_labels()->insert(options_.labels.begin(),
                                 options_.labels.end());
  MutexLock lock(mu_);
  inventory_.Greet(*view_->inventory, hello);
  hello.set_epoch(view_->epoch);
  hello.set_finished_attempt(view_->finished_attempt);
  hello.set_finished_state(view_->finished_state);
  if (view_->report.has_value()) *hello.mutable_update() = *view_->report;
  sent.report_key = KeyOf(*view_);
  sent.last = sent.report_last = clock_.Monotonic();
  writing_ = true;
  return word;
}

absl::Duration Link::ReportWaits(const Sent& sent) const {
  const bool news = KeyOf(*view_) != sent.report_key;
  if (!news || !view_->may_wait) return absl::ZeroDuration();
  const absl::Duration since = clock_.Monotonic() - sent.report_last;
  return std::max(kGather - since, absl::ZeroDuration());
}

// What has to be said now; none while nothing has.
std::optional<v1::ConnectRequest> Link::NextWord(Sent& sent) {
  if (!welcomed_ || writing_) return std::nullopt;
  v1::ConnectRequest word;
  const bool news = KeyOf(*view_) != sent.report_key &&
                    ReportWaits(sent) == absl::ZeroDuration();
  if (news) sent.report_key = KeyOf(*view_);
  if (news && view_->report.has_value()) {
    *word.mutable_report() = *view_->report;
    sent.report_last = clock_.Monotonic();
  } else {
    const bool changed =
        inventory_.Tell(*view_->inventory, *word.mutable_heartbeat());
    const bool due = clock_.Monotonic() - sent.last >= heartbeat_;
    if (!changed && !due) return std::nullopt;
  }
  sent.last = clock_.Monotonic();
  writing_ = true;
  return word;
}

void Link::Converse(Stream& stream) {
  Sent sent;
  std::optional<v1::ConnectRequest> word = Hello(sent);
  for (;;) {
    if (word.has_value()) stream.Write(*std::exchange(word, std::nullopt));
    MutexLock lock(mu_);
    if (closing_ || broken_ || ended_.has_value()) return;
    word = NextWord(sent);
    if (word.has_value()) continue;
    const absl::Duration quiet = clock_.Monotonic() - sent.last;
    if (!welcomed_ && quiet > kWelcomeMax) return;
    const absl::Duration waits = ReportWaits(sent);
    const absl::Duration next = waits > absl::ZeroDuration()
                                    ? std::min(waits, heartbeat_ - quiet)
                                    : heartbeat_ - quiet;
    changed_.WaitFor(mu_,
                     std::clamp(next, absl::Milliseconds(1), absl::Seconds(1)));
  }
}

absl::Status Link::RunStream() {
  {
    MutexLock lock(mu_);
    welcomed_ = writing_ = broken_ = false;
    wait_.reset();
    ended_ = std::nullopt;
  }
  Stream stream(*this);
  stream.Open();
  Converse(stream);
  stream.Release();
  AwaitEnd(kEndMax);
  // The service's own last word, if it had one, has come by now.
  stream.Cancel();
  AwaitEnd(absl::InfiniteDuration());
  MutexLock lock(mu_);
  // A stream that worked is no reason to wait longer for the next one.
  if (welcomed_) backoff_.Reset();
  return *ended_;
}

void Link::AwaitEnd(absl::Duration most) {
  const absl::Duration until = clock_.Monotonic() + most;
  MutexLock lock(mu_);
  while (!ended_.has_value() && clock_.Monotonic() < until) {
    if (closing_ && most < absl::InfiniteDuration()) return;
    changed_.WaitFor(mu_, absl::Milliseconds(100));
  }
}

}  // namespace baton::agent
