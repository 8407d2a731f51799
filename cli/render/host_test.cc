#include "cli/render/host.h"

#include "cli/render/golden.h"
#include "gtest/gtest.h"

namespace baton::cli {
namespace {

constexpr Look kTable = {Detail::kTable, Colour::kNever};
constexpr Look kWide = {Detail::kWide, Colour::kNever};

TEST(HostRenderTest, Tables) {
  const auto hosts = Sample<v1::ListHostsResponse>("hosts.txtpb");
  ExpectGolden("host_table", HostTable(hosts, kTable));
  ExpectGolden("host_wide", HostTable(hosts, kWide));
}

TEST(HostRenderTest, OneHost) {
  const auto hosts = Sample<v1::ListHostsResponse>("hosts.txtpb");
  ExpectGolden("host_get", HostText(hosts.hosts(0), kTable));
  ExpectGolden("host_get_wide", HostText(hosts.hosts(0), kWide));
  ExpectGolden("host_get_unhealthy", HostText(hosts.hosts(2), kTable));
}

TEST(HostRenderTest, AnEmptyFleetIsSaid) {
  EXPECT_EQ(HostTable({}, kTable), "no hosts\n");
}

}  // namespace
}  // namespace baton::cli
