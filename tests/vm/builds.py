"""Builds what no Bazel builds: the kernel modules, and the guest."""

import concurrent.futures
import hashlib
import os
import shutil
import subprocess

from tests.vm.packages import Unavailable

# Name -> the switches of module/build.h: major version, format it writes, fault.
MODULES = {
    "1.0": (1, 1, "NONE"),
    "2.0": (2, 1, "NONE"),
    "2.1": (2, 2, "NONE"),
    "2.0-refuses-early": (2, 1, "REFUSES_EARLY"),
    "2.0-refuses-late": (2, 1, "REFUSES_LATE"),
    "2.0-does-not-load": (2, 1, "DOES_NOT_LOAD"),
    "2.0-loses-memory": (2, 1, "LOSES_MEMORY"),
    "1.0-holds-on": (1, 1, "HOLDS_ON"),
}
_GUEST_FLAGS = (
    "-m32", "-O2", "-std=gnu11", "-Wall", "-Wextra", "-Wshadow", "-Werror", "-ffreestanding",
    "-fno-pie", "-no-pie", "-nostdlib", "-static", "-fno-stack-protector", "-mgeneral-regs-only",
    "-fno-asynchronous-unwind-tables", "-Wl,--build-id=none", "-Wl,--no-warn-rwx-segments")


def _digest(paths, *more):
    digest = hashlib.sha256("\0".join(more).encode())
    for path in sorted(paths):
        with open(path, "rb") as file:
            digest.update(os.path.basename(path).encode() + b"\0" + file.read())
    return digest.hexdigest()[:16]


def _files(folder):
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder))]


def _compile(argv, what, **more):
    done = subprocess.run(argv, capture_output=True, text=True, check=False, **more)
    if done.returncode != 0:
        raise RuntimeError(f"{what} does not build\n{done.stdout}{done.stderr}")


def _build_module(source, folder, name, headers):
    major, writes, fault = MODULES[name]
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder)
    _compile(["make", "-s", "-C", headers, f"M={folder}", f"BGPU_MAJOR={major}",
              f"BGPU_WRITES={writes}", f"BGPU_FAULT={fault}", f"BGPU_TEXT={name}", "modules"],
             f"module {name}")
    with open(f"{folder}/complete", "w", encoding="utf-8"):
        pass


def modules(root, folder, packages, say):
    """Returns {name: path of bgpu.ko} of every build in MODULES.

    Raises Unavailable where there is no compiler for kernel modules."""
    for tool in ("make", "gcc-12"):
        if not shutil.which(tool):
            raise Unavailable(f"there is no {tool}, which kernel modules are built with")
    source = f"{root}/tests/vm/module"
    folder = f"{folder}/modules/{_digest(_files(source), packages.release, packages.root)}"
    built = {name: f"{folder}/{name}/bgpu.ko" for name in MODULES}
    todo = [name for name in MODULES if not os.path.exists(f"{folder}/{name}/complete")]
    if todo:
        say(f"building {len(todo)} kernel modules for {packages.release}")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda name: _build_module(source, f"{folder}/{name}", name,
                                                 packages.headers), todo))
    return built


def guest(root, folder):
    """Returns the path of the image that nested machines boot."""
    sources = [f"{root}/tests/vm/guest/guest.c", f"{root}/tests/vm/workload/workload.c"]
    script = f"{root}/tests/vm/guest/guest.ld"
    headers = [f"{root}/tests/vm/workload/workload.h", f"{root}/tests/vm/module/bgpu.h"]
    name = _digest([*sources, script, *headers], *_GUEST_FLAGS)
    image = f"{folder}/guest-{name}.elf"
    if not os.path.exists(image):
        os.makedirs(folder, exist_ok=True)
        _compile(["gcc", *_GUEST_FLAGS, f"-Wl,-T,{script}", f"-I{root}", "-o", image + ".new",
                  *sources], "the guest")
        os.rename(image + ".new", image)
    return image
