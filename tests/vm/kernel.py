"""The kernel's side of the test GPU: modules in and out, mediated devices.
For the sequence by hand, and to look at what Baton left; Baton has its own."""

import ctypes
import os

NAME = "bgpu"
PARENT = "/sys/class/mdev_bus/bgpu"
DEVICES = "/sys/bus/mdev/devices"
_FINIT_MODULE, _DELETE_MODULE = 313, 176
_libc = ctypes.CDLL(None, use_errno=True)


def _call(number, *arguments):
    if _libc.syscall(number, *arguments) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def load(path, parameters="vram_mb=4"):
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _call(_FINIT_MODULE, descriptor, parameters.encode(), 0)
    finally:
        os.close(descriptor)


def unload():
    """Raises OSError, e.g. while somebody holds a device."""
    _call(_DELETE_MODULE, NAME.encode(), os.O_NONBLOCK)


def unloaded():
    """Unloads what is loaded; returns whether nothing is."""
    try:
        if version():
            unload()
        return True
    except BlockingIOError:
        return False


def version():
    """Returns what is loaded, e.g. "1.0"; "" when nothing is."""
    try:
        with open(f"/sys/module/{NAME}/version", encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return ""


def let_go():
    """Makes a module that holds on to itself end that."""
    path = f"/sys/module/{NAME}/parameters/held"
    if os.path.exists(path):
        with open(path, "w", encoding="utf-8") as file:
            file.write("0")


def create(uuid):
    path = f"{PARENT}/mdev_supported_types/{NAME}-small/create"
    with open(path, "w", encoding="utf-8") as file:
        file.write(uuid)


def node(uuid):
    """Returns the file through which a mediated device is opened."""
    group = os.path.basename(os.readlink(f"{DEVICES}/{uuid}/iommu_group"))
    return f"/dev/vfio/{group}"


def devices():
    """Returns the UUIDs of all mediated devices."""
    return sorted(os.listdir(DEVICES)) if os.path.isdir(DEVICES) else []


def digest(uuid):
    with open(f"{DEVICES}/{uuid}/proof/state_digest", encoding="utf-8") as file:
        return file.read().strip()
