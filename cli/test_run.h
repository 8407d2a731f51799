#ifndef CLI_TEST_RUN_H_
#define CLI_TEST_RUN_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cli/fake_service.h"
#include "cli/session.h"

namespace baton::cli {

// What one command line came to.
struct Ran {
  int code = -1;
  std::string out = "";
  std::string err = "";
};

// Runs command lines against a FakeService, for tests.
class TestRun {
 public:
  // What the process would find around it.
  std::map<std::string, std::string> environment = {};
  Sink sink = Sink::kPipe;
  std::atomic<bool> interrupted = false;
  // What whoever sits there says; "": nobody does.
  std::string answer = "";
  std::vector<std::string> questions = {};  // that were asked

  FakeService& service() { return service_; }

  Ran Run(const std::vector<std::string>& arguments);

 private:
  FakeService service_;
};

}  // namespace baton::cli

#endif  // CLI_TEST_RUN_H_
