"""What the example apps keep of each job: its resume token. In your app, a column of your own database."""

from __future__ import annotations

import os
import sqlite3
import weakref

from nugen_async import Alignment


class Kept:
    """Resume tokens by job id: all that a reloaded page, another worker or a restarted server needs.

    ``JOBS_DB`` names a file that outlives the process; without it, tokens are kept in memory.
    """

    def __init__(self) -> None:
        self._db = sqlite3.connect(os.environ.get("JOBS_DB", ":memory:"), isolation_level=None)
        weakref.finalize(self, self._db.close)
        self._db.execute("CREATE TABLE IF NOT EXISTS jobs (id TEXT PRIMARY KEY, token TEXT)")

    def add(self, job: Alignment) -> None:
        """Keep one more job."""
        token = job.resume_token()
        self._db.execute("INSERT OR REPLACE INTO jobs VALUES (?, ?)", (job.id, token))

    def tokens(self) -> list[str]:
        """Every token, in the order of coming."""
        return [token for (token,) in self._db.execute("SELECT token FROM jobs ORDER BY rowid")]
