"""A disk that loses power: what strace saw a program write becomes a list of
operations, and any prefix of it a set of states that a file system may be found
in afterwards.

What is assumed of the file system is what POSIX promises and no more:

- a write or truncation is there for certain once the file was synced; before
  that any subset of them may be, in any order, each whole, torn between sectors
  of 512 bytes, or as zeros (the length came, the bytes did not)
- a name that was made, moved or removed is so for certain once its directory was
  synced; before that the changes of one directory may be there up to any point,
  independently of other directories and of all data
- a rename is there or not, never half
"""

import os
import posixpath
import re

SECTOR = 512

TRACED = ("open,openat,creat,close,dup,dup2,dup3,fcntl,lseek,write,pwrite64,writev,pwritev,"
          "pwritev2,fsync,fdatasync,sync_file_range,rename,renameat,renameat2,link,linkat,"
          "unlink,unlinkat,rmdir,mkdir,mkdirat,symlink,symlinkat,truncate,ftruncate,"
          "fallocate,mmap,sendfile,copy_file_range")

_LINE = re.compile(r"^\d+ +(\w+)\((.*)\) += (-?\d+)(<[^>]*>)?")
_RESUMED = re.compile(r"^\d+ +<\.\.\. \w+ resumed>(.*)$", re.S)
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_FILE = re.compile(r"(-?\d+|AT_FDCWD)<((?:\\x[0-9a-f]{2})*)[^>]*>")


def strace(program, log):
    """Returns the command that runs `program` and writes `log` for operations()."""
    return ["strace", "-f", "-qq", "-y", "-xx", "-s", "16777216", "-o", log, "-e",
            f"trace={TRACED}", *program]


class Unknown(Exception):
    """The program did something that this model does not cover."""


def _bytes(text):
    return bytes.fromhex(text.replace("\\x", ""))


class _Recorder:
    """Turns lines of strace into operations on paths below a root."""

    def __init__(self, root):
        self._root = root
        self._files = {}    # path -> number of the file there
        self._open = {}     # descriptor -> [file, offset, whether it appends]
        self._lengths = {}  # file -> its length
        self._next = 1
        self._begun = {}    # thread -> the beginning of its call, when it waits
        self.operations = []

    def _inside(self, path):
        return path == self._root or path.startswith(self._root + "/")

    def _path(self, base, path):
        return posixpath.normpath(posixpath.join(base, path))

    def _make(self, path, kind, target=None):
        number, self._next = self._next, self._next + 1
        self._files[path] = number
        self._lengths[number] = 0
        self.operations.append(("make", posixpath.dirname(path), path, number, kind, target))

    def line(self, line):
        thread = line.split(" ", 1)[0]
        if "<unfinished ...>" in line:
            self._begun[thread] = line.split(" <unfinished ...>", 1)[0]
            return
        if resumed := _RESUMED.match(line):
            line = self._begun.pop(thread) + resumed.group(1)
        found = _LINE.match(line)
        if not found:
            if "+++" in line or "---" in line or " = ?" in line:
                return
            raise Unknown(line[:200])
        call, text, result = found.group(1), found.group(2), int(found.group(3))
        if result < 0:
            return
        files = [(name, _bytes(path).decode()) for name, path in _FILE.findall(text)]
        # What stands in quotes outside of a descriptor's path.
        texts = [_bytes(each) for each in _TEXT.findall(text)]
        getattr(self, f"_on_{call}", self._on_other)(call, text, files, texts, result)

    # -- calls that name a path -----------------------------------------------

    def _on_openat(self, call, text, files, texts, result):
        base = files[0][1] if files and text.startswith(("AT_FDCWD", files[0][0])) else "/"
        path = self._path(base, texts[0].decode())
        if not self._inside(path):
            self._open.pop(result, None)
            return
        flags = text.rsplit('"', 1)[1]
        if path not in self._files:
            if "O_CREAT" in flags:
                self._make(path, "file")
            elif path == self._root:
                self._files[path] = 0
            else:
                raise Unknown(f"{path} was there before")
        number = self._files[path]
        if "O_TRUNC" in flags and self._lengths.get(number):
            self._cut(number, 0)
        self._open[result] = [number, 0, "O_APPEND" in flags, path]

    def _on_open(self, call, text, files, texts, result):
        self._on_openat(call, text, [], texts, result)

    def _on_creat(self, call, text, files, texts, result):
        raise Unknown("creat")

    def _two(self, files, texts, text):
        bases = [path for _, path in files] or ["/", "/"]
        return [self._path(bases[min(at, len(bases) - 1)], each.decode())
                for at, each in enumerate(texts[:2])]

    def _on_rename(self, call, text, files, texts, result):
        old, new = self._two(files, texts, text)
        if not self._inside(new):
            return
        moved = {path: number for path, number in self._files.items()
                 if path == old or path.startswith(old + "/")}
        for path in [path for path in self._files
                     if path == new or path.startswith(new + "/")] + list(moved):
            self._files.pop(path, None)
        for path, number in moved.items():
            self._files[new + path[len(old):]] = number
        self.operations.append(("rename", posixpath.dirname(new), old, new))
        if posixpath.dirname(old) != posixpath.dirname(new):
            raise Unknown(f"{old} moves to another directory")

    _on_renameat = _on_renameat2 = _on_rename

    def _on_unlink(self, call, text, files, texts, result):
        base = files[0][1] if files else "/"
        path = self._path(base, texts[0].decode())
        if self._inside(path):
            self._files.pop(path, None)
            self.operations.append(("remove", posixpath.dirname(path), path))

    _on_unlinkat = _on_rmdir = _on_unlink

    def _on_mkdir(self, call, text, files, texts, result):
        path = self._path(files[0][1] if files else "/", texts[0].decode())
        if self._inside(path) and path != self._root:
            self._make(path, "directory")

    _on_mkdirat = _on_mkdir

    def _on_symlink(self, call, text, files, texts, result):
        path = self._path(files[0][1] if files else "/", texts[1].decode())
        if self._inside(path):
            self._make(path, "link", texts[0].decode())

    _on_symlinkat = _on_symlink

    # -- calls on a descriptor --------------------------------------------------

    def _of(self, files):
        return self._open.get(int(files[0][0])) if files and files[0][0] != "AT_FDCWD" else None

    def _put(self, number, offset, data):
        self.operations.append(("write", number, offset, data))
        self._lengths[number] = max(self._lengths[number], offset + len(data))

    def _cut(self, number, length):
        self.operations.append(("cut", number, length))
        self._lengths[number] = length

    def _on_write(self, call, text, files, texts, result):
        if files and files[0][0] in ("1", "2") and self._of(files) is None:
            data = b"".join(texts)
            if data.startswith(b"mark "):
                self.operations.append(("mark", data[5:].decode().strip()))
            return
        handle = self._of(files)
        if handle is None:
            return
        if handle[2]:
            handle[1] = self._lengths[handle[0]]
        data = b"".join(texts)[:result]
        if len(data) != result:
            raise Unknown(f"a write of {result} bytes with {len(data)} in the log")
        self._put(handle[0], handle[1], data)
        handle[1] += result

    _on_writev = _on_write

    def _on_pwrite64(self, call, text, files, texts, result):
        handle = self._of(files)
        if handle is not None:
            self._put(handle[0], int(text.rsplit(", ", 1)[1]), texts[0][:result])

    def _on_lseek(self, call, text, files, texts, result):
        handle = self._of(files)
        if handle is not None:
            handle[1] = result

    def _on_ftruncate(self, call, text, files, texts, result):
        handle = self._of(files)
        if handle is not None:
            self._cut(handle[0], int(text.rsplit(", ", 1)[1]))

    def _on_fsync(self, call, text, files, texts, result):
        handle = self._of(files)
        if handle is not None:
            self.operations.append(("sync", handle[0], handle[3]))

    _on_fdatasync = _on_fsync

    def _on_fallocate(self, call, text, files, texts, result):
        handle = self._of(files)
        if handle is not None:
            mode, offset, length = text.split(", ")[1:4]
            if mode not in ("0", "0x0"):
                raise Unknown(f"fallocate of mode {mode}")
            end = int(offset) + int(length)
            if end > self._lengths[handle[0]]:
                self._cut(handle[0], end)

    def _on_close(self, call, text, files, texts, result):
        if files and files[0][0] != "AT_FDCWD":
            self._open.pop(int(files[0][0]), None)

    def _on_fcntl(self, call, text, files, texts, result):
        if "F_DUPFD" in text and self._of(files) is not None:
            self._open[result] = self._of(files)

    def _on_dup(self, call, text, files, texts, result):
        if self._of(files) is not None:
            self._open[result] = self._of(files)

    def _on_mmap(self, call, text, files, texts, result):
        if files and self._of(files) is not None and "MAP_SHARED" in text and (
                "PROT_WRITE" in text):
            raise Unknown(f"{self._of(files)[3]} is mapped and written")

    def _on_other(self, call, text, files, texts, result):
        if any(self._inside(path) for _, path in files) or any(
                self._inside(each.decode(errors="replace")) for each in texts):
            raise Unknown(f"{call} in {self._root}")


def operations(log, root):
    """Returns what the program did below `root`, and its marks, in order."""
    recorder = _Recorder(root)
    with open(log, encoding="ascii", errors="replace") as lines:
        for line in lines:
            recorder.line(line)
    return recorder.operations


class State:
    """Names and files as a disk may hold them. Names map to a kind and either
    bytes, a link's target, or nothing."""

    def __init__(self):
        self.names = {}  # path -> (kind, file number or target)
        self.data = {}   # file number -> bytearray
        self._shared = set()  # files whose bytes are another state's, too

    def copy(self):
        """Returns one that shares bytes with this until it changes them."""
        other = State()
        other.names, other.data = dict(self.names), dict(self.data)
        other._shared = set(self.data)
        return other

    def _own(self, number):
        """Returns bytes of the file that may be changed."""
        if number in self._shared:
            self._shared.discard(number)
            self.data[number] = bytearray(self.data[number])
        return self.data.setdefault(number, bytearray())

    def apply(self, operation):
        kind = operation[0]
        if kind == "make":
            _, _, path, number, what, target = operation
            self.names[path] = (what, target if what == "link" else number)
        elif kind == "rename":
            self._rename(operation[2], operation[3])
        elif kind == "remove":
            for path in self._below(operation[2]):
                del self.names[path]
        elif kind == "write":
            self._write(*operation[1:])
        elif kind == "cut":
            self._cut(*operation[1:])

    def _below(self, top):
        return [path for path in self.names if path == top or path.startswith(top + "/")]

    def _rename(self, old, new):
        if old not in self.names:
            return  # it was never made durable
        for path in self._below(new):
            del self.names[path]
        for path in self._below(old):
            self.names[new + path[len(old):]] = self.names.pop(path)

    def _write(self, number, offset, data):
        file = self._own(number)
        if len(file) < offset:
            file.extend(bytes(offset - len(file)))
        file[offset:offset + len(data)] = data

    def _cut(self, number, length):
        file = self._own(number)
        del file[length:]
        file.extend(bytes(length - len(file)))

    def found(self, root):
        """Returns what can be reached from `root`: {path: (kind, content)}."""
        there, folders = {}, {root}
        for path in sorted(self.names):
            kind, value = self.names[path]
            if posixpath.dirname(path) not in folders:
                continue  # its directory was never made durable
            if kind == "directory":
                folders.add(path)
                value = ""
            elif kind == "file":
                value = bytes(self.data.get(value, b""))
            there[path] = (kind, value)
        return there


def put(found, root, folder):
    """Writes what State.found() returned to `folder`, which is empty."""
    for path, (kind, value) in found.items():  # folders come before what they hold
        there = folder + path[len(root):]
        if kind == "directory":
            os.mkdir(there)
        elif kind == "link":
            os.symlink(value, there)
        else:
            with open(there, "wb") as file:
                file.write(value)


def _torn(operation, kept):
    """Returns the sectors of a write for which `kept(sector)` holds."""
    _, number, offset, data = operation
    pieces, at = [], 0
    while at < len(data):
        size = min(SECTOR - (offset + at) % SECTOR, len(data) - at)
        if kept((offset + at) // SECTOR):
            pieces.append(("write", number, offset + at, data[at:at + size]))
        at += size
    return pieces


class Disk:
    """All states that a power cut after the first `count` operations may leave."""

    def __init__(self, done, honest=True):
        """honest  whether a sync is what it says; a disk that is not keeps the
        last of everything volatile"""
        self._done = done
        data_synced, names_synced = {}, {}
        if honest:
            for at, operation in enumerate(done):
                if operation[0] == "sync":
                    data_synced[operation[1]] = at
                    names_synced[operation[2]] = at
        self._certain, self._data, self._names = [], [], {}
        self._base = None  # what is certain, once somebody asked
        for at, operation in enumerate(done):
            kind = operation[0]
            if kind in ("make", "rename", "remove"):
                if at < names_synced.get(operation[1], -1):
                    self._certain.append(at)
                    if kind == "rename" and any(
                            folder.startswith(operation[2]) for folder in self._names):
                        raise Unknown(f"{operation[2]} moved before what it holds was synced")
                else:
                    self._names.setdefault(operation[1], []).append(at)
            elif kind in ("write", "cut"):
                if at < data_synced.get(operation[1], -1):
                    self._certain.append(at)
                else:
                    self._data.append(at)

    def _state(self, chosen, changed=None):
        """Applies what is certain, then what was chosen, each in order. Nothing
        that is certain comes after something on the same file or directory that
        is not, so the order between the two does not matter."""
        if self._base is None:
            self._base = State()
            for at in self._certain:
                self._base.apply(self._done[at])
        state = self._base.copy()
        for at in sorted(chosen):
            for operation in (changed or {}).get(at, [self._done[at]]):
                state.apply(operation)
        return state

    def states(self, dice, more):
        """Yields states: everything, nothing, all but one, one alone, torn and
        zeroed writes, each directory up to each point, and `more` at random."""
        names = {at for queue in self._names.values() for at in queue}
        data = set(self._data)
        yield self._state(names | data)
        yield self._state(set())
        yield self._state(names)
        yield self._state(data)
        for at in self._data[-6:]:
            yield self._state(names | data - {at})
            yield self._state(names | {at})
        for queue in self._names.values():
            for length in range(len(queue)):
                yield self._state(data | names - set(queue[length:]))
                yield self._state(set(queue[:length + 1]))
        for at in self._data[-2:]:
            operation = self._done[at]
            if operation[0] != "write":
                continue
            for half in (0, 1):
                yield self._state(names | data, {
                    at: _torn(operation, lambda sector, h=half: sector % 2 == h)})
            zeros = (operation[0], operation[1], operation[2], bytes(len(operation[3])))
            yield self._state(names | data, {at: [zeros]})
        for _ in range(more if names or data else 0):
            yield self._random(dice)

    def _random(self, dice):
        chosen, changed = set(), {}
        for queue in self._names.values():
            chosen.update(queue[:dice.randint(0, len(queue))])
        for at in self._data:
            if dice.random() < 0.5:
                continue
            chosen.add(at)
            if self._done[at][0] == "write" and dice.random() < 0.3:
                changed[at] = _torn(self._done[at], lambda sector: dice.random() < 0.5)
        return self._state(chosen, changed)
