"""The model of a disk that loses power has every state that POSIX allows, and
none that it forbids."""

import random
import tempfile
import unittest

from tests.faults.powercut import disk
from tests.support import cases

ROOT = "/r"


def _hex(text):
    return "".join(f"\\x{byte:02x}" for byte in text.encode())


def _operations(*lines):
    with tempfile.NamedTemporaryFile("w", suffix=".log") as log:
        for line in lines:
            log.write(f"7 {line}\n")
        log.flush()
        return disk.operations(log.name, ROOT)


def _open(name, number=3, flags="O_RDWR|O_CREAT"):
    return (f'openat(AT_FDCWD<{_hex("/")}>, "{_hex(name)}", {flags}, 0600) = '
            f"{number}<{_hex(name)}>")


def _write(name, text, number=3):
    return f'write({number}<{_hex(name)}>, "{_hex(text)}", {len(text)}) = {len(text)}'


def _found(done, honest=True):
    """Returns what is found of every state, as {name: content}."""
    found = []
    for state in disk.Disk(done, honest).states(random.Random(1), 50):
        found.append({path: content.decode() if kind == "file" else content
                      for path, (kind, content) in state.found(ROOT).items()})
    return found


class DiskTest(unittest.TestCase):
    def test_what_was_not_synced_may_be_there_or_not(self):
        done = _operations(_open("/r/a"), _write("/r/a", "x"))
        found = _found(done)
        for want in ({}, {"/r/a": ""}, {"/r/a": "x"}, {"/r/a": "\0"}):
            self.assertIn(want, found)

    def test_a_sync_of_the_file_keeps_its_bytes_and_not_its_name(self):
        done = _operations(_open("/r/a"), _write("/r/a", "x"),
                           f"fsync(3<{_hex('/r/a')}>) = 0")
        found = _found(done)
        self.assertIn({}, found)
        self.assertIn({"/r/a": "x"}, found)
        self.assertNotIn({"/r/a": ""}, found)

    def test_both_synced_are_certain_unless_the_disk_lies(self):
        done = _operations(
            _open("/r/a"), _write("/r/a", "x"), f"fsync(3<{_hex('/r/a')}>) = 0",
            _open("/r", 4, "O_RDONLY|O_DIRECTORY"), f"fsync(4<{_hex('/r')}>) = 0")
        self.assertEqual([{"/r/a": "x"}], [dict(t) for t in {tuple(f.items())
                                                             for f in _found(done)}])
        self.assertIn({}, _found(done, honest=False))

    def test_a_rename_may_come_before_the_bytes(self):
        done = _operations(_open("/r/a.new"), _write("/r/a.new", "x"),
                           f'rename("{_hex("/r/a.new")}", "{_hex("/r/a")}") = 0')
        found = _found(done)
        self.assertIn({"/r/a": ""}, found)
        self.assertIn({"/r/a.new": "x"}, found)
        self.assertFalse([each for each in found if len(each) > 1])

    def test_a_long_write_may_be_torn(self):
        text = "x" * 1024
        done = _operations(_open("/r/a"), _write("/r/a", text))
        self.assertIn({"/r/a": "\0" * 512 + "x" * 512}, _found(done))
        self.assertIn({"/r/a": "x" * 512}, _found(done))

    def test_marks_are_in_their_place(self):
        done = _operations(_open("/r/a"), f'write(1<{_hex("/dev/null")}>, "{_hex("mark 1")}", 6)'
                           " = 6")
        self.assertEqual(["make", "mark"], [operation[0] for operation in done])

    def test_calls_of_threads_count_when_they_end(self):
        done = _operations(
            f'openat(AT_FDCWD<{_hex("/")}>, "{_hex("/r/a")}", O_RDWR|O_CREAT, 0600 '
            "<unfinished ...>", f"<... openat resumed>) = 3<{_hex('/r/a')}>",
            _write("/r/a", "x"))
        self.assertEqual(["make", "write"], [operation[0] for operation in done])

    def test_what_the_model_does_not_know_is_refused(self):
        for line in (f'link("{_hex("/r/a")}", "{_hex("/r/b")}") = 0',
                     f'rename("{_hex("/r/a/x")}", "{_hex("/r/b")}") = 0'):
            with self.subTest(line), self.assertRaises(disk.Unknown):
                _operations(_open("/r/a"), line)


if __name__ == "__main__":
    cases.main()
