"""How users say how their files are to be read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyfunc.cells import Kind
from pyfunc.errors import TrainingRefusedError
from steps.data import kinds
from steps.data.kinds import OFFERED, Asked
from steps.data.options import TEXTS, Options, options_of, problems_with

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).map(str.strip).filter(bool)
ASKED = st.one_of(
    st.sampled_from(OFFERED).map(Asked),
    st.sampled_from(["%d/%m/%Y", "%b %d, %Y", "%d.%m.%Y %H:%M"]).map(lambda text: Asked(Kind.DATETIME, text)),
)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ()),
        ("a", ("a",)),
        (" a , b,a,", ("a", "b")),
        ('a,"b, c"', ("a", "b, c")),
        ('"a ""b"""', ('a "b"',)),
        (",,", ()),
    ],
)
def test_names_to_ignore(text, names):
    """Names are separated by commas; quotes keep a comma inside a name."""
    assert options_of({"ignore": text}).ignore == names


def test_kinds_are_read():
    """A kind for each column; names may hold commas and colons, formats too."""
    text = 'zip:category, age:number,"a, b:text",ns:x:boolean,"when:datetime:%b %d, %Y %H:%M"'

    assert kinds.kinds_in(text) == {
        "zip": Asked(Kind.CATEGORY),
        "age": Asked(Kind.NUMBER),
        "a, b": Asked(Kind.TEXT),
        "ns:x": Asked(Kind.BOOLEAN),
        "when": Asked(Kind.DATETIME, "%b %d, %Y %H:%M"),
    }
    assert kinds.problems_with(text) == []


@pytest.mark.parametrize(
    "text",
    ["zip", "zip:", ":number", "zip:numeric", "zip:constant", "zip:number:%d", "a:number,a:text",
     "when:datetime:%d/%m", "when:datetime:%Q/%m/%Y", "when:datetime:%d/%d/%m/%Y"],
)  # fmt: skip
def test_kinds_that_cannot_be_followed(text):
    """What is no column with a kind is refused, never guessed."""
    assert [problem.code for problem in kinds.problems_with(text)] == ["kinds_invalid"]


def test_everything_wrong_is_said_at_once():
    """One refusal names every parameter that cannot be followed, and where."""
    given_texts = {"kinds": "zip:numeric", "unseen_category": "drop", "accept": "leek"}
    with pytest.raises(TrainingRefusedError) as caught:
        options_of(given_texts)

    assert [(problem.code, problem.where) for problem in caught.value.problems] == [
        ("kinds_invalid", "kinds"),
        ("unseen_category_invalid", "unseen_category"),
        ("accept_unknown", "accept"),
    ]
    assert problems_with(dict.fromkeys(TEXTS, "")) == []


@given(st.lists(NAMES, max_size=4), st.dictionaries(NAMES, ASKED, max_size=4), st.sampled_from(["missing", "reject"]))
def test_options_survive_being_written(ignore, wanted, policy):
    """Options written as parameters and read again are the same, whatever the columns are called."""
    texts = Options(tuple(ignore), wanted, policy, ("drift",)).texts()
    again = options_of(texts)

    assert again.texts() == texts
    assert (set(again.ignore), again.kinds, again.unseen_category) == (set(ignore), wanted, policy)


def test_options_of_the_target_are_dropped():
    """What is said of a column does not hold for it as the target."""
    options = Options(("a", "b"), {"a": Asked(Kind.TEXT), "c": Asked(Kind.NUMBER)})

    assert options.without("a") == Options(("b",), {"c": Asked(Kind.NUMBER)})
