"""Waiting with an end."""

import time


class Late(Exception):
    """Something did not come in its time; the text says what."""


class Deadline:
    """So much time for something, looked for every few milliseconds."""

    def __init__(self, seconds, what):
        self._end, self._what, self._seconds = time.monotonic() + seconds, what, seconds

    def pause(self, seconds=0.005):
        """Returns a moment later; raises Late once the time is over."""
        if time.monotonic() > self._end:
            raise Late(f"{self._what} in {self._seconds} s")
        time.sleep(seconds)


def wait_for(what, condition, seconds=120):
    """Returns the condition's first value that is true."""
    deadline = Deadline(seconds, f"no {what}")
    while not (value := condition()):
        deadline.pause(0.02)
    return value
