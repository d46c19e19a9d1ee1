"""What comes next, decided from the record alone."""

from __future__ import annotations

import itertools

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from nugen_async.errors import InvalidRequestError
from nugen_async.launching.course import (
    Done,
    End,
    Failure,
    Progress,
    Record,
    Scores,
    Step,
    Verb,
    Whose,
    next_step,
    retried,
)
from nugen_async.launching.spec import Stage, Workflow, keys_of

WHOLE = Workflow(
    name="w",
    base_model="m",
    documents=["a.txt"],
    num_questions=3,
    deploy=True,
    evaluate="compare",
)
DONE = Record(intended="2026-01-01T00:00:00+00:00", ids=("x",), done=True)


def done_up_to(stage: Stage) -> Progress:
    """Everything before *stage* is done."""
    before = itertools.takewhile(lambda each: each is not stage, Stage)
    return Progress(records=dict.fromkeys(before, DONE))


def failed(progress: Progress, stage: Stage, **facts: bool) -> Progress:
    return progress.failed(Failure(stage=stage, kind="E", message="no", **facts))


@pytest.mark.parametrize("stage", Stage)
def test_what_is_done_is_not_done_again(stage: Stage) -> None:
    assert next_step(WHOLE, done_up_to(stage)) == Step(stage, Verb.LAUNCH)


def test_all_done_is_ready() -> None:
    assert next_step(WHOLE, Progress(records=dict.fromkeys(Stage, DONE))) == Done(End.READY)


@pytest.mark.parametrize("stage", [Stage.ALIGNMENT, Stage.EVALUATION])
def test_an_intent_without_an_answer_is_looked_for(stage: Stage) -> None:
    begun = done_up_to(stage).noted(stage, evolve(DONE, ids=(), done=False))

    assert next_step(WHOLE, begun) == Step(stage, Verb.LOOK)


@pytest.mark.parametrize("stage", [Stage.DEPLOYMENT, Stage.UNDEPLOYMENT])
def test_what_can_be_asked_for_twice_is(stage: Stage) -> None:
    begun = done_up_to(stage).noted(stage, evolve(DONE, ids=(), done=False))

    assert next_step(WHOLE, begun) == Step(stage, Verb.LAUNCH)


def test_what_has_an_id_is_waited_for() -> None:
    begun = done_up_to(Stage.ALIGNMENT).noted(Stage.ALIGNMENT, evolve(DONE, done=False))

    assert next_step(WHOLE, begun) == Step(Stage.ALIGNMENT, Verb.AWAIT)


@pytest.mark.parametrize("stage", [Stage.EVALUATION, Stage.RESULTS])
def test_a_failure_after_the_deployment_still_undeploys(stage: Stage) -> None:
    progress = failed(done_up_to(stage), stage)

    assert next_step(WHOLE, progress) == Step(Stage.UNDEPLOYMENT, Verb.LAUNCH)
    assert next_step(WHOLE, progress.noted(Stage.UNDEPLOYMENT, DONE)) == Done(End.FAILED)


@pytest.mark.parametrize("stage", [Stage.DOCUMENTS, Stage.BENCHMARK, Stage.ALIGNMENT])
def test_a_failure_before_the_deployment_ends_it(stage: Stage) -> None:
    assert next_step(WHOLE, failed(done_up_to(stage), stage)) == Done(End.FAILED)


def test_a_deployment_that_the_server_failed_needs_no_undeployment_and_a_doubtful_one_does() -> (
    None
):
    begun = done_up_to(Stage.DEPLOYMENT).noted(Stage.DEPLOYMENT, evolve(DONE, done=False))

    assert next_step(WHOLE, failed(begun, Stage.DEPLOYMENT, spent=True)) == Done(End.FAILED)
    assert next_step(WHOLE, failed(begun, Stage.DEPLOYMENT)).stage is Stage.UNDEPLOYMENT  # type: ignore[union-attr]


def test_an_undeployment_that_fails_is_not_tried_for_ever() -> None:
    progress = failed(done_up_to(Stage.UNDEPLOYMENT), Stage.UNDEPLOYMENT)

    assert next_step(WHOLE, progress) == Done(End.FAILED)
    assert progress.serving


def test_an_unknown_create_ends_as_unknown() -> None:
    progress = failed(done_up_to(Stage.ALIGNMENT), Stage.ALIGNMENT, unknown=True)

    assert next_step(WHOLE, progress) == Done(End.UNKNOWN)


def test_another_try_keeps_what_is_there_and_makes_anew_what_is_spent() -> None:
    there = done_up_to(Stage.EVALUATION)
    doubtful = there.noted(Stage.EVALUATION, evolve(DONE, done=False))

    again = retried(failed(doubtful, Stage.EVALUATION, spent=True))
    assert next_step(WHOLE, again) == Step(Stage.EVALUATION, Verb.LAUNCH)
    assert again.of(Stage.EVALUATION) == Record(attempt=2)

    again = retried(failed(doubtful, Stage.EVALUATION))
    assert next_step(WHOLE, again) == Step(Stage.EVALUATION, Verb.AWAIT)

    begun = there.noted(Stage.EVALUATION, evolve(DONE, ids=(), done=False))
    again = retried(failed(begun, Stage.EVALUATION, unknown=True))
    assert next_step(WHOLE, again) == Step(Stage.EVALUATION, Verb.LOOK)


def test_another_try_deploys_again_what_was_given_back_too_early() -> None:
    progress = failed(done_up_to(Stage.EVALUATION), Stage.EVALUATION, spent=True)
    given_back = progress.noted(Stage.UNDEPLOYMENT, DONE)

    assert next_step(WHOLE, retried(given_back)) == Step(Stage.DEPLOYMENT, Verb.LAUNCH)


def test_another_try_for_the_results_alone_does_not_deploy_again() -> None:
    progress = failed(done_up_to(Stage.RESULTS), Stage.RESULTS)
    given_back = progress.noted(Stage.UNDEPLOYMENT, DONE)

    again = retried(given_back)
    assert next_step(WHOLE, again) == Step(Stage.RESULTS, Verb.LAUNCH)
    assert next_step(WHOLE, again.noted(Stage.RESULTS, DONE)) == Done(End.READY)


RECORDS = st.builds(
    Record,
    token=st.text(max_size=5),
    intended=st.sampled_from(["", "2026-01-01T00:00:00+00:00"]),
    ids=st.lists(st.text(min_size=1, max_size=3), max_size=2).map(tuple),
    done=st.booleans(),
    attempt=st.integers(1, 9),
    waited=st.floats(0, 1e6),
    whose=st.sampled_from(Whose),
    users=st.lists(st.text(max_size=3), max_size=2).map(tuple),
)
FAILURES = st.builds(
    Failure,
    stage=st.sampled_from(Stage),
    kind=st.text(max_size=3),
    message=st.text(max_size=3),
    unknown=st.booleans(),
    spent=st.booleans(),
    candidates=st.lists(st.text(max_size=3), max_size=2).map(tuple),
)
PROGRESS = st.builds(
    Progress,
    records=st.dictionaries(st.sampled_from(Stage), RECORDS),
    model_id=st.text(max_size=3),
    endpoint=st.text(max_size=3),
    scores=st.none() | st.builds(Scores, base=st.none() | st.floats(0, 1)),
    failures=st.lists(FAILURES, max_size=2).map(tuple),
)


@given(PROGRESS)
def test_a_record_is_read_back_as_it_was_written(progress: Progress) -> None:
    assert Progress.from_json(progress.to_json()) == progress


@given(PROGRESS)
def test_every_course_ends_and_never_repeats_a_stage(progress: Progress) -> None:
    seen: list[Stage] = []
    while isinstance(step := next_step(WHOLE, progress), Step):
        seen.append(step.stage)
        progress = progress.noted(step.stage, evolve(progress.of(step.stage), done=True))

    assert len(seen) == len(set(seen))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "nothing to do"),
        ({"base_model": "m"}, "needs documents"),
        ({"document_ids": ["d"], "evaluate": "alone"}, "no model"),
        ({"model_id": "x", "benchmark_id": "b", "evaluate": "compare"}, "base_model"),
        ({"model_id": "x", "benchmark_id": "b", "num_questions": 3}, "one benchmark"),
        ({"num_questions": 3}, "needs documents"),
        ({"document_ids": ["d"], "deploy": True}, "no model"),
        ({"document_ids": ["d"], "custom_metrics": ["m"]}, "belong to an evaluation"),
        ({"document_ids": [""]}, "list of texts"),
        ({"document_ids": ["d"], "key": "k" * 201}, "longer than 200"),
    ],
)
def test_a_workflow_that_makes_no_sense_is_refused(fields: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        Workflow(name="w", **fields)  # type: ignore[arg-type]


def test_a_workflow_without_a_key_gets_one_by_its_content_wherever_it_stands() -> None:
    w, v = (Workflow(name=name, document_ids=["d"]) for name in "wv")
    own = Workflow(name="w", key="mine", document_ids=["d"])
    one, other = keys_of([w, v])

    assert one != other
    assert keys_of([v, own, w, w, v]) == [other, "mine", one, f"{one}-2", f"{other}-2"]
