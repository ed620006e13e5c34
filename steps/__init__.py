"""The verbs of Crisol: ingest, train, evaluate, promote, score, serve; each a function and a thin command."""

import sys

if sys.argv[:1] == ["-m"]:  # `python -m steps.…`: before anything is imported that may not be there yet
    from steps.environment import wait_until_complete

    wait_until_complete()
