"""Pages that need nothing else: one frame, one look, and every text escaped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"
LOOK = TEMPLATES / "look.css"  # of every page, and of the plots


def render(name: str, /, *folders: Path, **values: Any) -> str:
    """A page from a template, which fills the blocks of `_page.html`.

    Args:
        name: of the template.
        folders: where it is looked for, before the templates beside this module.
        values: what it shows; text is escaped.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([*folders, TEMPLATES]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    look = Markup(LOOK.read_text(encoding="utf-8"))  # noqa: S704 (our own file)
    return environment.get_template(name).render(look=look, **values)
