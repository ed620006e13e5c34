from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import mlflow
import mlflow.sklearn
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from click.testing import CliRunner
from sklearn.dummy import DummyClassifier

import pyfunc
from pyfunc import package
from pyfunc.cells import Kind
from pyfunc.compiled.features import NUMBER, Feature, Features
from pyfunc.compiled.plan import Part, Plan
from pyfunc.errors import FileRefusedError, ModelUnavailableError, SchemaMismatchError
from pyfunc.model import PACKAGE_ARTIFACT, Scorer, signature
from pyfunc.schema import Column, InputSchema, Target
from steps import file_scoring, parts, score, tracking
from steps.data import parquet_rows, readers, text_rows, text_source
from steps.loading import load
from steps.scoring import Wanted, score_table

SCHEMA = InputSchema(
    (
        Column("x", Kind.NUMBER, minimum=0.0, maximum=1.0),
        Column("c", Kind.CATEGORY, categories=("1,5", "a")),
    ),
    Target("y", ("no", "yes"), positive="yes"),
)
ROWS = b"x,c\n0.2,a\n0.8,a\n0.5,a\n"


class Echo:
    """A pipeline whose probability of the second class is `x`, and 0.25 where it is missing."""

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        """Probabilities (n_rows, 2)."""
        high = frame["x"].fillna(0.25).to_numpy()
        return np.column_stack([1 - high, high])


@pytest.fixture(scope="session")
def saved(tmp_path_factory) -> str:
    """A model of ours around `Echo`, with the threshold 0.5, as a folder."""
    folder = tmp_path_factory.mktemp("package")
    package.save(folder, Echo(), SCHEMA, 0.5)
    model = str(tmp_path_factory.mktemp("model") / "model")
    mlflow.pyfunc.save_model(
        model,
        python_model=str(Path(pyfunc.__file__).parent / "entry.py"),
        artifacts={PACKAGE_ARTIFACT: str(folder)},
        signature=signature(SCHEMA),
        input_example=SCHEMA.example(),
        pip_requirements=[],
    )
    return model


@pytest.fixture
def model(store, saved) -> str:
    """URI of the model, with a store for the runs."""
    return saved


def scored(tmp_path: Path, rows: bytes, model: str, name: str = "rows.csv", **options: str) -> pd.DataFrame:
    """The answers to some rows."""
    (tmp_path / name).write_bytes(rows)
    score.score(str(tmp_path / name), str(tmp_path / "out.csv"), model, **options)
    return pd.read_csv(tmp_path / "out.csv")


def test_a_file_becomes_answers(store, model, tmp_path):
    """Columns, labels and probabilities are those of every other door; the run counts rows."""
    got = scored(tmp_path, ROWS, model)
    assert list(got.columns) == ["prediction", "probability", "probability_no", "probability_yes"]
    assert got["prediction"].tolist() == ["no", "yes", "yes"]
    assert got["probability"].tolist() == [0.8, 0.8, 0.5]
    run = store.client.search_runs(["0"], "tags.`crisol.step` = 'score'")[0]
    assert run.info.status == "FINISHED"
    assert run.data.metrics["rows"] == 3
    assert run.data.tags[tracking.MODEL_URI] == model


@pytest.mark.parametrize(
    ("threshold", "expected"), [("", ["no", "yes", "yes"]), ("0.2", ["yes"] * 3), ("0.9", ["no"] * 3)]
)
def test_the_threshold(model, tmp_path, threshold, expected):
    """A given threshold replaces the stored one."""
    assert scored(tmp_path, ROWS, model, threshold=threshold)["prediction"].tolist() == expected


def test_a_file_is_read_as_the_training_file_was(store, tmp_path):
    """Where commas are no decimal points in training, `1,250` is no number; where they are, it is one and a quarter."""
    wrong = {}
    for decimal in (".", ","):
        folder = tmp_path / f"package{ord(decimal)}"
        folder.mkdir()
        read_as = {"kind": "csv", "delimiter": ";", "decimal": decimal}
        package.save(folder, Echo(), SCHEMA, 0.5, read_as=read_as)
        mlflow.pyfunc.save_model(
            str(folder / "model"),
            python_model=str(Path(pyfunc.__file__).parent / "entry.py"),
            artifacts={PACKAGE_ARTIFACT: str(folder)},
            signature=signature(SCHEMA),
            input_example=SCHEMA.example(),
            pip_requirements=[],
        )
        try:
            wrong[decimal] = scored(tmp_path, b"x;c\n1,250;a\n", str(folder / "model"))["probability_yes"].tolist()
        except SchemaMismatchError as error:
            wrong[decimal] = [problem.code for problem in error.problems]

    assert wrong == {".": ["not_a_number"], ",": [1.25]}


def test_rows_that_are_unlike_training_say_so_on_request(model, tmp_path):
    """Each row names the columns; without the request the columns of the answer stay as they are."""
    rows = b"x,c,more\n0.2,a,1\n,b,1\n9,b,1\n-1,a,1\n"
    got = scored(tmp_path, rows, model, warnings="true").fillna("")

    assert list(got.columns)[4:] == ["warning_unseen_category", "warning_out_of_range", "warning_missing_value"]
    assert got["warning_unseen_category"].tolist() == ["", "c", "c", ""]
    assert got["warning_out_of_range"].tolist() == ["", "", "x", "x"]
    assert got["warning_missing_value"].tolist() == ["", "x", "", ""]
    assert list(scored(tmp_path, rows, model).columns) == list(got.columns)[:4]


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".parquet"])
def test_formats_of_answers(model, tmp_path, ending):
    """CSV, packed CSV and Parquet hold the same answers; nothing else is left in the folder."""
    folder = tmp_path / "answers"
    folder.mkdir()
    (tmp_path / "rows.csv").write_bytes(ROWS)
    answer = score.score(str(tmp_path / "rows.csv"), str(folder / f"out{ending}"), model)
    content = (folder / f"out{ending}").read_bytes()
    if ending == ".parquet":
        got = pd.read_parquet(io.BytesIO(content))
    else:
        got = pd.read_csv(io.BytesIO(gzip.decompress(content) if ending == ".csv.gz" else content))
    assert got["probability_yes"].tolist() == [0.2, 0.8, 0.5]
    assert [path.name for path in folder.iterdir()] == [f"out{ending}"]
    assert answer["out"] == str(folder / f"out{ending}")


def test_what_was_noticed_is_counted(store, model, tmp_path):
    """Extra columns, unseen categories and numbers out of range are metrics and warnings, without cells."""
    (tmp_path / "rows.csv").write_bytes(b"x,c,id\n5,SECRET,1\n0.5,a,2\n-1,a,3\n")
    answer = score.score(str(tmp_path / "rows.csv"), str(tmp_path / "out.csv"), model)
    metrics = store.client.get_run(answer["run_id"]).data.metrics
    assert {key: metrics[key] for key in ("extra_columns", "unseen_category", "out_of_range")} == {
        "extra_columns": 1, "unseen_category": 1, "out_of_range": 2,
    }  # fmt: skip
    assert len(answer["warnings"]) == 3
    assert "SECRET" not in json.dumps(answer)


def test_decimal_commas_in_number_columns_only(model, tmp_path):
    """With semicolons, one row means what many do: numbers get points, a category with a comma stays."""
    got = scored(tmp_path, b"x;c\n0,8;1,5\n", model)
    assert got["probability_yes"].tolist() == [0.8]


def test_rows_that_do_not_fit_leave_no_file(store, model, tmp_path):
    """A refused file leaves no output, neither whole nor in part, and a FAILED run with all problems."""
    (tmp_path / "rows.csv").write_bytes(b"x\nSECRET\n")
    with pytest.raises(SchemaMismatchError) as caught:
        score.score(str(tmp_path / "rows.csv"), str(tmp_path / "out.csv"), model, threshold="2")
    assert {problem.code for problem in caught.value.problems} == {
        "missing_column",
        "not_a_number",
        "threshold_invalid",
    }
    assert "SECRET" not in str(caught.value)
    assert [path.name for path in tmp_path.glob("*out*")] == []
    run = store.client.search_runs(["0"], "tags.`crisol.step` = 'score'")[0]
    assert (run.info.status, run.data.tags["error.count"]) == ("FAILED", "3")


def test_an_older_file_survives_a_refusal(model, tmp_path):
    """The answers of before stay until new ones are complete."""
    (tmp_path / "out.csv").write_text("before")
    (tmp_path / "rows.csv").write_bytes(b"c\na\n")
    with pytest.raises(SchemaMismatchError):
        score.score(str(tmp_path / "rows.csv"), str(tmp_path / "out.csv"), model)
    assert (tmp_path / "out.csv").read_text() == "before"


def test_options_are_checked_together_before_anything_is_read(store, tmp_path):
    """An unknown ending, a missing folder and a threshold that is no number come in one answer."""
    with pytest.raises(FileRefusedError) as caught:
        score.score("no.csv", str(tmp_path / "no" / "out.xlsx"), "models:/no/1", "high")
    codes = [problem.code for problem in caught.value.problems]
    assert codes == ["out_format_unknown", "out_folder_missing", "threshold_invalid"]
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(FileRefusedError, match="is a folder"):
        score.score("no.csv", str(tmp_path / "folder.csv"), "models:/no/1")


def test_columns_that_only_parquet_can_carry(model, tmp_path):
    """Lists are refused before anything stands there, unless the answers are Parquet."""
    table = pa.table({"x": [0.5], "c": ["a"], "list": [["1"]]})
    pa.parquet.write_table(table, tmp_path / "rows.parquet")
    with pytest.raises(FileRefusedError) as caught:
        score.score(str(tmp_path / "rows.parquet"), str(tmp_path / "out.csv"), model, keep="*")
    assert [problem.code for problem in caught.value.problems] == ["keep_not_writable"]
    score.score(str(tmp_path / "rows.parquet"), str(tmp_path / "out.parquet"), model, keep="*")
    assert pa.parquet.read_table(tmp_path / "out.parquet")["list"].to_pylist() == [["1"]]
    assert not [*tmp_path.glob("*out.csv*")]


@pytest.mark.parametrize("keep", ["id, c", "id,c", "*"])
@pytest.mark.parametrize("ending", [".csv", ".parquet", ".jsonl"])
def test_columns_are_carried_along(model, tmp_path, keep, ending):
    """Columns of the file stand in front of the answers, as they stood in the file, quoted where they must be."""
    (tmp_path / "rows.csv").write_bytes(b'id,c,x\n007,a,0.2\n"x,""\n",a,0.8\n,"1,5",0.5\n')
    score.score(str(tmp_path / "rows.csv"), str(tmp_path / f"out{ending}"), model, keep=keep)
    content = io.BytesIO((tmp_path / f"out{ending}").read_bytes())
    if ending == ".csv":
        got = pd.read_csv(content, dtype={"id": str})
    elif ending == ".parquet":
        got = pd.read_parquet(content)
    else:
        got = pd.DataFrame([json.loads(line) for line in content.read().decode().splitlines()])
    names = ["id", "c", "x"] if keep == "*" else ["id", "c"]
    assert list(got.columns) == [*names, "prediction", "probability", "probability_no", "probability_yes"]
    assert got["id"].fillna("").tolist() == ["007", 'x,"\n', ""]
    assert got["c"].tolist() == ["a", "a", "1,5"]
    assert got["probability_yes"].tolist() == [0.2, 0.8, 0.5]


def test_columns_that_cannot_be_carried_along(model, tmp_path):
    """Absent columns and those called like an answer are named together, before a row is scored; nothing is written."""
    (tmp_path / "rows.csv").write_bytes(b"x,c,prediction\nno number,a,1\n")
    with pytest.raises(FileRefusedError) as caught:
        score.score(str(tmp_path / "rows.csv"), str(tmp_path / "out.csv"), model, keep="id,prediction")
    assert [problem.code for problem in caught.value.problems] == ["keep_missing", "keep_collides"]
    assert not [*tmp_path.glob("*out*")]


@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz", "rows.parquet", "rows.json"])
def test_parts_are_answered_as_the_whole_is(model, tmp_path, monkeypatch, name):
    """Many small parts give the bytes, counts and words that one part gives, and so does a file read as a whole."""
    n_rows = 900
    x = [f"{at % 13 / 10}" if at % 7 else "" for at in range(n_rows)]
    c = [["a", "b", "1,5", ""][at % 4] for at in range(n_rows)]
    table = pd.DataFrame({"id": range(n_rows), "x": x, "c": c})
    path = tmp_path / name
    if name.endswith(".parquet"):
        table.to_parquet(path)
    elif name.endswith(".json"):
        table.to_json(path, orient="records")
    else:
        table.to_csv(path, index=False)
    found = []
    for block, cut in ((2**20, 2**20), (512, 7)):
        monkeypatch.setattr(text_rows, "BLOCK_BYTES", block)
        monkeypatch.setattr(text_rows, "HEAD_BYTES", 600)
        monkeypatch.setattr(parquet_rows, "BATCH_ROWS", cut)
        monkeypatch.setattr(parts, "PART_ROWS", cut)
        answer = score.score(str(path), str(tmp_path / "out.csv"), model, warnings="true", keep="id")
        found.append((answer["rows"], answer["warnings"], (tmp_path / "out.csv").read_bytes()))

    assert found[0] == found[1]
    frame, notices = load(model).answer(table, name)
    assert [notice.to_dict() for notice in notices] == found[0][1]
    got = pd.read_csv(io.BytesIO(found[0][2]), float_precision="round_trip")
    assert got["id"].tolist() == [*range(n_rows)]
    assert got[frame.columns].equals(frame)


class Told:
    """A compiled model that says in which order it was asked what."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def warm(self) -> None:
        """Before many rows."""
        self.said.append("warm")

    def score(self, matrix: np.ndarray, _: object) -> np.ndarray:
        """Probabilities (n_rows, 2)."""
        self.said.append("score")
        return np.column_stack([1 - matrix[:, 0], matrix[:, 0]])


@pytest.mark.parametrize(("rows", "said"), [(1, ["score"]), (900, ["warm", "score"])])
def test_a_compiled_model_is_made_ready_before_it_is_asked_for_several_parts(saved, monkeypatch, rows, said):
    """Else every learner's library would load the trees as well."""
    monkeypatch.setattr(text_rows, "BLOCK_BYTES", 512)
    monkeypatch.setattr(text_rows, "HEAD_BYTES", 600)
    model = Told()
    plan = Plan((Features((Feature(0, NUMBER),)),), (Part(1.0, 0, model),))
    scorer = Scorer(replace(load(saved).package, plan=plan))
    source = parts.Source(b"x,c\n" + b"0.5,a\n" * rows, "rows.csv", "rows")

    done = score_table(source, scorer, Wanted(Path("out.csv")), parts.Limits(), lambda _: lambda _: None)

    assert (done.rows, list(dict.fromkeys(model.said))) == (rows, said)


def test_bad_rows_far_down_are_all_named(model, tmp_path, monkeypatch):
    """Each problem with its rows counted from the first row of the file, and no file of answers."""
    rows = [b"0.5,a\n"] * 2000
    rows[1199], rows[1999] = b"SECRET,a\n", b"SECRET,a\n"
    (tmp_path / "rows.csv").write_bytes(b"x,c\n" + b"".join(rows))
    monkeypatch.setattr(text_rows, "BLOCK_BYTES", 512)
    with pytest.raises(SchemaMismatchError) as caught:
        score.score(str(tmp_path / "rows.csv"), str(tmp_path / "out.csv"), model)
    assert [problem.what for problem in caught.value.problems] == ["'x' is not a number in rows 1200, 2000."]
    rows[1500] = b"0.5\n"
    (tmp_path / "rows.csv").write_bytes(b"x,c\n" + b"".join(rows))
    with pytest.raises(FileRefusedError, match="row 1501"):
        score.score(str(tmp_path / "rows.csv"), str(tmp_path / "out.csv"), model)
    assert not [*tmp_path.glob("*out*")]


def test_a_file_that_is_not_plain_after_all_is_begun_again(model, tmp_path, monkeypatch):
    """A letter of another encoding in the last row: all rows are read in that encoding, and answered once."""
    content = b"id,x,c\n" + b"1,0.5,a\n" * 2000 + "é,0.5,a\n".encode("cp1252")
    (tmp_path / "rows.csv").write_bytes(content)
    monkeypatch.setattr(text_rows, "BLOCK_BYTES", 512)
    monkeypatch.setattr(text_source, "PIECE_BYTES", 512)
    monkeypatch.setattr(text_rows, "HEAD_BYTES", 600)
    score.score(str(tmp_path / "rows.csv"), str(tmp_path / "out.csv"), model, keep="id")
    got = pd.read_csv(tmp_path / "out.csv", dtype={"id": str})
    assert (len(got), got["id"].iloc[-1]) == (2001, "é")


def test_the_limit_is_for_what_is_held_in_memory(model, tmp_path):
    """A plain file may be larger than the limit; one that has to be read as a whole may not, and says what to do."""
    limits = parts.Limits(max_mib=0.001)
    (tmp_path / "rows.csv").write_bytes(b"x,c\n" + b"0.5,a\n" * 1000)
    (tmp_path / "rows.json").write_text(json.dumps([{"x": 0.5, "c": "a"}] * 1000))
    assert score.score(str(tmp_path / "rows.csv"), str(tmp_path / "out.csv"), model, limits=limits)["rows"] == 1000
    with pytest.raises(FileRefusedError, match="read in parts") as caught:
        score.score(str(tmp_path / "rows.json"), str(tmp_path / "out.csv"), model, limits=limits)
    assert caught.value.problems[0].code == "file_too_large"


@pytest.mark.parametrize(
    "uri",
    ["models:/crisol@champion", "models:/crisol/7", "runs:/0123456789abcdef0123456789abcdef/model", "nonsense", ""],
)
def test_unknown_models(store, tmp_path, uri):
    """A model that is not there is refused with examples of URIs."""
    (tmp_path / "rows.csv").write_bytes(ROWS)
    with pytest.raises(ModelUnavailableError) as caught:
        score.score(str(tmp_path / "rows.csv"), str(tmp_path / "out.csv"), uri)
    assert caught.value.problems[0].code == "model_unavailable"
    assert "models:/crisol@champion" in caught.value.problems[0].fix


def test_models_of_another_program_are_refused(store, tmp_path):
    """Only our models know their schema."""
    foreign = DummyClassifier().fit([[0.0], [1.0]], [0, 1])
    mlflow.sklearn.save_model(foreign, str(tmp_path / "foreign"), input_example=np.zeros((1, 1)), pip_requirements=[])
    (tmp_path / "rows.csv").write_bytes(ROWS)
    with pytest.raises(ModelUnavailableError) as caught:
        score.score(str(tmp_path / "rows.csv"), str(tmp_path / "out.csv"), str(tmp_path / "foreign"))
    assert caught.value.problems[0].code == "model_foreign"


def test_the_command(model, tmp_path):
    """The command answers with ids and counts."""
    (tmp_path / "rows.csv").write_bytes(ROWS)
    options = [f"--data={tmp_path / 'rows.csv'}", f"--out={tmp_path / 'out.parquet'}", f"--model={model}"]
    answer = CliRunner().invoke(score.cli, options, standalone_mode=False).return_value
    assert (answer["rows"], answer["model"], answer["warnings"]) == (3, model, [])


def test_a_refused_command_exits_three(store, tmp_path):
    """`python -m steps.score` says what to do in the last line and leaves stdout empty."""
    command = [sys.executable, "-m", "steps.score", "--data=no.csv", f"--out={tmp_path / 'out.csv'}"]
    ended = subprocess.run(command, env=store.environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 3
    assert ended.stdout == ""
    assert "refused [file_missing]" in ended.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("name", ["out.csv", "out.csv.gz", "out.parquet", "out.jsonl"])
def test_answers_that_count_for_nothing_leave_nothing_behind(name):
    """Where only its end shows that a file has to be read as a whole, the answers begin again in an empty file."""
    file = io.BytesIO()
    written = file_scoring._Written(Path(name), file)
    rows = parts.Whole(readers.read(b"x\n1\n", "rows.csv"))
    written.begin(rows)(pa.RecordBatch.from_pydict({"x": list(range(200_000))}))
    written.begin(rows)(pa.RecordBatch.from_pydict({"x": [1, 2]}))
    written.end()
    content = file.getvalue()

    if name.endswith(".parquet"):
        assert pa.parquet.read_table(io.BytesIO(content)).to_pydict() == {"x": [1, 2]}
    else:
        text = gzip.decompress(content) if name.endswith(".gz") else content
        assert text == (b'{"x": 1}\n{"x": 2}\n' if name.endswith(".jsonl") else b"x\n1\n2\n")
