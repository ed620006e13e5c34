"""How a user wants two files to be read. The options are part of a dataset's identity."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import get_args

from pyfunc.errors import Problem, TrainingRefusedError
from pyfunc.schema import UnseenCategory
from steps.data import accepting, kinds
from steps.data.kinds import Asked
from steps.data.lists import entries, joined

TEXTS = ("ignore", "kinds", "unseen_category", "accept")  # the parameters, as `main`, `ingest`, /upload and /train take
POLICIES: tuple[UnseenCategory, ...] = get_args(UnseenCategory)
DEFAULT_POLICY = POLICIES[0]


@dataclass(frozen=True)
class Options:
    """What to leave out, what columns are, what a new category means, and which refusals a user takes upon himself."""

    ignore: tuple[str, ...] = ()
    kinds: Mapping[str, Asked] = field(default_factory=dict)
    unseen_category: UnseenCategory = DEFAULT_POLICY
    accept: tuple[str, ...] = ()

    def texts(self) -> dict[str, str]:
        """The parameters that give these options again; the same options give the same texts."""
        return {
            "ignore": joined(sorted(set(self.ignore))),
            "kinds": kinds.text_of(self.kinds),
            "unseen_category": self.unseen_category,
            "accept": ",".join(sorted(set(self.accept))),
        }

    def without(self, name: str) -> Options:
        """The options without what they say of one column: that of the target."""
        kept = {column: asked for column, asked in self.kinds.items() if column != name}
        names = tuple(column for column in self.ignore if column != name)
        return Options(names, kept, self.unseen_category, self.accept)


def options_of(given: Mapping[str, str]) -> Options:
    """Options from parameters as users write them; an empty or absent one is the default.

    Raises:
        TrainingRefusedError: all that is wrong with them at once.
    """
    problems = problems_with(given)
    if problems:
        raise TrainingRefusedError(*problems)
    policy = given.get("unseen_category", "").strip()
    return Options(
        entries(given.get("ignore", "")),
        kinds.kinds_in(given.get("kinds", "")),
        next((known for known in POLICIES if known == policy), DEFAULT_POLICY),
        accepting.codes_in(given.get("accept", "")),
    )


def problems_with(given: Mapping[str, str]) -> list[Problem]:
    """Everything that is wrong with the parameters, as far as it shows without the files."""
    problems = kinds.problems_with(given.get("kinds", ""))
    policy = given.get("unseen_category", "").strip()
    if policy and policy not in POLICIES:
        what = "The policy for unseen categories is not known."
        problems.append(
            Problem("unseen_category_invalid", what, "unseen_category", f"Choose one of {', '.join(POLICIES)}.")
        )
    return [*problems, *accepting.problems_with(accepting.codes_in(given.get("accept", "")))]


def list_text(name: str, parts: Collection[str]) -> str:
    """One parameter's text from the items of a list."""
    return joined(parts) if name in ("ignore", "kinds", "sensitive") else ",".join(parts)
