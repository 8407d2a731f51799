#include "service/rpc/fleet_service.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "gtest/gtest.h"
#include "service/rpc/testing/service_fixture.h"
#include "service/rpc/watch_stream.h"

namespace baton::rpc {
namespace {

using Stub = v1::FleetService::Stub;

class FleetServiceTest : public ServiceFixture {
 protected:
  v1::Host Get(const std::string& name) {
    v1::GetHostRequest request;
    request.set_name(name);
    v1::GetHostResponse response;
    const absl::Status got = Call(*fleet_, &Stub::GetHost, request, &response);
    EXPECT_TRUE(got.ok()) << got;
    return response.host();
  }
  absl::Status Cordon(const std::string& name, const std::string& etag,
                      const std::string& request_id = "") {
    v1::CordonHostRequest request;
    request.set_name(name);
    request.set_reason("disk swap");
    request.set_etag(etag);
    request.set_request_id(request_id);
    v1::CordonHostResponse response;
    return Call(*fleet_, &Stub::CordonHost, request, &response);
  }
};

TEST_F(FleetServiceTest, ShowsWhatTheAgentSaid) {
  const auto agent = Connected("hosts/h-1");
  const v1::Host host = Get("hosts/h-1");
  EXPECT_EQ(host.name(), "hosts/h-1");
  EXPECT_EQ(host.state(), v1::HOST_STATE_READY);
  EXPECT_TRUE(host.connected());
  EXPECT_TRUE(host.has_last_heard_time());
  EXPECT_EQ(host.boot_id(), "boot-1");
  EXPECT_EQ(host.labels().at("zone"), "a");
  ASSERT_EQ(host.adapters_size(), 1);
  EXPECT_EQ(host.adapters(0).SerializeAsString(),
            agent->hello.hello().inventory().adapters(0).SerializeAsString());
}

TEST_F(FleetServiceTest, ListsPageByPage) {
  std::vector<std::unique_ptr<FakeAgent>> agents;
  agents.reserve(7);
  for (int i = 0; i < 7; ++i) {
    agents.push_back(Connected(absl::StrCat("hosts/h-", i)));
  }
  v1::ListHostsRequest request;
  request.set_page_size(3);
  std::vector<std::string> names;
  int pages = 0;
  do {
    v1::ListHostsResponse response;
    ASSERT_TRUE(Call(*fleet_, &Stub::ListHosts, request, &response).ok());
    for (const v1::Host& host : response.hosts()) names.push_back(host.name());
    request.set_page_token(response.next_page_token());
    ++pages;
  } while (!request.page_token().empty());
  EXPECT_EQ(pages, 3);
  EXPECT_EQ(names, (std::vector<std::string>{
                       "hosts/h-0", "hosts/h-1", "hosts/h-2", "hosts/h-3",
                       "hosts/h-4", "hosts/h-5", "hosts/h-6"}));
}

TEST_F(FleetServiceTest, ListsWhatTheFilterMatches) {
  const auto a = Connected("hosts/a");
  FakeAgent b(*agents_, "hosts/b");
  (*b.hello.mutable_hello()->mutable_labels())["zone"] = "b";
  b.Connect();
  v1::ListHostsRequest request;
  request.set_filter("zone=b");
  v1::ListHostsResponse response;
  ASSERT_TRUE(Call(*fleet_, &Stub::ListHosts, request, &response).ok());
  ASSERT_EQ(response.hosts_size(), 1);
  EXPECT_EQ(response.hosts(0).name(), "hosts/b");
}

TEST_F(FleetServiceTest, RefusesBadListsWithAReason) {
  const struct {
    int32_t size;
    const char* token;
    const char* filter;
    const char* reason;
  } kCases[] = {
      {-1, "", "", "BAD_PAGE_SIZE"},
      {1001, "", "", "BAD_PAGE_SIZE"},
      {1, "junk", "", "BAD_PAGE_TOKEN"},
      {1, "", "zone in (a", "BAD_SELECTOR"},
  };
  for (const auto& c : kCases) {
    v1::ListHostsRequest request;
    request.set_page_size(c.size);
    request.set_page_token(c.token);
    request.set_filter(c.filter);
    v1::ListHostsResponse response;
    const absl::Status listed =
        Call(*fleet_, &Stub::ListHosts, request, &response);
    EXPECT_EQ(listed.code(), absl::StatusCode::kInvalidArgument) << listed;
    EXPECT_EQ(Reason(listed), c.reason);
  }
}

TEST_F(FleetServiceTest, NamesWhatItDoesNotKnow) {
  v1::GetHostRequest request;
  v1::GetHostResponse response;
  request.set_name("hosts/none");
  absl::Status got = Call(*fleet_, &Stub::GetHost, request, &response);
  EXPECT_EQ(got.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Reason(got), "HOST_NOT_FOUND");
  request.set_name("none");
  got = Call(*fleet_, &Stub::GetHost, request, &response);
  EXPECT_EQ(got.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Reason(got), "BAD_NAME");
  EXPECT_NE(got.message().find("hosts/{host}"), absl::string_view::npos) << got;
  v1::ExplainHostRequest why;
  v1::ExplainHostResponse explained;
  why.set_name("hosts/none");
  got = Call(*fleet_, &Stub::ExplainHost, why, &explained);
  EXPECT_EQ(Reason(got), "HOST_NOT_FOUND");
}

TEST_F(FleetServiceTest, CordonsAndUncordons) {
  const auto agent = Connected("hosts/h");
  ASSERT_TRUE(Cordon("hosts/h", Get("hosts/h").etag()).ok());
  EXPECT_EQ(Get("hosts/h").cordon().reason(), "disk swap");
  EXPECT_EQ(Get("hosts/h").cordon().by(), "anonymous");
  v1::UncordonHostRequest request;
  request.set_name("hosts/h");
  v1::UncordonHostResponse response;
  ASSERT_TRUE(Call(*fleet_, &Stub::UncordonHost, request, &response).ok());
  EXPECT_FALSE(response.host().has_cordon());
}

TEST_F(FleetServiceTest, RefusesAnEtagThatIsNotTheNewest) {
  const auto agent = Connected("hosts/h");
  const std::string etag = Get("hosts/h").etag();
  ASSERT_TRUE(Cordon("hosts/h", etag).ok());
  const core::Fleet before = Snapshot();
  const absl::Status late = Cordon("hosts/h", etag);
  EXPECT_EQ(late.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Reason(late), "ETAG_MISMATCH");
  EXPECT_EQ(Snapshot(), before);
}

TEST_F(FleetServiceTest, ARepeatedRequestChangesNothing) {
  const auto agent = Connected("hosts/h");
  ASSERT_TRUE(Cordon("hosts/h", "", "id-1").ok());
  const core::Fleet before = Snapshot();
  EXPECT_TRUE(Cordon("hosts/h", "", "id-1").ok());
  EXPECT_EQ(Snapshot(), before);
}

TEST_F(FleetServiceTest, ReplacesTheOperatorsLabels) {
  const auto agent = Connected("hosts/h");
  v1::UpdateHostRequest request;
  request.set_name("hosts/h");
  (*request.mutable_operator_labels())["tier"] = "gold";
  v1::UpdateHostResponse response;
  ASSERT_TRUE(Call(*fleet_, &Stub::UpdateHost, request, &response).ok());
  EXPECT_EQ(response.host().labels().at("tier"), "gold");
  EXPECT_EQ(response.host().labels().at("zone"), "a");
  EXPECT_EQ(response.host().operator_labels_size(), 1);
}

TEST_F(FleetServiceTest, ExplainsAHost) {
  const auto agent = Connected("hosts/h");
  v1::ExplainHostRequest request;
  request.set_name("hosts/h");
  v1::ExplainHostResponse response;
  ASSERT_TRUE(Call(*fleet_, &Stub::ExplainHost, request, &response).ok());
  EXPECT_NE(response.explanation().summary(), "");
  EXPECT_GT(response.explanation().gates_size(), 0);
}

TEST_F(FleetServiceTest, WritesDownWhoAsked) {
  const auto agent = Connected("hosts/h");
  v1::CordonHostRequest request;
  request.set_name("hosts/h");
  request.set_reason("disk swap");
  v1::CordonHostResponse response;
  grpc::ClientContext context;
  context.AddMetadata("baton-user", "alice");
  ASSERT_TRUE(fleet_->CordonHost(&context, request, &response).ok());
  EXPECT_EQ(response.host().cordon().by(), "alice");
}

TEST_F(FleetServiceTest, RefusesNamesThatAreNotACallersOwn) {
  const auto agent = Connected("hosts/h");
  const core::Fleet before = Snapshot();
  for (const std::string& user :
       {std::string("batond"), std::string("agent:h"), std::string(65, 'u')}) {
    v1::CordonHostRequest request;
    request.set_name("hosts/h");
    request.set_reason("disk swap");
    v1::CordonHostResponse response;
    grpc::ClientContext context;
    context.AddMetadata("baton-user", user);
    const absl::Status cordoned =
        FromStub(fleet_->CordonHost(&context, request, &response));
    EXPECT_EQ(cordoned.code(), absl::StatusCode::kInvalidArgument) << cordoned;
    EXPECT_EQ(Reason(cordoned), "BAD_USER") << user;
  }
  EXPECT_EQ(Snapshot(), before);
}

TEST_F(FleetServiceTest, RefusesAFieldOfFiveMebibytes) {
  const auto agent = Connected("hosts/h");
  const core::Fleet before = Snapshot();
  v1::CordonHostRequest request;
  request.set_name("hosts/h");
  request.set_reason(std::string(5 << 20, 'r'));
  v1::CordonHostResponse response;
  const absl::Status cordoned =
      Call(*fleet_, &Stub::CordonHost, request, &response);
  EXPECT_EQ(cordoned.code(), absl::StatusCode::kInvalidArgument) << cordoned;
  EXPECT_EQ(Reason(cordoned), "FIELD_TOO_LONG");
  EXPECT_EQ(cordoned.message(),
            "field \"reason\" has 5242880 bytes, at most 1024 are taken");
  EXPECT_EQ(Snapshot(), before);
}

// ---- Watch

class WatchHostsTest : public FleetServiceTest {
 protected:
  std::unique_ptr<grpc::ClientReader<v1::WatchHostsResponse>> Watch(
      const std::string& filter) {
    v1::WatchHostsRequest request;
    request.set_filter(filter);
    return fleet_->WatchHosts(&context_, request);
  }
  grpc::ClientContext context_;
};

TEST_F(WatchHostsTest, ShowsAllAndThenWhatChanged) {
  const auto a = Connected("hosts/a");
  const auto b = Connected("hosts/b");
  const auto reader = Watch("");
  v1::WatchHostsResponse seen;
  ASSERT_TRUE(reader->Read(&seen));
  ASSERT_EQ(seen.hosts_size(), 2);
  const uint64_t revision = seen.revision();
  ASSERT_TRUE(Cordon("hosts/b", "").ok());
  do {
    ASSERT_TRUE(reader->Read(&seen));
  } while (!seen.hosts(0).has_cordon());
  EXPECT_GT(seen.revision(), revision);
  ASSERT_EQ(seen.hosts_size(), 1);
  EXPECT_EQ(seen.hosts(0).name(), "hosts/b");
  context_.TryCancel();
}

TEST_F(WatchHostsTest, SaysThatNobodyMatchesYet) {
  const auto reader = Watch("zone=nowhere");
  v1::WatchHostsResponse seen;
  ASSERT_TRUE(reader->Read(&seen));
  EXPECT_EQ(seen.hosts_size(), 0);
  context_.TryCancel();
}

TEST_F(WatchHostsTest, ShowsAHostThatStopsMatchingOnceMore) {
  const auto a = Connected("hosts/a");
  const auto reader = Watch("!tier");
  v1::WatchHostsResponse seen;
  ASSERT_TRUE(reader->Read(&seen));
  ASSERT_EQ(seen.hosts_size(), 1);
  v1::UpdateHostRequest request;
  request.set_name("hosts/a");
  (*request.mutable_operator_labels())["tier"] = "gold";
  v1::UpdateHostResponse response;
  ASSERT_TRUE(Call(*fleet_, &Stub::UpdateHost, request, &response).ok());
  do {
    ASSERT_TRUE(reader->Read(&seen));
    ASSERT_EQ(seen.hosts_size(), 1);
  } while (seen.hosts(0).labels().count("tier") == 0);
  // Of what happens to it now nothing is said; of others it is.
  ASSERT_TRUE(Cordon("hosts/a", "").ok());
  const auto b = Connected("hosts/b");
  ASSERT_TRUE(reader->Read(&seen));
  EXPECT_EQ(seen.hosts(0).name(), "hosts/b");
  context_.TryCancel();
}

TEST_F(WatchHostsTest, TellsOfADeletedHostWhoWasShownIt) {
  auto a = Connected("hosts/a");
  auto b = Connected("hosts/b");
  v1::UpdateHostRequest label;
  label.set_name("hosts/b");
  (*label.mutable_operator_labels())["tier"] = "gold";
  v1::UpdateHostResponse labelled;
  ASSERT_TRUE(Call(*fleet_, &Stub::UpdateHost, label, &labelled).ok());
  const auto reader = Watch("!tier");
  v1::WatchHostsResponse seen;
  ASSERT_TRUE(reader->Read(&seen));
  ASSERT_EQ(seen.hosts_size(), 1);
  a.reset();
  b.reset();
  Await([](const core::Fleet& fleet) {
    return !fleet.hosts.at("hosts/a").connected() &&
           !fleet.hosts.at("hosts/b").connected();
  });
  // The first is not of interest: it is not told.
  for (const char* name : {"hosts/b", "hosts/a"}) {
    v1::DeleteHostRequest request;
    request.set_name(name);
    request.set_reason("sold");
    v1::DeleteHostResponse response;
    ASSERT_TRUE(Call(*fleet_, &Stub::DeleteHost, request, &response).ok());
  }
  do {
    ASSERT_TRUE(reader->Read(&seen));
  } while (seen.deleted().empty());
  ASSERT_EQ(seen.deleted_size(), 1);
  EXPECT_EQ(seen.deleted(0), "hosts/a");
  EXPECT_EQ(seen.hosts_size(), 0);
  // Whoever comes back is shown again.
  const auto again = Connected("hosts/a");
  ASSERT_TRUE(reader->Read(&seen));
  ASSERT_EQ(seen.hosts_size(), 1);
  EXPECT_EQ(seen.hosts(0).name(), "hosts/a");
  EXPECT_TRUE(seen.deleted().empty());
  context_.TryCancel();
}

TEST_F(WatchHostsTest, ASlowReaderEndsOnTheNewestStateAndNeverGoesBack) {
  const auto a = Connected("hosts/a");
  const auto reader = Watch("");
  constexpr int kLast = 300;
  for (int i = 1; i <= kLast; ++i) {
    v1::UpdateHostRequest request;
    request.set_name("hosts/a");
    (*request.mutable_operator_labels())["n"] = absl::StrCat(i);
    v1::UpdateHostResponse response;
    ASSERT_TRUE(Call(*fleet_, &Stub::UpdateHost, request, &response).ok());
  }
  v1::WatchHostsResponse seen;
  uint64_t revision = 0;
  std::string newest;
  while (newest != absl::StrCat(kLast)) {
    ASSERT_TRUE(reader->Read(&seen));
    EXPECT_GE(seen.revision(), revision);
    revision = seen.revision();
    const auto& labels = seen.hosts(0).labels();
    newest = labels.count("n") > 0 ? labels.at("n") : "";
  }
  context_.TryCancel();
}

TEST_F(WatchHostsTest, SplitsWhatWouldBeTooLarge) {
  std::vector<std::unique_ptr<FakeAgent>> agents;
  for (int i = 0; i < 4; ++i) {
    auto agent =
        std::make_unique<FakeAgent>(*agents_, absl::StrCat("hosts/h-", i));
    v1::Adapter& adapter =
        *agent->hello.mutable_hello()->mutable_inventory()->mutable_adapters(0);
    for (uint32_t n = 2; n < 20; ++n) {
      v1::VirtualGpu& vgpu = *adapter.add_vgpus();
      vgpu.set_partition_id(n);
      vgpu.set_guest(std::string(40'000, 'g'));
    }
    agent->Connect();
    agents.push_back(std::move(agent));
  }
  const auto reader = Watch("");
  int messages = 0;
  for (int hosts = 0; hosts < 4; ++messages) {
    v1::WatchHostsResponse seen;
    ASSERT_TRUE(reader->Read(&seen));
    EXPECT_LT(seen.ByteSizeLong(), 2 * kWatchBytesMax);
    hosts += seen.hosts_size();
  }
  EXPECT_EQ(messages, 2);
  context_.TryCancel();
}

TEST_F(WatchHostsTest, RefusesAFilterThatDoesNotParse) {
  const auto reader = Watch("zone in (a");
  v1::WatchHostsResponse seen;
  EXPECT_FALSE(reader->Read(&seen));
  const absl::Status end = FromStub(reader->Finish());
  EXPECT_EQ(end.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Reason(end), "BAD_SELECTOR");
}

TEST_F(WatchHostsTest, IsToldWhenTheServiceStops) {
  const auto reader = Watch("");
  v1::WatchHostsResponse seen;
  ASSERT_TRUE(reader->Read(&seen));
  streams_.EndAll(absl::UnavailableError("the service stops"));
  while (reader->Read(&seen)) {
  }
  EXPECT_EQ(FromStub(reader->Finish()),
            absl::UnavailableError("the service stops"));
}

}  // namespace
}  // namespace baton::rpc
