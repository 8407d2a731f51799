"""Runs clang-tidy over every source file of ours, as Bazel compiles it.

A file is looked at again only when it, a header of ours that it includes, or
.clang-tidy has changed since it was clean: the first run takes minutes.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import subprocess
import sys

SOURCES = (".cc",)
# Flags of GCC or Bazel that clang does not know or need.
DROP = ("-fno-canonical-system-headers", "-Wno-free-nonheap-object", "-MD",
        "-Wunused-but-set-parameter", "-fno-gnu-unique")


def commands(root):
    """Returns {source: compiler arguments} from Bazel's action graph."""
    query = subprocess.run(
        ["bazel", "aquery", "--output=jsonproto", "--noshow_progress",
         "--ui_event_filters=-info", 'mnemonic("CppCompile", //...)'],
        cwd=root, check=True, capture_output=True, text=True).stdout
    found = {}
    for action in json.loads(query)["actions"]:
        words = action["arguments"]
        source = words[words.index("-c") + 1]
        if not source.endswith(SOURCES) or source.startswith("bazel-out"):
            continue
        keep, skip = [], False
        for word in words[1:]:
            if skip or word in DROP:
                skip = False
            elif word in ("-MF", "-o", "-c", "-frandom-seed"):
                skip = True
            elif not word.startswith("-frandom-seed"):
                keep.append(word)
        found[source] = keep
    return found


def fingerprint(root, source, flags):
    """Returns a digest of everything of ours that the verdict depends on."""
    listed = subprocess.run(["clang++", "-MM", *flags, source], cwd=root, check=True,
                            capture_output=True, text=True).stdout
    names = listed.replace("\\\n", " ").split()[1:]
    digest = hashlib.sha256(" ".join(flags).encode())
    for name in [".clang-tidy", *names]:
        with open(os.path.join(root, name), "rb") as file:
            digest.update(hashlib.sha256(file.read()).digest())
    return digest.hexdigest()


def check(root, cache, source, flags):
    """Returns what clang-tidy complains about; "" when nothing."""
    try:
        stamp = os.path.join(cache, fingerprint(root, source, flags))
    except subprocess.CalledProcessError as error:
        return error.stderr or str(error)  # clang does not compile it
    if os.path.exists(stamp):
        return ""
    done = subprocess.run(["clang-tidy", "--quiet", source, "--", *flags], cwd=root,
                          check=False, capture_output=True, text=True)
    if done.returncode == 0:
        with open(stamp, "w", encoding="utf-8"):
            return ""
    return done.stdout + done.stderr


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True)
    parser.add_argument("--cache", required=True)
    parser.add_argument("files", nargs="*", help="only sources that start so")
    options = parser.parse_args()
    os.makedirs(options.cache, exist_ok=True)
    todo = [(source, flags) for source, flags in sorted(commands(options.root).items())
            if not options.files or source.startswith(tuple(options.files))]
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        verdicts = pool.map(lambda one: check(options.root, options.cache, *one), todo)
        for (source, _), verdict in zip(todo, verdicts):
            if verdict:
                bad += 1
                print(f"{source}:\n{verdict}", flush=True)
    print(f"clang-tidy: {len(todo)} files, {bad} with findings", file=sys.stderr)
    sys.exit(1 if bad else 0)


main()
