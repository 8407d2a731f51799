#include "cli/render/driver.h"

#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/digest.h"
#include "baton/v1/driver.grpc.pb.h"
#include "cli/commands/commands.h"
#include "cli/names.h"
#include "cli/upload.h"
#include "package/driver_package.h"

namespace baton::cli {
namespace {

// What `driver pack` was told.
struct PackArguments {
  std::string driver = "";
  std::string version = "";
  std::string image = "";
  std::vector<std::string> pci_ids = {};
  uint32_t writes = 0;
  std::vector<uint32_t> reads = {};
  std::string guest_driver_min = "";
  std::string kernel_release = "";
  std::string out = "";
};

absl::StatusOr<ExitCode> Pack(const PackArguments& arguments,
                              Session& session) {
  v1::DriverManifest manifest;
  manifest.set_driver(arguments.driver);
  manifest.set_version(arguments.version);
  for (const std::string& id : arguments.pci_ids) manifest.add_pci_ids(id);
  manifest.mutable_state_format()->set_writes(arguments.writes);
  for (const uint32_t format : arguments.reads) {
    manifest.mutable_state_format()->add_reads(format);
  }
  manifest.set_guest_driver_min(arguments.guest_driver_min);
  manifest.set_kernel_release(arguments.kernel_release);
  ASSIGN_OR_RETURN(manifest,
                   PackDriver(manifest, arguments.image, arguments.out));
  ASSIGN_OR_RETURN(const std::string digest, Sha256OfFile(arguments.out));
  session.Show(manifest,
               PackedText(manifest, arguments.out, digest, session.look()),
               digest + "\n");
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Push(const std::string& path, Session& session) {
  ASSIGN_OR_RETURN(const v1::Driver driver, UploadPackage(path, session));
  session.set_subject(driver.name());
  session.Show(driver,
               absl::StrCat("stored ", ShortName(driver.name()), " ",
                            driver.digest(), "\n"),
               driver.digest() + "\n");
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> List(Session& session) {
  ASSIGN_OR_RETURN(
      const v1::ListDriversResponse drivers,
      session.CallAllPages(session.Stub<v1::DriverService>(),
                           &v1::DriverService::StubInterface::ListDrivers,
                           v1::ListDriversRequest()));
  std::string names;
  for (const v1::Driver& driver : drivers.drivers()) {
    absl::StrAppend(&names, ShortName(driver.name()), "\n");
  }
  session.Show(drivers, DriverTable(drivers, session.look()), names);
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Delete(const std::string& name, Session& session) {
  v1::DeleteDriverRequest request;
  ASSIGN_OR_RETURN(*request.mutable_name(), DriverName(name));
  session.set_subject(request.name());
  request.set_request_id(session.NewRequestId());
  ASSIGN_OR_RETURN(
      const v1::DeleteDriverResponse response,
      session.Call(session.Stub<v1::DriverService>(),
                   &v1::DriverService::StubInterface::DeleteDriver, request));
  session.Show(
      response,
      absl::StrCat("driver ", ShortName(request.name()), " is deleted\n"), "");
  return ExitCode::kOk;
}

void AddPack(CLI::App& driver, Action& action) {
  CLI::App* pack =
      driver.add_subcommand("pack", "Pack a driver image for the service");
  auto arguments = std::make_shared<PackArguments>();
  pack->add_option("--driver", arguments->driver, "Name, e.g. softgpu")
      ->required();
  pack->add_option("--version", arguments->version, "Version, e.g. 2.0")
      ->required();
  pack->add_option("--image", arguments->image,
                   "The driver's shared object, or a kernel's module")
      ->required();
  pack->add_option("--pci-id", arguments->pci_ids,
                   "Device it is for, \"vendor:device\" in hex; repeatable")
      ->required()
      ->delimiter(',');
  pack->add_option("--writes", arguments->writes,
                   "Format of the state that it saves")
      ->required();
  pack->add_option("--reads", arguments->reads,
                   "Formats of state that it restores from, e.g. 1,2")
      ->required()
      ->delimiter(',');
  pack->add_option("--guest-driver-min", arguments->guest_driver_min,
                   "Oldest driver that may run inside a guest, e.g. 31.0.15");
  pack->add_option("--kernel-release", arguments->kernel_release,
                   "For a module: the kernel that it was built for, as uname "
                   "-r says it");
  pack->add_option("--out", arguments->out, "File to write")->required();
  pack->callback([&action, arguments] {
    action = [arguments](Session& s) { return Pack(*arguments, s); };
  });
}

}  // namespace

void AddDriverCommands(CLI::App& app, Action& action) {
  CLI::App* driver = app.add_subcommand("driver", "Driver packages");
  driver->require_subcommand(1);
  AddPack(*driver, action);

  CLI::App* push =
      driver->add_subcommand("push", "Store a package in the service");
  auto path = std::make_shared<std::string>();
  push->add_option("file", *path, "Package made by driver pack")->required();
  push->callback([&action, path] {
    action = [path](Session& s) { return Push(*path, s); };
  });

  driver->add_subcommand("list", "List what is stored")->callback([&action] {
    action = List;
  });

  CLI::App* remove = driver->add_subcommand(
      "delete", "Remove a version that no rollout needs");
  auto name = std::make_shared<std::string>();
  remove->add_option("name", *name, "DRIVER/VERSION")->required();
  remove->callback([&action, name] {
    action = [name](Session& s) { return Delete(*name, s); };
  });
}

}  // namespace baton::cli
