"""Runs unittest cases and lists each one where Bazel looks for it."""

import os
import sys
import time
import unittest
import xml.etree.ElementTree as xml


class _Listing(unittest.TextTestResult):
    """Remembers each case's outcome and time."""

    def startTestRun(self):
        self.cases = []

    def startTest(self, test):
        self._started = time.monotonic()
        self._wrong = None
        super().startTest(test)

    def addError(self, test, err):
        self._wrong = self._exc_info_to_string(err, test)
        super().addError(test, err)

    def addFailure(self, test, err):
        self._wrong = self._exc_info_to_string(err, test)
        super().addFailure(test, err)

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self._wrong = self._exc_info_to_string(err, test)
        super().addSubTest(test, subtest, err)

    def stopTest(self, test):
        self.cases.append((test.id(), time.monotonic() - self._started, self._wrong))
        super().stopTest(test)


def main():
    """As unittest.main(), and writes $XML_OUTPUT_FILE."""
    runner = unittest.TextTestRunner(sys.stdout, verbosity=2, resultclass=_Listing)
    program = unittest.main(module="__main__", testRunner=runner, exit=False)
    suite = xml.Element("testsuite", name=os.path.basename(sys.argv[0]))
    for name, seconds, wrong in program.result.cases:
        case = xml.SubElement(suite, "testcase", name=name, time=f"{seconds:.3f}")
        if wrong is not None:
            xml.SubElement(case, "failure").text = wrong
    if path := os.environ.get("XML_OUTPUT_FILE"):
        xml.ElementTree(suite).write(path)
    sys.exit(0 if program.result.wasSuccessful() else 1)
