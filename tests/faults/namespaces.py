"""Networks of their own for a stand's processes, which nftables then breaks.

One namespace for the service, one for each host, a pair of virtual Ethernet
devices between them. The service takes plain text on its loopback alone, so
packets to its outer address are redirected there. Each namespace belongs to a
process that holds it, and is gone with the last process in it."""

import os
import re
import shutil
import subprocess

from lab.process import Failed
from tests.faults.stand import Stand

PORT = 7000
_TABLE = """\
table inet faults {{
  chain inward {{ type filter hook prerouting priority -300; {inward} }}
  chain outward {{ type filter hook output priority -300; {outward} }}
}}
"""
_REDIRECT = f"""\
table ip to_loopback {{
  chain inward {{ type nat hook prerouting priority -100; tcp dport {PORT} dnat to 127.0.0.1:{PORT}; }}
}}
"""


def lacks():
    """Returns what is missing here; "" when nothing is."""
    if os.geteuid() != 0:
        return "it needs root"
    for program, package in (("ip", "iproute2"), ("nft", "nftables"), ("nsenter", "util-linux")):
        if shutil.which(program) is None:
            return f"it needs the package {package}"
    return ""


class NetworkStand(Stand):
    """A stand whose agents reach the service over devices that can fail."""

    def __init__(self, binaries, **options):
        self._holders = {}
        super().__init__(binaries, agent_prefix=lambda host: self._enter(host.name), **options)
        self.address = f"127.0.0.1:{PORT}"
        self._drops = {}  # host -> (rule inward, rule outward)
        self._dropped = 0  # packets, by rules that are gone

    def _enter(self, name):
        return ["nsenter", f"--net=/proc/{self._holders[name].popen.pid}/ns/net", "--"]

    def _run(self, name, *argv, text=None):
        done = subprocess.run(self._enter(name) + list(argv), input=text, capture_output=True,
                              text=True, check=False)
        if done.returncode != 0:
            raise Failed(f"{' '.join(argv)} in the network of {name}: {done.stderr}")

    def _start_all(self):
        for name in ["service"] + [host.name for host in self.hosts]:
            # It says that it is ready once it is in a namespace of its own.
            self._holders[name] = self._start(f"{name}.network", [
                "unshare", "--net", "sh", "-c", "echo ready; exec sleep infinity"])
            self._holders[name].wait_ready()
            self._run(name, "ip", "link", "set", "lo", "up")
        for number, host in enumerate(self.hosts, 1):
            here, there = f"s{number}", f"h{number}"
            self._run("service", "ip", "link", "add", here, "type", "veth", "peer", "name",
                      there, "netns", str(self._holders[host.name].popen.pid))
            for name, device, last in (("service", here, 1), (host.name, there, 2)):
                self._run(name, "ip", "address", "add", f"10.77.{number}.{last}/30", "dev", device)
                self._run(name, "ip", "link", "set", device, "up")
            self._run("service", "sh", "-c",
                      f"echo 1 >/proc/sys/net/ipv4/conf/{here}/route_localnet")
        self._run("service", "nft", "-f", "-", text=_REDIRECT)
        super()._start_all()

    def service_command(self):
        return self._enter("service") + super().service_command()

    def agent_command(self, host):
        number = self.hosts.index(host) + 1
        return [f"--service=10.77.{number}.1:{PORT}" if part.startswith("--service=") else part
                for part in super().agent_command(host)]

    def command(self, *arguments):
        if arguments[:2] == ("driver", "pack"):
            return super().command(*arguments)  # before there is a network, too
        return self._enter("service") + super().command(*arguments)

    # -- what fails ---------------------------------------------------------

    def dropped(self):
        """Returns how many packets were dropped so far."""
        listed = subprocess.run(self._enter("service") + ["nft", "list", "ruleset"],
                                capture_output=True, text=True, check=False).stdout
        return self._dropped + sum(map(int, re.findall(r"counter packets (\d+)", listed)))

    def _apply(self):
        self._dropped = self.dropped()
        inward = "".join(f"{drop[0]}; " for drop in self._drops.values() if drop[0])
        outward = "".join(f"{drop[1]}; " for drop in self._drops.values() if drop[1])
        text = "table inet faults {}\ndelete table inet faults\n" + _TABLE.format(
            inward=inward, outward=outward)
        self._run("service", "nft", "-f", "-", text=text)

    def lose(self, host, percent, inward=True, outward=True):
        """Drops so many of a host's packets, to the service and from it."""
        device = f"s{self.hosts.index(host) + 1}"
        dice = "counter drop" if percent == 100 else (
            f"numgen random mod 100 < {percent} counter drop")
        self._drops[host.name] = (f'iifname "{device}" {dice}' if inward else "",
                                  f'oifname "{device}" {dice}' if outward else "")
        self._apply()

    def cut(self, host, **ways):
        self.lose(host, 100, **ways)

    def heal(self, host):
        self._drops.pop(host.name, None)
        self._apply()
