"""What every test may use."""

from __future__ import annotations

pytest_plugins = ["nugen_async.testing"]
