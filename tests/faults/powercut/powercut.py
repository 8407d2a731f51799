"""./dev powercut: cuts the power after each thing that Baton's parts write, and
looks at what a restart finds.

Each part runs under strace by itself (subject.cc) and marks what it has promised.
After each of its operations on the disk the power may go (of thousands of writes in
a row some stand for all), and disk.py says which states a file system may then be in. In each of them a
restart must find what was promised last, or what was about to be."""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))))
from lab.fleet import Fleet, image  # noqa: E402
from tests.faults.powercut import disk  # noqa: E402

PARTS = {
    "journal": "the agent's journal opens and holds the last record that was written",
    "staging": "'current' points to a complete driver that verifies",
    "depot": "a package that was accepted is there, and no file that bears a package's name is "
             "anything else",
    "agent": "a whole agent over two updates: 'current' verifies, is never ahead of the journal's "
             "attempt, and never behind the last one that ended",
    "store": "the store opens, and every commit that was acknowledged is there",
}


def record(subject, part, folder):
    """Runs the part, and returns what it did."""
    root, packages, log = f"{folder}/root", f"{folder}/packages", f"{folder}/log"
    os.makedirs(root)
    os.makedirs(packages)
    subprocess.run(disk.strace([subject, "write", part, root, packages], log),
                   stdout=subprocess.DEVNULL, check=True)
    return disk.operations(log, root), root


class TracedFleet(Fleet):
    """A host whose agent runs under strace."""

    def agent_command(self, host):
        return disk.strace(super().agent_command(host), f"{self.disk}/strace")


_ROLLOUT = """\
driver: softgpu/{version}
selector: lab=demo
waves: [{{name: all, size: rest}}]
"""
# Of the agent's attempts: what "current" points to once they ended.
_VERSIONS = ["1.0", "2.0", "1.1"]


def record_agent(binaries):
    """Has a real agent carry out two updates; returns what it did to its disk."""
    with TracedFleet(binaries, hosts=1, vgpus=1, vram_mib=16, guest_rate=500) as fleet:
        fleet.start_service()
        fleet.start_hosts()
        for number, version in enumerate(_VERSIONS[1:], 1):
            fleet.pack("next", image(f"{version[0]}.0", False), version)
            fleet.baton("driver", "push", fleet.package("next"))
            with open(f"{fleet.disk}/rollout.yaml", "w", encoding="utf-8") as file:
                file.write(_ROLLOUT.format(version=version))
            name = f"r{number}"
            fleet.baton("rollout", "create", name, "-f", f"{fleet.disk}/rollout.yaml")
            fleet.baton("rollout", "plan", name)
            plan = fleet.baton_json("rollout", "get", name)["plan"]
            fleet.baton("rollout", "start", name, f"--digest={plan['digest']}")
            fleet.baton("rollout", "watch", name)
        fleet.hosts[0].agent.stop(30)
        root = f"{fleet.disk}/host-1/agent"
        return disk.operations(f"{fleet.disk}/strace", root), root


def agent_wrong(said):
    """Returns whether the answer about an agent's directory is not the truth."""
    parts = said.split(" ")
    if len(parts) != 3 or not parts[0].isdigit():
        return True
    finished, attempt, current = int(parts[0]), int(parts[1]), parts[2]
    if current == "none":
        return attempt > 0  # it had not come to install its first one
    return current not in _VERSIONS or not finished <= _VERSIONS.index(current) <= attempt


class Checker:
    """Asks one process about many folders."""

    def __init__(self, subject, part):
        self._process = subprocess.Popen([subject, "check", part], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, text=True)

    def ask(self, folder):
        self._process.stdin.write(folder + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()

    def close(self):
        self._process.stdin.close()
        self._process.wait()


class Outcome:
    """What came of one part."""

    def __init__(self):
        self.moments = self.states = 0
        self.wrong = []


# Of a row of more writes than that, with nothing else between, these moments are
# tried: the first and the last few, and some in between.
_ROW, _ROW_ENDS, _ROW_STEP = 64, 3, 499


def moments(done):
    """Returns after how many operations the power is cut."""
    chosen, row = [0], []
    for count in range(1, len(done) + 1):
        if done[count - 1][0] == "write":
            row.append(count)
        if count == len(done) or done[count - 1][0] != "write":
            chosen += [each for at, each in enumerate(row)
                       if len(row) <= _ROW or at < _ROW_ENDS or at >= len(row) - _ROW_ENDS or at % _ROW_STEP == 0]
            row = []
            if done[count - 1][0] != "write":
                chosen.append(count)
    return chosen


def cut(subject, part, done, root, folder, seed, more, honest=True, enough=None):
    """Tries every moment of `done`; `enough` wrong states end it early."""
    outcome, seen = Outcome(), set()
    marks = [operation[1] for operation in done if operation[0] == "mark"]
    checker = Checker(subject, part)
    for count in moments(done):
        passed = sum(operation[0] == "mark" for operation in done[:count])
        good = set(marks[max(0, passed - 1):passed + 1])
        outcome.moments += 1
        dice = random.Random(f"{seed}/{count}")
        for state in disk.Disk(done[:count], honest).states(dice, more):
            found = state.found(root)
            key = (hash(tuple(found.items())), passed)
            if key in seen:
                continue
            seen.add(key)
            outcome.states += 1
            place = f"{folder}/state"
            os.mkdir(place)
            disk.put(found, root, place)
            said = checker.ask(place)
            shutil.rmtree(place)
            if agent_wrong(said) if part == "agent" else said not in good:
                outcome.wrong.append(
                    f"{part}: after operation {count} of {len(done)} "
                    f"({describe(done[count - 1], root)}) it found '{said}', want "
                    f"{sorted(good) or PARTS[part]}")
                if enough is not None and len(outcome.wrong) >= enough:
                    checker.close()
                    return outcome
    checker.close()
    return outcome


def describe(operation, root):
    return " ".join(str(part).replace(root, "") if not isinstance(part, bytes)
                    else f"{len(part)} bytes" for part in operation)


def try_part(options, part, folder):
    """Returns whether the part is right, and lines about it."""
    if part == "agent":
        done, root = record_agent(options.binaries)
    else:
        done, root = record(options.subject, part, folder)
    outcome = cut(options.subject, part, done, root, folder, options.seed, options.more)
    # The same on a disk that lies about syncs: this check can fail.
    liar = cut(options.subject, part, done, root, folder, options.seed, options.more,
               honest=False, enough=1)
    syncs = sum(operation[0] == "sync" for operation in done)
    print(f"{part}: {outcome.states:,} states after {outcome.moments:,} moments of "
          f"{len(done):,} operations, {syncs} of them syncs; {len(outcome.wrong)} wrong. "
          f"Wanted: {PARTS[part]}", flush=True)
    for line in outcome.wrong[:5]:
        print(f"  WRONG {line}")
    if not liar.wrong:
        print(f"  WRONG {part}: a disk that lies about syncs went unnoticed in {liar.states} "
              "states")
    return not outcome.wrong and bool(liar.wrong), outcome.states


def main():
    parser = argparse.ArgumentParser(prog="./dev powercut", description=__doc__.split("\n\n")[0])
    parser.add_argument("--binaries", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--part", choices=PARTS, action="append", help="only this part; may be "
                        "repeated")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--more", type=int, default=6, help="states at random after each moment "
                        "(6)")
    options = parser.parse_args()
    options.subject = f"{options.binaries}/tests/faults/powercut/powercut_subject"
    if shutil.which("strace") is None:
        print("it needs the package strace")
        return 2
    print(f"seed {options.seed}")
    good, total = True, 0
    for part in options.part or PARTS:
        with tempfile.TemporaryDirectory(prefix="baton-powercut-", dir="/dev/shm") as folder:
            right, states = try_part(options, part, folder)
        good, total = good and right, total + states
    print(f"{total:,} states; {'nothing was lost' if good else 'something is wrong'}")
    return 0 if good else 1


sys.exit(main())
