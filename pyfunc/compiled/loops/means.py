"""What the members of a bag say of one row, on average."""

from __future__ import annotations

import math

from pyfunc.boosters import DOUBT, MOST_MARGIN
from pyfunc.compiled.loops.inner import inner


@inner
def add(said, trees, mean):
    """The mean (n_classes,) of the probabilities of members (n_members, n_outputs); see `pyfunc.compiled.room`."""
    members, outputs = said.shape
    classes = len(mean)
    for at in range(classes):
        mean[at] = 0.0
    for member in range(members):
        if trees > 0:
            for output in range(outputs):
                mean[classes - outputs + output] += (said[member, output] + DOUBT / classes) / (trees + DOUBT) / members
            if outputs < classes:
                mean[0] += (trees - said[member, 0] + DOUBT / classes) / (trees + DOUBT) / members
        elif outputs == 1:
            within = min(max(said[member, 0], -MOST_MARGIN), MOST_MARGIN)
            second = 1 / (1 + math.exp(-within))
            mean[0] += (1 - second) / members
            mean[1] += second / members
        else:
            largest, total = said[member, 0], 0.0
            for output in range(1, outputs):
                largest = max(largest, said[member, output])
            for output in range(outputs):
                total += math.exp(said[member, output] - largest)
            for output in range(outputs):
                mean[output] += math.exp(said[member, output] - largest) / total / members
