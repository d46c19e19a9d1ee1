"""Manifests: each format, and every mistake in one report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nugen_async.errors import ConfigurationError
from nugen_async.manifests import ManifestError, load_manifest, parse_manifest
from nugen_async.workflows import Workflow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.txt", "b.txt", "quiz.json"):
        (tmp_path / name).write_text('[{"question": "When?", "answer": "Now."}]')
    return tmp_path


def wanted(folder: Path) -> list[Workflow]:
    a, b, quiz = (str(folder / name) for name in ("a.txt", "b.txt", "quiz.json"))
    return [
        Workflow(
            name="one",
            key="k1",
            base_model="m",
            documents=[a, b],
            num_questions=5,
            deploy=True,
            evaluate="compare",
        ),
        Workflow(name="two", model_id="x", documents=[a], benchmark_file=quiz, evaluate="alone"),
    ]


FORMS = {
    "w.jsonl": """
{"name": "one", "key": "k1", "base_model": "m", "documents": ["a.txt", "b.txt"], "num_questions": 5,\
 "deploy": true, "evaluate": "compare"}

{"name": "two", "model_id": "x", "documents": "a.txt", "benchmark_file": "quiz.json", "evaluate": "alone"}
""",
    "w.json": """[
  {"name": "one", "key": "k1", "base_model": "m", "documents": ["a.txt", "b.txt"],
   "num_questions": 5, "deploy": true, "evaluate": "compare"},
  {"name": "two", "model_id": "x", "documents": "a.txt", "benchmark_file": "quiz.json",
   "evaluate": "alone"}
]""",
    "w.csv": """name,key,base_model,model_id,documents,num_questions,benchmark_file,deploy,evaluate
one,k1,m,,a.txt; b.txt,5,,yes,compare
two,,,x,a.txt,,quiz.json,,alone
""",
    "w.yaml": """
defaults: {documents: [a.txt]}
workflows:
  - name: one
    key: k1
    base_model: m
    documents: [a.txt, b.txt]
    num_questions: 5
    deploy: true
    evaluate: compare
  - {name: two, model_id: x, benchmark_file: quiz.json, evaluate: alone}
""",
    "w.py": """
from nugen_async.workflows import Workflow
def workflows():
    yield Workflow(name="one", key="k1", base_model="m", documents=["a.txt", "b.txt"],
                   num_questions=5, deploy=True, evaluate="compare")
    yield {"name": "two", "model_id": "x", "documents": ["a.txt"],
           "benchmark_file": "quiz.json", "evaluate": "alone"}
""",
}


@pytest.mark.parametrize("name", FORMS)
def test_every_format_says_the_same(folder: Path, name: str) -> None:
    (folder / name).write_text(FORMS[name])

    assert load_manifest(folder / name) == wanted(folder)


def mistakes(text: str, kind: str, folder: Path) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        parse_manifest(text, kind, folder=folder)
    assert all(str(mistake) in str(caught.value) for mistake in caught.value.mistakes)
    return [str(mistake) for mistake in caught.value.mistakes]


def test_every_mistake_of_a_jsonl_is_told_at_once(folder: Path) -> None:
    text = "\n".join(  # noqa: FLY002 # a line is a line
        [
            '{"name": "fine", "key": "k", "base_model": "m", "documents": ["a.txt"]}',
            "{nonsense",
            '["no", "object"]',
            '{"base_model": 7, "documents": [1], "typo": true}',
            '{"name": "n", "num_questions": 0, "evaluate": "both", "deploy": "maybe"}',
            '{"name": "n", "base_model": "m"}',
            '{"name": "n", "evaluate": "compare", "document_ids": ["d"]}',
            '{"name": "n", "name": "m", "document_ids": ["d"]}',
            '{"name": "n", "key": "k", "document_ids": ["d"]}',
            '{"name": "n", "documents": ["lost.txt"], "benchmark_file": "gone.json"}',
            '{"name": "n", "document_ids": ["d"], "benchmark_id": "b", "num_questions": 3}',
            '{"name": "n"}',
        ]
    )

    assert mistakes(text, "jsonl", folder) == [
        "line 2: not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        "line 3: an object is needed, not list",
        "line 4, typo: no such field",
        "line 4, name: required",
        "line 4, documents: a list of texts is needed, not [1]",
        "line 4, base_model: a text is needed, not 7",
        "line 5, num_questions: a whole number from 1 on is needed, not 0",
        "line 5, deploy: true or false is needed, not 'maybe'",
        'line 5, evaluate: "compare" or "alone" is needed, not \'both\'',
        "line 5, name: nothing to do: give documents or a model",
        "line 6, base_model: an alignment needs documents",
        "line 7, evaluate: there is no model: give base_model or model_id",
        "line 7, evaluate: it needs num_questions, benchmark_file or benchmark_id",
        'line 7, evaluate: "compare" needs base_model',
        "line 8, name: given twice",
        "line 9, key: 'k' stands on line 1 already",
        f"line 10, documents: no such file: {folder / 'lost.txt'}",
        f"line 10, benchmark_file: no such file: {folder / 'gone.json'}",
        "line 11, benchmark_id: one benchmark is enough: benchmark_id or num_questions",
        "line 12, name: nothing to do: give documents or a model",
    ]


def test_a_manifest_means_the_same_from_wherever_it_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "w.yaml").write_text(FORMS["w.yaml"])
    monkeypatch.chdir(folder)

    assert load_manifest("w.yaml") == load_manifest(folder / "w.yaml") == wanted(folder)


def test_files_that_the_api_would_refuse_are_mistakes(folder: Path) -> None:
    (folder / "a.pdf").write_bytes(b"%PDF")
    (folder / "half.json").write_text('[{"question": "When?"}]')
    (folder / "none.json").write_text("[]")
    (folder / "a.txt").write_text("Contracts end when they end.")
    text = (
        "name,base_model,documents,benchmark_file\n"
        "n,m,a.txt; a.pdf,half.json\nn,m,a.txt,none.json\nn,m,a.txt,a.txt\n"
    )

    told = mistakes(text, "csv", folder)

    assert [each.partition(":")[0] for each in told] == [
        "line 2, documents",
        "line 2, benchmark_file",
        "line 3, benchmark_file",
        "line 4, benchmark_file",
    ]
    assert "a.pdf is of a type that the API refuses" in told[0]
    assert f"{str(folder / 'half.json')!r}: question 1: $.answer: required" in told[1]
    assert f"{str(folder / 'none.json')!r}: there is no question" in told[2]
    assert f"{str(folder / 'a.txt')!r} is not JSON" in told[3]


def test_the_mistakes_of_a_csv_have_their_lines(folder: Path) -> None:
    text = (
        'name,documents,num_questions,deploy,oops\n"a\nb",lost.txt,x,perhaps,1\nc,a.txt\n\nd,,,,\n'
    )

    assert mistakes(text, "csv", folder) == [
        "line 2, oops: no such field",
        "line 2, num_questions: a whole number from 1 on is needed, not 'x'",
        "line 2, deploy: true or false is needed, not 'perhaps'",
        f"line 2, documents: no such file: {folder / 'lost.txt'}",
        "line 4: 2 cells under 5 titles",
        "line 6, name: nothing to do: give documents or a model",
    ]


def test_the_mistakes_of_a_yaml_have_the_lines_of_their_fields(folder: Path) -> None:
    text = "- name: a\n  documents: [a.txt]\n  deploy: 3\n- 7\n- name: b\n  name: c\n  mark: x\n"

    assert mistakes(text, "yaml", folder) == [
        "line 3, deploy: true or false is needed, not 3",
        "line 4: a mapping is needed",
        "line 6, name: given twice",
        "line 6, name: nothing to do: give documents or a model",
        "line 7, mark: true or false is needed, not 'x'",
    ]


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("", "jsonl", "line 1: it holds no workflow"),
        ("[]", "json", "line 1: it holds no workflow"),
        ("{}", "json", "line 1: an array of objects is needed"),
        ('[\n{"name": "a"} {}]', "json", "line 2: a comma or ] is missing"),
        ('[\n{"name": \n oops}]', "json", "line 3: not JSON"),
        ('name\n"open', "csv", "not CSV"),
        ("a: [", "yaml", "not YAML"),
        ("just text", "yaml", "line 1: a list of workflows is needed"),
        ("- &x {name: a}\n- *x", "yaml", "line 1: aliases"),
        ("- !!python/object/apply:os.system [ls]", "yaml", "a mapping is needed"),
        ("- name: !!python/name:os.system", "yaml", "not YAML"),
        ("- name: a\n- [b]: c", "yaml", "line 2: not YAML: found unhashable key"),
        ("workflows: []\n? [a]\n: b", "yaml", "line 1: a list of workflows is needed"),
        ("workflows: []\nworkflows: []", "yaml", "line 2, workflows: given twice"),
        ("- name: a\n- name: 2001-99-99", "yaml", "line 2: not YAML: month must be in 1..12"),
        ("- name: !!int x", "yaml", "line 1: not YAML: invalid literal for int()"),
        ("[" * 2000, "yaml", "line 1: not YAML"),
    ],
)
def test_what_is_no_manifest_at_all_is_told(text: str, kind: str, said: str, folder: Path) -> None:
    assert any(said in mistake for mistake in mistakes(text, kind, folder))


def test_a_mistake_in_python_is_told_with_its_line(folder: Path) -> None:
    (folder / "w.py").write_text("x = 1\nworkflows = [1 / 0]\n")
    with pytest.raises(ManifestError, match="line 2: ZeroDivisionError"):
        load_manifest(folder / "w.py")
    (folder / "w.py").write_text("workflows = [7, {'nome': 'x'}]\n")
    with pytest.raises(ManifestError, match="neither a Workflow") as caught:
        load_manifest(folder / "w.py")
    assert len(caught.value.mistakes) == 3


def test_what_is_too_long_is_a_mistake_like_others(folder: Path) -> None:
    with pytest.raises(ManifestError, match="line 1, documents: no such file"):
        parse_manifest(json.dumps({"name": "a", "documents": "x" * 5000}), "jsonl", folder=folder)
    with pytest.raises(ManifestError, match="line 2, num_questions: a whole number"):
        parse_manifest(f"name,num_questions\na,{'9' * 5000}", "csv", folder=folder)


def test_the_line_ends_of_other_worlds_do_not_end_a_line(folder: Path) -> None:
    row = '{"name": "a\u2028b\x85c", "documents": ["a.txt"]}'
    (folder / "w.jsonl").write_bytes(f"{row}\r\n\r\n{row}\r\n".encode())
    (folder / "w.csv").write_bytes(b'name,documents\r\n"a\rb\nc",a.txt\r\n')

    assert [each.name for each in load_manifest(folder / "w.jsonl")] == ["a\u2028b\x85c"] * 2
    assert [each.name for each in load_manifest(folder / "w.csv")] == ["a\rb\nc"]


def test_another_suffix_or_a_missing_file_is_told(folder: Path) -> None:
    (folder / "w.toml").write_text("")
    for name in ("w.toml", "none.csv"):
        with pytest.raises(ConfigurationError):
            load_manifest(folder / name)


def test_what_is_written_down_is_read_back_as_it_was(folder: Path) -> None:
    for spec in wanted(folder):
        assert Workflow.from_json(json.loads(json.dumps(spec.to_json()))) == spec
