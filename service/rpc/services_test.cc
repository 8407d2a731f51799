#include "service/rpc/services.h"

#include <memory>
#include <string>
#include <vector>

#include "grpcpp/generic/generic_stub.h"
#include "gtest/gtest.h"
#include "service/rpc/testing/service_fixture.h"

namespace baton::rpc {
namespace {

class ServicesTest : public ServiceFixture {
 protected:
  // Calls `method` with the bytes of one message; returns those of the answer.
  // Reflection's and the health service's messages come with no header files.
  std::string CallRaw(const std::string& method, const std::string& request) {
    grpc::GenericStub stub(channel_);
    grpc::ClientContext context;
    grpc::CompletionQueue queue;
    const auto stream = stub.PrepareCall(&context, method, &queue);
    stream->StartCall(nullptr);
    EXPECT_TRUE(Wait(queue));
    const grpc::Slice slice(request);
    stream->Write(grpc::ByteBuffer(&slice, 1), nullptr);
    EXPECT_TRUE(Wait(queue));
    grpc::ByteBuffer answer;
    stream->Read(&answer, nullptr);
    EXPECT_TRUE(Wait(queue));
    stream->WritesDone(nullptr);
    EXPECT_TRUE(Wait(queue));
    grpc::Status status;
    stream->Finish(&status, nullptr);
    EXPECT_TRUE(Wait(queue));
    EXPECT_TRUE(status.ok()) << status.error_message();
    std::vector<grpc::Slice> slices;
    EXPECT_TRUE(answer.Dump(&slices).ok());
    std::string bytes;
    for (const grpc::Slice& part : slices) {
      bytes.append(reinterpret_cast<const char*>(part.begin()), part.size());
    }
    return bytes;
  }

 private:
  static bool Wait(grpc::CompletionQueue& queue) {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  }
};

TEST_F(ServicesTest, ReflectionListsEveryService) {
  // ServerReflectionRequest{list_services: ""}: field 7, no bytes.
  const std::string listed =
      CallRaw("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
              std::string("\x3a\x00", 2));
  for (const char* service :
       {"baton.v1.RolloutService", "baton.v1.FleetService",
        "baton.v1.DriverService", "baton.v1.AuditService",
        "baton.v1.AgentService", "grpc.health.v1.Health"}) {
    EXPECT_NE(listed.find(service), std::string::npos) << service;
  }
}

TEST_F(ServicesTest, SaysThatItIsHealthy) {
  // HealthCheckResponse{status: SERVING}.
  EXPECT_EQ(CallRaw("/grpc.health.v1.Health/Check", ""),
            std::string("\x08\x01", 2));
}

}  // namespace
}  // namespace baton::rpc
