"""What the reader notices stands among the checks."""

from __future__ import annotations

import pytest

from pyfunc.schema import Notice
from steps.data import noticed
from steps.data.readers import Table, read


def table(*notices: Notice) -> Table:
    """A table on whose reading something was noticed."""
    plain = read(b"a,b\n1,2\n", "x.csv")
    return Table(plain.frame, plain.format, list(notices))


@pytest.mark.parametrize("code", noticed.CODES)
def test_a_notice_is_a_check_of_its_file(code):
    """It says where, and warns only where there is something to do about it."""
    (check,) = noticed.reading_checks(table(), table(Notice(code, "It is odd.", ("a",))))

    assert (check.code, check.where, check.columns) == (code, "test file", ("a",))
    assert check.what == "In the test file: It is odd."
    assert (check.level == "warning") == bool(check.fix) == (code in noticed.FIX)


def test_nothing_noticed_is_no_check():
    """Two plain files add nothing."""
    assert noticed.reading_checks(table(), table()) == []
