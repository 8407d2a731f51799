"""The outer machine: Debian's kernel under QEMU, with the host's files."""

import gzip
import os
import re
import shutil
import subprocess

MODULES = ("virtio_pci", "9pnet_virtio", "9p", "mdev", "vfio_iommu_type1")
MEMORY_MIB = 4096
CACHE = "/run/cache"  # where it sees the folder with packages, modules and guest


def accelerator():
    """Returns "kvm" where it can run a machine, else "tcg". A /dev/kvm on a
    processor that shows no virtualization starts machines that hang."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        offers = re.search(r"^flags\s*:.*\b(vmx|svm)\b", file.read(), re.MULTILINE)
    return "kvm" if offers and os.access("/dev/kvm", os.R_OK | os.W_OK) else "tcg"


def initrd(packages, folder, script):
    """Makes the initial file system, and returns its path."""
    tree = f"{folder}/initrd"
    shutil.rmtree(tree, ignore_errors=True)
    for name in ("bin", "modules"):
        os.makedirs(f"{tree}/{name}")
    shutil.copy(packages.busybox, f"{tree}/bin/busybox")
    shutil.copy(script, f"{tree}/init")
    paths = packages.kernel_modules(*MODULES)
    for path in paths:
        shutil.copy(path, f"{tree}/modules")
    with open(f"{tree}/modules/order", "w", encoding="utf-8") as order:
        order.writelines(os.path.basename(path) + "\n" for path in paths)
    names = subprocess.run(["find", "."], cwd=tree, check=True, capture_output=True).stdout
    archive = subprocess.run([packages.busybox, "cpio", "-o", "-H", "newc"], cwd=tree,
                             input=names, check=True, capture_output=True).stdout
    with gzip.open(f"{folder}/initrd.gz", "wb", compresslevel=1) as file:
        file.write(archive)
    return f"{folder}/initrd.gz"


def command(packages, image, main, cache, out, accel):
    """Returns the command line of the machine. Its first serial line is
    standard output; `out` is the one folder that it may write to."""
    # String instructions with fast hints make emulated copies twice as slow.
    cpu = "host" if accel == "kvm" else "max,erms=off,fsrm=off"
    return [
        packages.qemu, *packages.qemu_data, "-accel", accel, "-machine", "q35", "-cpu", cpu,
        "-smp", "2", "-m", str(MEMORY_MIB), "-nodefaults", "-no-user-config",
        "-display", "none", "-no-reboot", "-serial", "stdio",
        "-kernel", packages.kernel, "-initrd", image,
        # A machine that is emulated on a busy host finds its timers late.
        "-append", "console=ttyS0 quiet panic=-1 oops=panic no_timer_check nowatchdog "
        f"rcupdate.rcu_cpu_stall_suppress=1 baton.main={main} baton.cache={cache} .",
        "-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,"
                   "multidevs=remap",
        "-virtfs", f"local,path={out},mount_tag=out,security_model=none",
    ]
