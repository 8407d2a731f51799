#include "driver-shim/verify/findings.h"

#include "gtest/gtest.h"

namespace baton::verify {
namespace {

Findings Some() {
  return {.suite = "verify",
          .subject = "a<b>.so",
          .facts = {{"seed", "7"}},
          .findings = {
              {.name = "R1",
               .promise = "state is saved",
               .outcome = Outcome::kPass,
               .elapsed = absl::Milliseconds(1500)},
              {.name = "R12",
               .promise = "it says \"yes\"",
               .outcome = Outcome::kFail,
               .detail = "first\nsecond",
               .fix = "say it & mean it"},
              {.name = "R4", .promise = "once", .detail = "never came to it"},
          }};
}

TEST(FindingsTest, TextIsForATerminal) {
  EXPECT_EQ(Render(Some(), Format::kText),
            "verify of a<b>.so\n"
            "  seed: 7\n"
            "PASS  R1   state is saved\n"
            "FAIL  R12  it says \"yes\"\n"
            "      first\n"
            "      second\n"
            "      to fix: say it & mean it\n"
            "n/a   R4   once\n"
            "      never came to it\n"
            "1 passed, 1 failed, 1 not applicable\n");
}

TEST(FindingsTest, JsonIsOneObject) {
  EXPECT_EQ(
      Render(Some(), Format::kJson),
      R"({"suite":"verify","subject":"a<b>.so","facts":{"seed":"7"},)"
      R"("passed":1,"failed":1,"not_applicable":1,"findings":[)"
      R"({"name":"R1","promise":"state is saved","outcome":"pass",)"
      R"("detail":"","fix":"","seconds":1.500},)"
      R"({"name":"R12","promise":"it says \"yes\"","outcome":"fail",)"
      R"("detail":"first\nsecond","fix":"say it & mean it","seconds":0.000},)"
      R"({"name":"R4","promise":"once","outcome":"not applicable",)"
      R"("detail":"never came to it","fix":"","seconds":0.000}]})"
      "\n");
}

TEST(FindingsTest, JunitIsWhatBuildServersRead) {
  EXPECT_EQ(Render(Some(), Format::kJunit),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<testsuite name=\"verify of a&lt;b&gt;.so\" tests=\"3\" "
            "failures=\"1\" skipped=\"1\">\n"
            "  <properties>\n"
            "    <property name=\"seed\" value=\"7\"/>\n"
            "  </properties>\n"
            "  <testcase classname=\"verify\" name=\"R1: state is saved\" "
            "time=\"1.500\"></testcase>\n"
            "  <testcase classname=\"verify\" name=\"R12: it says "
            "&quot;yes&quot;\" time=\"0.000\"><failure "
            "message=\"first&#10;second\" type=\"say it &amp; mean it\"/>"
            "</testcase>\n"
            "  <testcase classname=\"verify\" name=\"R4: once\" "
            "time=\"0.000\"><skipped message=\"never came to it\"/>"
            "</testcase>\n"
            "</testsuite>\n");
}

TEST(FindingsTest, ControlCharactersAreEscaped) {
  Findings odd;
  odd.subject = "a\x01\"b\"\\c";
  EXPECT_EQ(Render(odd, Format::kJson),
            R"({"suite":"","subject":"a\u0001\"b\"\\c","facts":{},"passed":0,)"
            R"("failed":0,"not_applicable":0,"findings":[]})"
            "\n");
  EXPECT_EQ(Render(odd, Format::kJunit)
                .find("name=\" of a?&quot;b&quot;\\c\" tests=\"0\""),
            std::string("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                        "<testsuite ")
                .size());
}

}  // namespace
}  // namespace baton::verify
