"""Fetches what ./dev vm needs and no installed package gives: Debian's kernel
with its headers, and a QEMU that can carry devices. Everything comes from the
package manager, is unpacked in a folder of our own, and changes nothing of the
system that it runs on."""

import glob
import os
import re
import shutil
import subprocess

QEMU_VERSION_MIN = (9, 1)
# Beside what apt says that QEMU needs and this system has not.
_QEMU = ("qemu-system-x86", "qemu-system-data", "qemu-system-common", "seabios")
_PATIENCE = 240  # seconds for one command of the package manager
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_LIBRARIES = ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu")


class Unavailable(Exception):
    """Something is not to be had here; the text says what and why."""


def _run(argv, cwd=None):
    try:
        done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False,
                              timeout=_PATIENCE)
    except subprocess.TimeoutExpired as late:
        raise Unavailable(f"{os.path.basename(argv[0])} {argv[-1]} takes too long") from late
    if done.returncode != 0:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise Unavailable(f"{os.path.basename(argv[0])} {argv[-1]} failed: {' '.join(last)}")
    return done.stdout


class _Apt:
    """apt with the system's sources, Debian's backports, and lists of its own."""

    def __init__(self, folder):
        parts = f"{folder}/sources"
        os.makedirs(parts)
        os.makedirs(f"{folder}/lists/partial")
        os.makedirs(f"{folder}/archives/partial")
        for path in ["/etc/apt/sources.list", *glob.glob("/etc/apt/sources.list.d/*.sources"),
                     *glob.glob("/etc/apt/sources.list.d/*.list")]:
            if os.path.exists(path):
                shutil.copy(path, parts)
        uri, codename = self._debian()
        key = f"Signed-By: {_KEYRING}\n" if os.path.exists(_KEYRING) else ""
        self.backports = f"{codename}-backports"
        with open(f"{parts}/backports.sources", "w", encoding="utf-8") as file:
            file.write(f"Types: deb\nURIs: {uri}\nSuites: {self.backports}\n"
                       f"Components: main\n{key}")
        self._options = []
        for option in ("Dir::Etc::sourcelist=/dev/null", f"Dir::Etc::sourceparts={parts}",
                       f"Dir::State::lists={folder}/lists", f"Dir::Cache={folder}",
                       "APT::Sandbox::User=root", "Acquire::Languages=none"):
            self._options += ["-o", option]
        self._folder = folder

    @staticmethod
    def _debian():
        """Returns (URI, codename) of the Debian that this system is of."""
        text = _run(["apt-get", "indextargets", "--format",
                     "$(REPO_URI)|$(RELEASE)|$(COMPONENT)"])
        with open("/etc/os-release", encoding="utf-8") as file:
            codename = dict(line.strip().split("=", 1) for line in file
                            if "=" in line).get("VERSION_CODENAME", "").strip('"')
        for line in text.splitlines():
            uri, release, component = line.split("|")
            if release == codename and component == "main" and "security" not in uri:
                return uri, codename
        raise Unavailable(f"no package source of '{codename}' is configured")

    def get(self, *arguments, cwd=None):
        return _run(["apt-get", "-q", *self._options, *arguments], cwd)

    def depends(self, package):
        """Returns the names that a package depends on."""
        text = _run(["apt-cache", *self._options, "depends", package])
        return re.findall(r"^ *Depends: ([^\s<]+)$", text, re.MULTILINE)


def _first(names, prefix):
    for name in names:
        if name.startswith(prefix):
            return name
    raise Unavailable(f"no package '{prefix}…' is known")


def _wanted(apt):
    """Returns name, name=version or name/suite of every package."""
    image = _first(apt.depends("linux-image-amd64"), "linux-image-")
    headers = _first(apt.depends("linux-headers-amd64"), "linux-headers-")
    needs = apt.depends(headers)
    wanted = [image, headers, _first(needs, "linux-headers-"), _first(needs, "linux-kbuild-"),
              "busybox-static"]
    plan = apt.get("install", "--simulate", "--no-install-recommends", "-t", apt.backports,
                   "qemu-system-x86")
    versions = dict(re.findall(r"^Inst (\S+) (?:\[\S+\] )?\((\S+) ", plan, re.MULTILINE))
    wanted += [f"{name}={version}" for name, version in versions.items()]
    wanted += [f"{name}/{apt.backports}" for name in _QEMU if name not in versions]
    return wanted


def _fetch(folder, say):
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    say("fetching a kernel and QEMU from the package manager (about 100 MB, once)")
    apt = _Apt(folder)
    apt.get("update")
    debs = f"{folder}/debs"
    os.makedirs(debs)
    apt.get("download", *_wanted(apt), cwd=debs)
    for deb in glob.glob(f"{debs}/*.deb"):
        _run(["dpkg", "-x", deb, f"{folder}/root"])
    for name in ("debs", "lists", "archives"):
        shutil.rmtree(f"{folder}/{name}")
    # Headers name each other by where they would be installed.
    for makefile in glob.glob(f"{folder}/root/usr/src/linux-headers-*-amd64/Makefile"):
        with open(makefile, encoding="utf-8") as file:
            text = file.read()
        with open(makefile, "w", encoding="utf-8") as file:
            file.write(text.replace("include /usr/", f"include {folder}/root/usr/"))


class Packages:
    """What was fetched, by path."""

    def __init__(self, folder):
        self.root = f"{folder}/root"
        kernels = glob.glob(f"{self.root}/boot/vmlinuz-*")
        if len(kernels) != 1:
            raise Unavailable(f"{len(kernels)} kernels in '{self.root}/boot', want 1")
        self.kernel = kernels[0]
        self.release = os.path.basename(self.kernel)[len("vmlinuz-"):]
        self.headers = f"{self.root}/usr/src/linux-headers-{self.release}"
        self.busybox = f"{self.root}/bin/busybox"
        self.qemu = f"{self.root}/usr/bin/qemu-system-x86_64"
        self.qemu_data = ["-L", f"{self.root}/usr/share/qemu",
                          "-L", f"{self.root}/usr/share/seabios"]
        self.libraries = ":".join(f"{self.root}/{path}" for path in _LIBRARIES)

    def environment(self):
        """Returns the environment that the unpacked QEMU runs in."""
        return {**os.environ, "LD_LIBRARY_PATH": self.libraries}

    def qemu_version(self):
        try:
            text = subprocess.run([self.qemu, "--version"], env=self.environment(),
                                  capture_output=True, text=True, check=False)
        except OSError as error:
            raise Unavailable(f"QEMU does not run: {error}") from error
        found = re.search(r"version (\d+)\.(\d+)", text.stdout)
        if not found:
            raise Unavailable(f"QEMU does not run: {text.stderr.strip()}")
        return int(found[1]), int(found[2])

    def kernel_modules(self, *names):
        """Returns the .ko files of `names` and what they need, in the order in
        which they load."""
        files = {}
        for path in glob.glob(f"{self.root}/lib/modules/**/*.ko", recursive=True):
            files[os.path.basename(path)[:-3].replace("-", "_")] = path
        order = []

        def add(name):
            if name not in files:
                raise Unavailable(f"kernel {self.release} has no module '{name}'")
            if files[name] in order:
                return
            with open(files[name], "rb") as file:
                needs = re.search(rb"\0depends=([^\0]*)\0", file.read())
            for need in needs[1].decode().split(",") if needs and needs[1] else []:
                add(need.replace("-", "_"))
            order.append(files[name])

        for name in names:
            add(name)
        return order


def packages(folder, say):
    """Returns the Packages in `folder`, fetched now if they are not there.

    Raises Unavailable."""
    done = f"{folder}/complete"
    if not os.path.exists(done):
        if not shutil.which("apt-get"):
            raise Unavailable("there is no apt-get")
        _fetch(folder, say)
        with open(done, "w", encoding="utf-8"):
            pass
    found = Packages(folder)
    version = found.qemu_version()
    if version < QEMU_VERSION_MIN:
        raise Unavailable(f"QEMU {version} cannot carry a device; "
                          f"{QEMU_VERSION_MIN} or newer is wanted")
    return found
