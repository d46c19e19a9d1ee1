"""Who owns a journal: a process, known again after its end even when its number was given to another."""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
from pathlib import Path
from typing import Any, Self

from attrs import asdict, frozen

_FRESH = 60.0
"""Seconds for which a heartbeat from where we cannot look counts as life."""


@frozen(kw_only=True)
class Owner:
    """One process, and one opening in it."""

    host: str
    pid: int
    started: str | None
    """When the process began, in its system's own words; None where that cannot be told."""
    nonce: str
    namespace: str | None = None
    """Where `pid` is that process's number, as Linux names it; None where that cannot be told."""

    @classmethod
    def here(cls) -> Self:
        """This process."""
        pid = os.getpid()
        return cls(
            host=socket.gethostname(),
            pid=pid,
            started=_started(pid),
            nonce=secrets.token_hex(4),
            namespace=_namespace(),
        )

    def to_json(self) -> str:
        """As the journal keeps it."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The reverse of `to_json`."""
        told: dict[str, Any] = json.loads(text)
        return cls(**told)

    def alive(self, beat: float, now: float) -> bool:
        """Whether it may still be writing; *beat* is its last sign of life, both by the wall clock."""
        if self._out_of_sight():
            return now - beat < _FRESH
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return now - beat < _FRESH
        started = _started(self.pid)
        if started is not None and self.started is not None:
            return started == self.started
        return now - beat < _FRESH

    def _out_of_sight(self) -> bool:
        """Whether its number tells nothing here: of another host, or of another container on this one."""
        if self.host != socket.gethostname() or sys.platform == "win32":
            return True
        here = _namespace()
        return None not in (here, self.namespace) and here != self.namespace

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def _namespace() -> str | None:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return None


def _started(pid: int) -> str | None:
    """The start of a process as Linux tells it: ticks since boot, the 22nd field of its ``stat``."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    state = stat.rpartition(")")[2].split()
    return state[19] if len(state) > 19 and state[0] not in "ZX" else "ended"  # noqa: PLR2004 # that field
