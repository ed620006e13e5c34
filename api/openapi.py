"""The OpenAPI document: the routes, typed by the champion's schema, so it changes when the champion does."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api import bodies, jobs
from api.champion import Loaded
from api.problems import MEDIA_TYPE
from api.training import MAX_TEXT
from pyfunc.cells import Kind
from pyfunc.scalars import BOOLEAN_TEXT, LARGEST_NUMBER
from pyfunc.schema import Column, InputSchema
from steps.data.json_table import RECORDS
from steps.data.kinds import EXAMPLE, OFFERED
from steps.data.options import POLICIES
from steps.scoring import MOST_EXPLAINED
from steps.search.plan import DEFAULTS

SHOWN_CATEGORIES = 20
YEAR = "(1[7-9]|2[01])"  # its first half: float64 and nanoseconds reach no further
MONTHS = "(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8])"
DAY = f"({YEAR}[0-9]{{2}}-({MONTHS})|(2000|{YEAR}(0[48]|[2468][048]|[13579][26]))-02-29)"
LOCAL_TIME = f"^{DAY}(T([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\\.[0-9]{{1,9}})?)?)?$"  # ISO 8601 without a zone
NUMBER_TEXT = r"^-?[0-9]{1,15}(\.[0-9]{1,15})?$"
TYPES = {  # what a cell may be in JSON; text that means the same is read the same
    Kind.NUMBER: ["number", "string", "null"],
    Kind.BOOLEAN: ["boolean", "string", "number", "null"],
    Kind.CATEGORY: ["string", "number", "boolean", "null"],
    Kind.DATETIME: ["string", "null"],
}
UNSEEN = {"missing": "count as missing", "warn": "are known as unknown", "reject": "are refused"}
PROBLEM = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "problems": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {key: {"type": "string"} for key in ("code", "what", "where", "fix")},
            },
        },
    },
}
PLAIN = r"^[^\x00-\x1f\x7f]*$"  # text that can be an argument of a process
TEXT = {"type": "string", "pattern": PLAIN, "maxLength": MAX_TEXT}
TEXT_OR_NUMBER = {**TEXT, "type": ["string", "number"]}
READING = {
    "ignore": {**TEXT, "description": "Columns to leave out, separated by commas."},
    "kinds": {
        **TEXT,
        "description": f"Kinds of columns, in place of those found: {EXAMPLE}. One of {', '.join(OFFERED)}.",
    },
    "unseen_category": {"enum": list(POLICIES), "description": "What a category becomes that training has not seen."},
    "accept": {**TEXT, "description": "Codes of refused checks to go on with, separated by commas."},
}
UPLOAD = {
    "type": "object",
    "required": ["train", "test"],
    "properties": {
        "train": {"type": "string", "format": "binary", "description": "Training file."},
        "test": {"type": "string", "format": "binary", "description": "Test file with the same columns."},
        "target": {"type": "string", "description": "Column to predict; may be chosen later."},
        **READING,
        "experiment": {"type": "string", "description": "MLflow experiment of the dataset's run."},
    },
}
KEEP = "Columns of the request that stand in front of the answers, separated by commas; * for all."
EXPLAIN = (
    "So many columns that contribute most to the probability of each prediction. The base and all contributions add up"
    " to it."
)
TRAIN = {
    "type": "object",
    "required": ["dataset_id"],
    "additionalProperties": False,
    "properties": {
        "dataset_id": {"type": "string", "pattern": "^[0-9a-f]{32}$", "description": "As /upload has answered."},
        "target": {**TEXT, "description": "Column to predict; the dataset's own when absent."},
        "experiment": TEXT,
        **READING,
        "sensitive": {**TEXT, "description": "Columns whose groups are compared, separated by commas."},
        "promote": {"enum": ["auto", "never", "always"], "default": "auto"},
        "margin": {**TEXT_OR_NUMBER, "default": "0", "description": "How much worse than the champion it may be."},
        **{name: {**TEXT_OR_NUMBER, "default": value} for name, value in vars(DEFAULTS).items()},
    },
}


TEXTUAL = {  # routes that answer no JSON, the last two as MLflow does
    "/metrics": "text/plain",
    "/jobs/{job_id}/log": "text/plain",
    "/jobs/{job_id}/report": "text/html",
    "/ping": bodies.JSON,
    "/version": bodies.JSON,
}


def document(app: FastAPI, loaded: Loaded | None) -> dict[str, Any]:
    """The document for the routes of an app and the model that answers now (None: no model yet)."""
    made = get_openapi(title="Crisol", version=_project_version(), routes=app.routes, summary=_summary(loaded))
    components = made.setdefault("components", {}).setdefault("schemas", {})
    components.clear()  # of FastAPI's own errors, which are never sent
    components |= {"Problem": PROBLEM, "Upload": UPLOAD, "Train": TRAIN}
    row: dict[str, Any] = {"type": "object"}
    if loaded is not None:
        components |= {"Row": row_schema(loaded.scorer.schema), "Prediction": prediction_schema(loaded.scorer.schema)}
        row = {"$ref": "#/components/schemas/Row"}
    for path, operations in made["paths"].items():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            if path in TEXTUAL:
                operation["responses"]["200"]["content"] = {TEXTUAL[path]: {}}
            if path == "/invocations":
                content: dict[str, Any] = {bodies.JSON: {}, "text/plain": {}}
                operation["responses"]["default"] = {"description": "As MLflow refuses.", "content": content}
            else:
                problem = {"schema": {"$ref": "#/components/schemas/Problem"}}
                operation["responses"]["default"] = {"description": "Refused.", "content": {MEDIA_TYPE: problem}}
    _type_bodies(made["paths"], row, loaded)
    return made


def row_schema(schema: InputSchema) -> dict[str, Any]:
    """One row for the model, as JSON Schema."""
    return {
        "type": "object",
        "required": schema.names,
        "properties": {column.name: _cell(column, UNSEEN[schema.unseen_category]) for column in schema.columns},
    }


def prediction_schema(schema: InputSchema) -> dict[str, Any]:
    """The answer for one row, as JSON Schema."""
    names = ["probability", *(f"probability_{label}" for label in schema.target.classes)]
    share = {"type": "number", "minimum": 0, "maximum": 1}
    label = {"enum": schema.target.labels().tolist(), "description": f"Predicted '{schema.target.name}'."}
    return {"type": "object", "properties": {"prediction": label, **dict.fromkeys(names, share)}}


def examples(loaded: Loaded) -> list[dict[str, Any]]:
    """Rows that the model answers: its input example, or a made-up row."""
    frame = loaded.example if loaded.example is not None else loaded.scorer.schema.example()
    rows: list[dict[str, Any]] = json.loads(frame.head(2).to_json(orient="records", date_format="iso"))
    return rows


def _cell(column: Column, unseen: str) -> dict[str, Any]:
    """One column's cells; `unseen` says what becomes of categories that are not the training file's."""
    said: list[str] = []
    spelling = column.spelling
    cell: dict[str, Any] = {"type": TYPES.get(column.kind, TYPES[Kind.CATEGORY])}
    if column.kind is Kind.NUMBER:
        cell |= {"minimum": -LARGEST_NUMBER, "maximum": LARGEST_NUMBER}
        if not spelling.has_number_style:
            cell["pattern"] = NUMBER_TEXT  # of text that is sent in the place of a number
    if column.kind is Kind.BOOLEAN:
        words = [*BOOLEAN_TEXT, *spelling.words]
        cell |= {"pattern": f"^({'|'.join(map(re.escape, words))})$", "minimum": 0, "maximum": 1, "multipleOf": 1}
    if column.kind is Kind.DATETIME and not spelling.format:
        cell |= {"pattern": LOCAL_TIME} if spelling.timezone is None else {"format": "date-time"}
    if spelling.format:
        said.append(f"Written {spelling.format} or in ISO 8601.")
    if spelling.has_number_style:
        said.append(column.reason)
    if spelling.words:
        cell["examples"] = list(spelling.words)
        said.append(f"{spelling.words[1]} or {spelling.words[0]}; true or false; 1 or 0. Others {unseen}.")
    if column.categories:
        cell["examples"] = list(column.categories[:SHOWN_CATEGORIES])
        said.append(f"{len(column.categories)} categories in training; others {unseen}.")
    if column.minimum is not None:
        said.append(f"In training from {column.minimum} to {column.maximum}.")
    said.append(
        f"Missing in {column.missing:.1%} of the training rows." if column.missing else "Never missing in training."
    )
    return {**cell, "description": " ".join(said)}


def _type_bodies(paths: dict[str, Any], row: dict[str, Any], loaded: Loaded | None) -> None:
    """What the routes with a body take, and what the predictions look like."""
    rows: dict[str, Any] = {"type": "array", "items": row, "minItems": 1}
    example = {"example": examples(loaded)} if loaded is not None else {}
    forms = {"anyOf": [row, rows, {"type": "object", "required": [RECORDS], "properties": {RECORDS: rows}}]}
    binary = {"schema": {"type": "string", "format": "binary"}}
    tables = {bodies.CSV: {"schema": {"type": "string", "minLength": 1}}, bodies.PARQUET: binary}
    predict = paths["/predict"]["post"]
    predict["requestBody"] = {"required": True, "content": {bodies.JSON: {"schema": forms, **example}, **tables}}
    predict["parameters"] = [
        {"name": "threshold", "in": "query", "schema": {"type": "number", "minimum": 0, "maximum": 1}},
        {"name": "version", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 999_999_999}},
        {"name": "keep", "in": "query", "schema": {"type": "string"}, "description": KEEP},
        {
            "name": "explain",
            "in": "query",
            "description": EXPLAIN,
            "schema": {"type": "integer", "minimum": 1, "maximum": MOST_EXPLAINED},
        },
    ]
    if loaded is not None:
        answered = {
            "type": "object",
            "properties": {
                "request_id": {"type": "string"},
                "model": {"type": "object"},
                "predictions": {"type": "array", "items": {"$ref": "#/components/schemas/Prediction"}},
                "warnings": {"type": "array", "items": {"type": "object"}},
            },
        }
        predict["responses"]["200"]["content"] = {bodies.JSON: {"schema": answered}, **tables}
    records = {"type": "object", "required": [RECORDS], "properties": {RECORDS: rows}}
    mlflow_example = {"example": {RECORDS: examples(loaded)}} if loaded is not None else {}
    _body(paths["/invocations"]["post"], bodies.JSON, records, mlflow_example)
    _body(paths["/upload"]["post"], "multipart/form-data", {"$ref": "#/components/schemas/Upload"}, {})
    asked = {"example": {"dataset_id": "0" * 32, "target": "label", "budget_s": 60}}
    _body(paths["/train"]["post"], bodies.JSON, {"$ref": "#/components/schemas/Train"}, asked)


def _body(operation: dict[str, Any], media_type: str, schema: dict[str, Any], example: dict[str, Any]) -> None:
    """The body of one operation."""
    operation["requestBody"] = {"required": True, "content": {media_type: {"schema": schema, **example}}}


def _summary(loaded: Loaded | None) -> str:
    """What answers now."""
    if loaded is None:
        return "No champion yet: the rows for /predict are typed as soon as there is one."
    return f"Version {loaded.version} of {loaded.name} predicts '{loaded.scorer.schema.target.name}'."


def _project_version() -> str:
    """The project's version, from where it stands."""
    return str(tomllib.loads((jobs.PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])
