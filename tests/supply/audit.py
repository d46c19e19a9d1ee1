"""Known vulnerabilities of what is installed: pip-audit, and no silence where its service is not to be had.

``python -m tests.supply.audit SITE-PACKAGES`` fails for each vulnerability that is known. pip-audit calls it
a success when its service knows nothing of a package, or of any: here that is told.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

TIMEOUT = 300
OURS = "nugen-async"


def verdict(told: Mapping[str, Any] | None) -> tuple[int, list[str]]:
    """The exit code and the lines for a report of pip-audit; None is no report at all."""
    rows = [row for row in (told or {}).get("dependencies", ()) if row["name"] != OURS]
    skipped = [row["name"] for row in rows if "skip_reason" in row]
    audited = [row for row in rows if "skip_reason" not in row]
    if not audited:
        return 0, ["NOT AUDITED: the service that knows of vulnerabilities could not be asked"]
    lines = [
        f"VULNERABLE: {row['name']} {row['version']}: {flaw['id']},"
        f" fixed in {', '.join(flaw['fix_versions']) or 'no version yet'}"
        for row in audited
        for flaw in row["vulns"]
    ]
    code = 1 if lines else 0
    if skipped:
        lines.append(f"NOT AUDITED: {', '.join(skipped)}")
    lines.append(f"{len(audited)} packages audited")
    return code, lines


def report(place: str) -> Mapping[str, Any] | None:
    """What pip-audit says of the packages in the folder *place*; None where it can say nothing."""
    command = [sys.executable, "-m", "pip_audit", "--path", place, "--format", "json"]
    try:
        ran = subprocess.run(
            [*command, "--progress-spinner", "off"],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        found: Mapping[str, Any] = json.loads(ran.stdout)
    except (ValueError, subprocess.TimeoutExpired):
        return None
    return found


if __name__ == "__main__":
    status, said = verdict(report(sys.argv[1]))
    sys.stdout.write("\n".join((*said, "")))
    sys.exit(status)
