"""What people see: the page, `/docs`, and the files that both need. No build, no script from elsewhere."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import PurePath
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.exceptions import HTTPException

from api import bodies, openapi
from api.champion import Loaded
from api.problems import json_answer
from api.serving import Served
from steps.data import kinds, options
from steps.judging import margins, metrics
from steps.search.plan import DEFAULTS, LEARNERS, PROMOTE_MODES
from steps.settings import Settings

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
LOOK = "look.css"  # the report's
TEXTS = "en.json"  # all that the pages say; another language is another file of the same keys
PLACE = re.compile(r"\{(\w+)\}")
MEDIA = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
ORDER = ("predictions", "training", "models", "mlflow", "server")
router = APIRouter(include_in_schema=False)


@dataclass
class Pages:
    """Templates and static files, read once; the documentation of each champion, made once."""

    templates: Environment
    static: dict[str, bytes]
    texts: dict[str, str]
    mlflow_url: str
    documents: dict[tuple[str, str] | None, dict[str, Any]] = field(default_factory=dict)

    def document(self, app: FastAPI, loaded: Loaded | None) -> dict[str, Any]:
        """The OpenAPI document for the model that answers now."""
        key = (loaded.version, loaded.run_id) if loaded else None
        if key not in self.documents:
            self.documents = {key: openapi.document(app, loaded)}  # only the current one is kept
        return self.documents[key]

    def text(self, key: str, **values: Any) -> str:
        """What the pages say at a place, with values in the places of their {names}; `dom.js` does the same."""
        return PLACE.sub(lambda place: str(values[place[1]]), self.texts[key])


def read(settings: Settings) -> Pages:
    """Read templates, static files and texts from the packages."""
    own = {
        file.name: file.read_bytes()
        for file in (files("api") / "static").iterdir()
        if PurePath(file.name).suffix in MEDIA
    }
    look = (files("steps.judging") / "templates" / LOOK).read_bytes()
    templates = Environment(loader=PackageLoader("api"), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    texts = json.loads((files("api") / "texts" / TEXTS).read_text(encoding="utf-8"))
    address = str(settings.mlflow_url or "").rstrip("/")
    pages = Pages(templates, {**own, LOOK: look}, texts, address)
    templates.globals |= {"t": pages.text, "texts": texts, "mlflow_url": address, "kinds": kinds.OFFERED}
    return pages


@router.get("/")
async def page(request: Request) -> Response:
    """The page: it asks the other routes for everything, and for the key where one is needed."""
    return _html(
        request,
        "index.html",
        metrics=metrics.HIGHER_IS_BETTER,
        learners=LEARNERS,
        defaults=vars(DEFAULTS),
        policies=options.POLICIES,
        promote_modes=PROMOTE_MODES,
        default_margin=margins.DEFAULT_MARGIN,
    )


@router.get("/docs")
async def docs(request: Request, serving: Served) -> Response:
    """The routes, their parameters, and a command for each."""
    loaded = serving.champion.current
    document = request.app.state.pages.document(request.app, loaded)
    operations = [
        {"path": path, "method": method.upper(), "curl": _curl(request, path, method, operation), **operation}
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    operations.sort(key=lambda operation: ORDER.index(operation["tags"][0]))
    return _html(request, "docs.html", document=document, operations=operations, model=loaded and loaded.facts)


@router.get("/openapi.json")
async def described(request: Request, serving: Served) -> Response:
    """The OpenAPI document."""
    return json_answer(request.app.state.pages.document(request.app, serving.champion.current))


@router.get("/static/{name}")
async def static(request: Request, name: str) -> Response:
    """A file of the page."""
    content = request.app.state.pages.static.get(name)
    if content is None:
        raise HTTPException(404)
    return Response(content, media_type=MEDIA[PurePath(name).suffix], headers={"Cache-Control": "no-cache"})


def _html(request: Request, name: str, **values: Any) -> Response:
    """A page from a template."""
    text = request.app.state.pages.templates.get_template(name).render(**values)
    headers = {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"}
    return Response(text.encode("utf-8", "replace"), media_type="text/html; charset=utf-8", headers=headers)


def _curl(request: Request, path: str, method: str, operation: dict[str, Any]) -> str:
    """A command that calls a route."""
    url = f"{str(request.base_url).rstrip('/')}{path}"
    words = ["curl", *(["-X", "POST"] if method == "post" and "requestBody" not in operation else [])]
    if request.app.state.has_key:
        words.append('-H "Authorization: Bearer $CRISOL_API_KEY"')
    content = operation.get("requestBody", {}).get("content", {})
    if "multipart/form-data" in content:
        words += ["-F train=@train.csv", "-F test=@test.csv", "-F target=label"]
    elif bodies.JSON in content:
        example = json.dumps(content[bodies.JSON].get("example", {}), ensure_ascii=False)
        words += ["-H 'Content-Type: application/json'", "-d", shlex.quote(example)]
    return " ".join([*words, shlex.quote(url) if "{" in url else url])
