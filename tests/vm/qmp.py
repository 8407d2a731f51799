"""QEMU's machine protocol, as far as the rig needs it."""

import json
import socket

from tests.vm.clock import Deadline


class QmpError(Exception):
    """QEMU said no; the text is its own."""


class Qmp:
    """A conversation with one QEMU."""

    def __init__(self, path, seconds=120):
        """Connects to a socket that may not be there yet."""
        deadline = Deadline(seconds, f"no QMP at '{path}'")
        while True:
            self._socket = socket.socket(socket.AF_UNIX)
            try:
                self._socket.connect(path)
                break
            except OSError:
                self._socket.close()
                deadline.pause()
        self._socket.settimeout(seconds)
        self._lines = self._socket.makefile("rw")
        json.loads(self._lines.readline())
        self.call("qmp_capabilities")

    def call(self, command, **arguments):
        """Returns what the command returns. In names of arguments "_" is "-"."""
        named = {name.replace("_", "-"): value for name, value in arguments.items()}
        self._lines.write(json.dumps({"execute": command, "arguments": named}) + "\n")
        self._lines.flush()
        while True:
            line = self._lines.readline()
            if not line:
                raise QmpError(f"{command}: QEMU hung up")
            answer = json.loads(line)
            if "error" in answer:
                raise QmpError(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def status(self):
        return self.call("query-status")["status"]

    def close(self):
        self._lines.close()
        self._socket.close()
