"""Holds the rules of the house that no compiler knows: bans, and who may
include whom. docs/TESTING.md says how to read what it prints."""

import os
import re
import subprocess
import unittest

from tests.support import cases

CODE = re.compile(r"\.(h|cc|c)$")

# pattern, what to use instead, files it does not hold for
BANS = [
    (r"absl::Now\(|std::chrono::(system|steady)_clock|\btime\(nullptr\)",
     "base/clock", r"^base/clock"),
    (r"std::random_device|\brand\(\)|std::mt19937\w*\s+\w+;",
     "base/random, or a seeded engine in a test", r"^base/random"),
    (r"sleep_for|SleepFor|\b(u|nano)?sleep\(",
     "a deadline, a futex or a condition",
     r"^driver-shim/miniport/|^driver-shim/port/testdata/"),
    (r"absl::Mutex\b|absl/synchronization", "base/mutex", r"^$"),
    (r"std::(mutex|condition_variable|lock_guard|unique_lock)\b", "base/mutex",
     r"^base/mutex"),
    (r"std::string_view|#include <string_view>", "absl::string_view", r"^$"),
    (r"\bthrow\b(?!\w)", "absl::Status", r"^$"),
    (r"dynamic_cast", "a virtual function", r"^$"),
    (r"\b(TODO|FIXME|XXX|HACK)\b", "doing it, or an issue", r"^$"),
    (r"DISABLED_|GTEST_SKIP", "a test that runs", r"^$"),
    (r"EXPECT_TRUE\(true\)|ASSERT_TRUE\(true\)", "a real assertion", r"^$"),
    (r"using namespace std;", "names with their namespace", r"^$"),
    (r"#pragma once", "an include guard", r"^$"),
]

# Folder, what it may include of ours, and whether gRPC's headers are let in.
# The first folder that matches decides; generated messages count as "proto".
C = r"^(base|proto)/|^google/rpc/|^baton/"
ROOMS = [
    (r"^tests/|^bench/|^lab/", r"", True),
    (r"_test\.cc$|/testing/|/testdata/", r"", True),
    (r"^base/", r"^base/", False),
    (r"^package/", r"^base/|^package/|^baton/v1/driver\.pb", False),
    (r"^proto/", r"^base/|^proto/|^baton/|^google/rpc/", True),
    (r"^service/core/", r"^service/core/|^base/(check|reason|status_macros|digest|interned|selector)\.h", False),
    (r"^service/runtime/", r"^service/(core|runtime)/|^base/", False),
    (r"^service/store/", r"^service/(core|runtime|store)/|^base/|^baton/store/", False),
    (r"^service/depot/", r"^service/depot/|^base/|^package/|^baton/v1/driver\.pb", False),
    (r"^service/rpc/", r"^service/(core|runtime|depot|rpc)/|" + C, True),
    (r"^service/", r"^service/|" + C, True),
    (r"^agent/core/", r"^agent/core/|^base/(check|reason|status_macros)\.h", False),
    (r"^agent/host/", r"^agent/(core|host)/|^agent/ports\.h|^base/|^package/|^baton/v1/driver\.pb", False),
    (r"^agent/(link|shim_client|fetch|convert|main|server)", r"^agent/|" + C, True),
    (r"^agent/", r"^agent/|" + C, False),
    (r"^driver-shim/ddi/", r"^driver-shim/ddi/", False),
    (r"^driver-shim/kit/", r"^driver-shim/(ddi|kit)/", False),
    (r"^driver-shim/miniport/", r"^driver-shim/(ddi|kit|miniport)/|^driver-shim/softgpu/(registers|doorbell)\.h", False),
    (r"^driver-shim/softgpu/", r"^driver-shim/softgpu/|^driver-shim/port/device\.h|^base/", False),
    (r"^driver-shim/port/", r"^driver-shim/(ddi|port)/|^driver-shim/kit/label\.h|^base/", False),
    (r"^driver-shim/vfio/core/", r"^driver-shim/vfio/core/", False),
    (r"^driver-shim/vfio/", r"^driver-shim/vfio/|^driver-shim/port/(adapter_port|order|record_codec|record_fields|record_file|stream_digest)\.h|^base/", False),
    (r"^driver-shim/rpc/", r"^driver-shim/(rpc|port)/|" + C, True),
    (r"^driver-shim/", r"^driver-shim/|" + C, True),
    (r"^cli/", r"^cli/|^package/|" + C, True),
]
OURS = re.compile(r"^(base|package|proto|service|agent|driver-shim|cli|tests|bench|lab|baton|google/rpc)/")
GRPC = re.compile(r"^grpc|\.grpc\.pb\.h$")
STRICT_CORE = re.compile(
    r"^(thread|mutex|condition_variable|fstream|iostream|random|chrono|ctime|unistd\.h|sys/)|"
    r"\.pb\.h$|absl/(synchronization|random)|absl/time/clock\.h")

# The project speaks of itself alone.
WORDS = [(r"(?<![\w.])/work/|\.\./shared|/tmp/w/|\.library", "a path that everybody has")]


def without_comments(text):
    """Blanks comments and string literals, and keeps the lines."""
    pattern = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"'
    return re.sub(pattern, lambda m: "\n" * m.group().count("\n"), text, flags=re.S)


def bans(path, text):
    """Yields what of BANS stands in a file."""
    code = without_comments(text)
    for pattern, instead, exempt in BANS:
        open_end = "TODO" in pattern
        if re.search(exempt, path) and exempt != r"^$":
            continue
        for number, line in enumerate((text if open_end else code).split("\n"), 1):
            if found := re.search(pattern, line):
                yield f"{path}:{number}: '{found.group()}': use {instead}"


def room(path):
    """Returns the row of ROOMS that holds for a file."""
    return next((row for row in ROOMS if re.search(row[0], path)), None)


def includes(path, text):
    """Yields includes that cross a wall."""
    row = room(path)
    if row is None:
        yield f"{path}: in no room of tests/tidy/tidy_test.py"
        return
    for number, line in enumerate(text.split("\n"), 1):
        found = re.match(r'#include [<"]([^>"]+)[>"]', line)
        if not found:
            continue
        name = found.group(1)
        if OURS.search(name) and not re.search(row[1], name):
            yield f"{path}:{number}: '{name}' is out of reach from here"
        if GRPC.search(name) and not row[2]:
            yield f"{path}:{number}: gRPC's headers stay out of this room"
        if "/core/" in path and not path.endswith("_test.cc") and STRICT_CORE.search(name):
            yield f"{path}:{number}: '{name}' is not for a core"


def default_in_enum_switch(path, text):
    """Yields a `default:` in a switch whose other cases are enumerators."""
    code = without_comments(text)
    for found in re.finditer(r"case \w+(::\w+)*::k[A-Z]\w*:", code):
        rest = code[found.end():found.end() + 3000]
        depth, end = 0, len(rest)
        for at, letter in enumerate(rest):
            depth += (letter == "{") - (letter == "}")
            if depth < 0:
                end = at
                break
        if re.search(r"\bdefault:", rest[:end]):
            line = code.count("\n", 0, found.start()) + 1
            yield f"{path}:{line}: a switch over an enum of ours has no default"
            return


def words(path, text):
    """Yields words that mean nothing to a reader elsewhere."""
    if path.startswith("tests/tidy/"):
        return
    for number, line in enumerate(text.split("\n"), 1):
        for pattern, instead in WORDS:
            if re.search(pattern, line):
                yield f"{path}:{number}: use {instead}"


def reasons_of(page):
    """Returns the reason codes in the first columns of a page's tables."""
    cells = re.findall(r"^\| ((?:`[A-Z][A-Z0-9_]*_[A-Z0-9_]+`(?:, )?)+) \|", page, re.M)
    return {reason for cell in cells for reason in re.findall(r"`(\w+)`", cell)}


def workspace():
    """Returns the real workspace: runfiles are links into it."""
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))


def files():
    """Yields (path, text) of every file of the repository."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others",
         "--exclude-standard"],
        cwd=workspace(), capture_output=True, check=True, text=True).stdout
    for path in listed.split("\0"):
        full = os.path.join(workspace(), path)
        if not path or not os.path.isfile(full):
            continue
        try:
            with open(full, encoding="utf-8") as file:
                yield path, file.read()
        except UnicodeDecodeError:
            continue  # not a text


class TidyTest(unittest.TestCase):
    def hold(self, rule, only=CODE):
        found = [line for path, text in files() if only.search(path)
                 for line in rule(path, text)]
        self.assertEqual([], found, "\n" + "\n".join(found))

    def test_no_banned_construct(self):
        self.hold(bans)

    def test_no_include_crosses_rooms(self):
        self.hold(includes)

    def test_no_default_in_a_switch_over_our_enums(self):
        self.hold(default_in_enum_switch)

    def test_no_word_of_other_places(self):
        self.hold(words, re.compile(""))

    def test_every_reason_that_is_explained_exists(self):
        texts = dict(files())
        said = {reason for path, text in texts.items() if CODE.search(path)
                and not path.endswith("_test.cc")
                for reason in re.findall(r'"([A-Z][A-Z0-9_]+)"', text)}
        explained = reasons_of(texts["docs/OPERATING.md"])
        self.assertGreater(len(explained), 50)
        self.assertEqual(set(), explained - said)

    def test_units_that_start_again_never_give_up(self):
        # By default five starts in ten seconds are the last: a full disk would end it.
        units = {path: text for path, text in files() if re.search(r"^deploy/.*\.service$", path)}
        self.assertGreater(len(units), 2)
        self.assertEqual([], [path for path, text in units.items()
                              if "Restart=always" in text
                              and "\nStartLimitIntervalSec=0\n" not in text])

    def test_each_fail_point_is_one_place(self):
        # Of two with a name one is never reached: whoever is armed acts once.
        names = [name for path, text in files() if re.search(r"(?<!_test)\.cc$", path)
                 for name in re.findall(r'FAIL_POINT\("([\w.]+)"\)', text)]
        self.assertGreater(len(names), 100)
        self.assertEqual([], sorted({name for name in names if names.count(name) > 1}))

    def test_every_folder_has_its_room(self):
        self.assertIsNotNone(room("service/core/plan.cc"))
        self.assertIsNone(room("elsewhere/a.cc"))


class RulesTest(unittest.TestCase):
    """Each rule catches what it is for, and lets the rest pass."""

    def test_bans(self):
        self.assertTrue(list(bans("service/a.cc", "auto t = absl::Now();")))
        self.assertTrue(list(bans("service/a.cc", "std::string_view s;")))
        self.assertTrue(list(bans("service/a.cc", "  // TODO: later")))
        self.assertFalse(list(bans("service/a.cc", "// absl::Now() is banned")))
        self.assertFalse(list(bans("base/clock.cc", "return absl::Now();")))

    def test_includes(self):
        for path, name in [("service/core/plan.cc", "service/store/store.h"),
                           ("agent/core/plan.cc", "service/core/plan.h"),
                           ("service/runtime/a.cc", "grpcpp/grpcpp.h"),
                           ("service/core/a.cc", "thread"),
                           ("driver-shim/kit/a.c", "driver-shim/port/memory.h")]:
            self.assertTrue(list(includes(path, f'#include "{name}"')), path + name)
        for path, name in [("service/core/plan.cc", "service/core/fleet.h"),
                           ("service/rpc/a.cc", "grpcpp/grpcpp.h"),
                           ("cli/a.cc", "baton/v1/fleet.grpc.pb.h")]:
            self.assertFalse(list(includes(path, f'#include "{name}"')), path + name)

    def test_reasons(self):
        self.assertEqual({"BAD_X", "BAD_Y"}, reasons_of("| `BAD_X`, `BAD_Y` | `BAD_Z` |\n| x | `A_B` |"))

    def test_default(self):
        bad = "switch (p) {\n case Phase::kA:\n return 1;\n default:\n return 2;\n}"
        self.assertTrue(list(default_in_enum_switch("a.cc", bad)))
        good = "switch (p) {\n case Phase::kA:\n return 1;\n}\nswitch (c) { default: ; }"
        self.assertFalse(list(default_in_enum_switch("a.cc", good)))


if __name__ == "__main__":
    cases.main()
