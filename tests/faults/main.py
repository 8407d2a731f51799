"""./dev faults: real processes die, disks fill, networks fail, clocks jump, under
guests that check every answer."""

import argparse
import os
import random
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
from lab.fleet import PROGRAMS  # noqa: E402
from lab.process import Failed  # noqa: E402
from tests.faults import clocks, disks, mounts, networks, versions  # noqa: E402
from tests.faults.kills import Kills  # noqa: E402
from tests.faults.matrix import ELSEWHERE, ONLY, ROADS, WAYS, Matrix, points  # noqa: E402

# Who has fail points, by the name that a stand gives it. A driver host is the
# shim's own program; its points are armed through the shim.
ROLES = ("agent", "batond", "shim")


def say(line):
    print(f"==> {line}", file=sys.stderr, flush=True)


def listed(binaries):
    """Returns {role: fail points}."""
    return {role: points(os.path.join(binaries, PROGRAMS[role])) for role in ROLES}


def percentile(values, share):
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * share // 100) - 1)] if ordered else 0


class Run:
    """What one call of ./dev faults was asked for, and what came of it."""

    def __init__(self, options):
        self.options = options
        self.end = time.monotonic() + options.minutes * 60 if options.minutes else None
        self.wrong, self.summary = [], []

    def out_of_time(self):
        return self.end is not None and time.monotonic() > self.end

    def matrix(self):
        """Every point, every way; one that no road passes is wrong."""
        matrix = Matrix(self.options.binaries, say, self.options.keep)
        rows, left = [], 0
        try:
            for way in self.options.way or WAYS:
                waiting = [(role, point) for role, names in listed(self.options.binaries).items()
                           for point in names if self.options.point in point
                           and not point.startswith(ELSEWHERE)]
                for road in ROADS:
                    missed = [each for each in waiting
                              if each[0] != ONLY.get(road, each[0])]
                    for batch in matrix.batches([each for each in waiting
                                                 if each not in missed]):
                        if self.out_of_time():
                            left += len(batch)
                            continue
                        for row in matrix.run(batch, way, road):
                            print(row.line(), flush=True)
                            if row.fired or row.wrong:
                                rows.append(row)
                            else:
                                missed.append((row.role, row.point))
                    waiting = missed
                self.wrong += [f"{point} is on no road of this rig ({way})"
                               for _, point in waiting]
        finally:
            matrix.close()
        wrong = [row for row in rows if row.wrong]
        self.wrong += [f"{row.name}: {row.wrong[0]}" for row in wrong]
        self.summary.append(
            f"matrix: {len(rows)} combinations of a fail point and a way to die fired, "
            f"{len(wrong)} of them went wrong; {matrix.rollouts} rollouts, "
            f"{matrix.commands:,} commands of guests"
            + (f"; {left} left for want of time" if left else ""))
        for role in ROLES:
            ready = [s for row in rows if row.role == role for s in row.ready_s]
            if ready:
                self.summary.append(
                    f"matrix: {role} started again {len(ready)} times, ready after "
                    f"{percentile(ready, 50):.2f} s median, {max(ready):.2f} s at most")
        went_on = [s for row in rows for s in row.went_on_s]
        if went_on:
            self.summary.append(
                f"matrix: {len(went_on)} agents found an update under way, and had made its next "
                f"step {percentile(went_on, 50):.2f} s after their start (median), "
                f"{max(went_on):.2f} s at most")

    def kills(self):
        options = self.options
        say(f"random kills, seed {options.seed}")
        kills = Kills(options.binaries, say, options.seed, options.hosts, options.vgpus)
        try:
            kills.run(options.kills, self.end)
        except Failed as error:
            kills.wrong.append(str(error))
        finally:
            if kills.wrong and options.keep:
                kills.stand.keep_logs(f"{options.keep}/kills-{options.seed}")
            kills.close()
        self.wrong += [f"kills, seed {options.seed}: {what}" for what in kills.wrong]
        self.summary.append(
            f"kills: {kills.total()} ({kills.kills}) in {kills.rollouts} rollouts of "
            f"{options.hosts} hosts with {options.vgpus} vGPUs, seed {options.seed}; hosts ended "
            f"{kills.ends}; {kills.commands:,} commands of guests")

    def cases(self, module):
        """Runs every case of a module: (name, what it lacks, function)."""
        for name, lacks, function in module.CASES:
            if self.options.only not in ("", module.NAME) and self.options.only != name:
                continue
            if self.out_of_time():
                self.summary.append(f"{name}: left for want of time")
                continue
            if missing := lacks():
                self.summary.append(f"{name}: NOT RUN, {missing}")
                continue
            started = time.monotonic()
            try:
                wrong, said = function(self.options.binaries, say)
            except Failed as error:
                wrong, said = [str(error)], ""
            self.wrong += [f"{name}: {what}" for what in wrong]
            self.summary.append(f"{name}: {'WRONG' if wrong else 'ok'}; {said} "
                                f"({time.monotonic() - started:.0f} s)")
            say(self.summary[-1])


def arguments():
    parser = argparse.ArgumentParser(prog="./dev faults", description=__doc__)
    parser.add_argument("--minutes", type=float, default=0, help="stop starting anything "
                        "after so many; what was left out is said (0: run everything)")
    parser.add_argument("--only", default="", metavar="NAME",
                        help="matrix, kills, network, disk, clock, versions, or the name of one "
                        "case")
    parser.add_argument("--point", default="", help="of the matrix, only points with this in "
                        "their name")
    parser.add_argument("--way", choices=WAYS, action="append", help="of the matrix, only this "
                        "way to die; may be repeated")
    parser.add_argument("--kills", type=int, default=1000, help="random kills (1000)")
    parser.add_argument("--hosts", type=int, default=8, help="of the random kills (8)")
    parser.add_argument("--vgpus", type=int, default=4, help="of each of these hosts (4)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32),
                        help="of the random kills; printed")
    parser.add_argument("--previous-binaries", metavar="FOLDER", help="where Bazel built the "
                        "release before, for --only versions")
    parser.add_argument("--list", action="store_true", help="only list the fail points")
    parser.add_argument("--keep", metavar="FOLDER", help="where logs and journals go of "
                        "whatever went wrong")
    parser.add_argument("--binaries", required=True, help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    options = arguments()
    if options.list:
        for role, names in listed(options.binaries).items():
            print(f"{role}: {len(names)} fail points: {' '.join(names)}")
        return 0
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    mounts.make_private()
    run = Run(options)
    if options.only in ("", "matrix"):
        run.matrix()
    if options.only in ("", "kills"):
        run.kills()
    for module in (networks, disks, clocks, versions.Cases(options.previous_binaries)):
        run.cases(module)
    for line in run.summary:
        print(line)
    if not run.summary:
        print(f"nothing is called '{options.only}'")
        return 2
    for what in run.wrong:
        print(f"WRONG {what}")
    print(f"{len(run.wrong)} things went wrong")
    return 1 if run.wrong else 0


sys.exit(main())
