"""How long does a service with many hosts take from its start to its first answer?
Has bench/engine store what a rollout over them leaves, and starts the real batond
on it a few times: after a SIGKILL, its store not in the page cache. Asked is as an
operator asks, by the command line over the socket.

usage: start.py BINARIES [--hosts N] [--rounds N]
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

ANSWER_S = 5.0  # at most, from the start to the first answer
GIVE_UP_S = 120
PAUSE_S = 0.02


def forget(folder):
    """Has the system read the store there anew."""
    os.sync()
    for name in os.listdir(folder):
        if not name.startswith("baton.db"):
            continue
        with open(f"{folder}/{name}", "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def measure(binaries, folder, hosts):
    """Returns the seconds from start to answer."""
    data, address = f"{folder}/data", f"unix:{folder}/batond.sock"
    ask = [f"{binaries}/cli/baton", f"--server={address}", "fleet", "show"]
    forget(data)
    with open(f"{folder}/log", "ab") as log:
        began = time.monotonic()
        service = subprocess.Popen(
            [f"{binaries}/service/batond", f"--listen={address}", f"--data={data}",
             "--disk-reserve-mib=0"], stdout=log, stderr=log)
    try:
        while (answer := subprocess.run(ask, capture_output=True, text=True,
                                        check=False)).returncode != 0:
            if service.poll() is not None or time.monotonic() - began > GIVE_UP_S:
                with open(f"{folder}/log", encoding="utf-8") as log:
                    raise SystemExit(f"no answer: {answer.stderr}{log.read()[-2000:]}")
            time.sleep(PAUSE_S)
        took = time.monotonic() - began
    finally:
        service.kill()
        service.wait()
    if str(hosts) not in answer.stdout.replace(",", ""):
        raise SystemExit(f"{hosts} hosts are not in the answer:\n{answer.stdout}")
    return took


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binaries")
    parser.add_argument("--hosts", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="baton-start-") as folder:
        os.mkdir(f"{folder}/data")
        print(subprocess.run(
            [f"{options.binaries}/bench/engine",
             f"--run={options.hosts}:{folder}/data/baton.db"],
            check=True, stdout=subprocess.PIPE, text=True).stdout, end="", file=sys.stderr)
        load = os.getloadavg()[0]
        took = [measure(options.binaries, folder, options.hosts)
                for _ in range(options.rounds)]
    print(f"{options.hosts:,} hosts, load {load:.1f}: first answer after "
          f"{', '.join(f'{one:.2f}' for one in took)} s")
    print(f"median {statistics.median(took):.2f} s, at most {max(took):.2f} of {ANSWER_S:.0f} s: "
          f"{'met' if max(took) <= ANSWER_S else 'NOT MET'}")


main()
