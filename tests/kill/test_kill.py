"""A batch that is killed at random moments, again and again: nothing lost, nothing paid twice.

Forty times, or two hundred at night. What happened is asked of the server's own book, in a process that
nobody kills.
"""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

from ..cases import NIGHTLY
from .processes import PROCESSES, run_batch, server, specs

KILLS = 200 if NIGHTLY else 40
WORKFLOWS = 50
SPEED = 2000.0
LONGEST = 1.0


def test_a_batch_killed_at_random_moments_loses_nothing_and_makes_nothing_twice(
    tmp_path: Path,
) -> None:
    dice = random.Random(1)
    kills, series = 0, 0
    with server(SPEED) as (url, book):
        while kills < KILLS:
            document = tmp_path / f"notes {series}.txt"
            document.write_text(f"The notes of series {series}.")
            journal = tmp_path / f"runs {series}.db"
            wanted = specs(WORKFLOWS, document, series)
            before = book()
            while True:
                ours, theirs = PROCESSES.Pipe()
                child = PROCESSES.Process(target=run_batch, args=(url, journal, wanted, theirs))
                child.start()
                theirs.close()
                if kills < KILLS and not ours.poll(dice.uniform(0.02, LONGEST)):
                    child.kill()
                    kills += 1
                    child.join()
                    continue
                ends = ours.recv()
                child.join()
                break
            after = book()
            series += 1

            made = after.tokens[len(before.tokens) :]
            assert [end for end in ends if end[0] != "Ready"] == []
            assert len(ends) == len({model for _, _, model in ends}) == WORKFLOWS
            assert [token for token, n in Counter(made).items() if n > 1] == []
            assert len(made) == WORKFLOWS
            assert after.documents == after.benchmarks == series
            models = [model for _, _, model in ends]
            assert {after.evaluated[model] for model in models} == {1}
            assert {after.deployed[model] for model in models} == {1}
            assert after.serving == ()
    assert kills >= KILLS
