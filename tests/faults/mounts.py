"""Small file systems of our own, for disks that fill."""

import ctypes
import os
import subprocess

from lab.process import Failed

_CLONE_NEWNS = 0x00020000
_private = False


def lacks():
    return "" if os.geteuid() == 0 else "it needs root"


def _mount(*argv):
    done = subprocess.run(["mount", *argv], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"mount {' '.join(argv)}: {done.stderr}")


def make_private():
    """Gives this process mounts of its own, which are gone with it. Before any
    thread is started."""
    global _private
    if _private or os.geteuid() != 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS) != 0:
        raise Failed(f"unshare: {os.strerror(ctypes.get_errno())}")
    _mount("--make-rprivate", "/")
    _private = True


class SmallDisk:
    """A tmpfs of a few MiB that can be filled to the last byte."""

    def __init__(self, folder, mib):
        os.makedirs(folder, exist_ok=True)
        self.folder = folder
        _mount("-t", "tmpfs", "-o", f"size={mib}m", "baton-faults", folder)

    def free(self):
        disk = os.statvfs(self.folder)
        return disk.f_bavail * disk.f_frsize

    def fill(self, leave=0):
        """Takes all but so many bytes."""
        with open(f"{self.folder}/ballast", "ab", buffering=0) as ballast:
            while (free := self.free()) > leave:
                try:
                    ballast.write(bytes(min(free - leave, 1 << 20)))
                except OSError:
                    break

    def empty(self):
        if os.path.exists(f"{self.folder}/ballast"):
            os.remove(f"{self.folder}/ballast")

    def close(self):
        subprocess.run(["umount", "--lazy", self.folder], capture_output=True, check=False)
