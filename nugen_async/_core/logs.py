"""The library's logger: silent by itself, and on standard error where ``NUGEN_LOG`` says so."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping

log = logging.getLogger("nugen_async")
log.addHandler(logging.NullHandler())

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}
_FORM = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class _Console(logging.StreamHandler):  # type: ignore[type-arg] # generic only for type checkers
    """Standard error, unless the application has set up logging by itself: no line comes twice."""

    def emit(self, record: logging.LogRecord) -> None:
        if not logging.getLogger().handlers:
            super().emit(record)


def set_up(environ: Mapping[str, str] = os.environ) -> None:
    """Obey ``NUGEN_LOG``: ``debug``, ``info`` or ``warning``; anything else is told and left alone."""
    wanted = environ.get("NUGEN_LOG", "").strip().lower()
    if not wanted:
        return
    level = _LEVELS.get(wanted)
    if not any(isinstance(handler, _Console) for handler in log.handlers):
        console = _Console()
        console.setFormatter(logging.Formatter(_FORM))
        log.addHandler(console)
    if level is None:
        log.warning("NUGEN_LOG=%s is none of %s", wanted[:20], ", ".join(_LEVELS))
    else:
        log.setLevel(level)


set_up()
