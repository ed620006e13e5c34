"""Down trees eight lanes at a time, a lane being a row or a tree.

A processor guesses where a branch goes and is wrong at every other node of a tree, which costs more than the node.
Here nothing branches: a leaf leads to itself, and all lanes take as many steps as the longest way. Four groups of lanes
are under way at once, so that there is work while they wait for memory.
"""

from __future__ import annotations

import numpy as np

from pyfunc.compiled.loops.cells import ONE, ZERO, U, of_code, of_number
from pyfunc.compiled.loops.inner import inner
from pyfunc.compiled.loops.means import add
from pyfunc.compiled.loops.vectors import load, some, spread, store, take, where
from pyfunc.compiled.places import CODE, SET
from pyfunc.compiled.signatures import TOGETHER, WIDTH

FIELD, LEFT, RIGHT = U(16), U(32), U(48)  # where the fields of a node begin
LOW = U(2**16 - 1)
AT1, AT2, AT3 = U(WIDTH), U(2 * WIDTH), U(3 * WIDTH)


@inner
def _node(stands, last, first):
    """Places of the nodes that lanes stand on; of leaves, of some node."""
    return first + where(stands > last, last, stands)


@inner
def _below(stands, last, held, right):
    """Where lanes stand after the step that `right` is the answer for."""
    way = (held >> where(right, spread(RIGHT), spread(LEFT))) & spread(LOW)
    return where(stands > last, stands, way)


@inner
def _compared(stands, last, first, row, given):
    """One step of lanes that compare cells with bounds."""
    cells, bounds, packed = given
    at = _node(stands, last, first)
    held = take(packed, at)
    return _below(stands, last, held, take(cells, row + (held & spread(LOW))) > take(bounds, at))


@inner
def _is_greater_place(asks, places):
    """Whether the places that lanes ask for are greater than their bounds."""
    return take(places, asks & spread(LOW)) > ((asks >> spread(FIELD)) & spread(LOW))


@inner
def _asked(stands, last, first, _row, given):
    """One step of lanes that ask for places."""
    nodes, places = given
    held = take(nodes, _node(stands, last, first))
    return _below(stands, last, held, _is_greater_place(held, places))


@inner
def _level(numbers, asks, places):
    """One level of trees whose nodes of a level ask the same: the answer is the next bit of the leaf's number."""
    return numbers + numbers + where(_is_greater_place(asks, places), spread(ONE), spread(ZERO))


@inner
def _group(array, begin):
    """`TOGETHER` of an array, as four vectors."""
    return load(array, begin), load(array, begin + AT1), load(array, begin + AT2), load(array, begin + AT3)


@inner
def _same(vector):
    """A group of the same vector."""
    return vector, vector, vector, vector


@inner
def _put(array, group):
    """A group at the beginning of an array."""
    store(array, ZERO, group[0])
    store(array, AT1, group[1])
    store(array, AT2, group[2])
    store(array, AT3, group[3])


@inner
def _are_inside(on, last):
    """Whether a lane of a group is not on a leaf yet."""
    one = spread(ONE)
    return (
        some(last[0] + one > on[0])
        or some(last[1] + one > on[1])
        or some(last[2] + one > on[2])
        or some(last[3] + one > on[3])
    )


def _down_by(step):
    """A loop of some kind of steps; a function among the arguments could not be kept as machine code."""

    @inner
    def down(depth, last, first, rows, given):
        """Where a group comes to in as many steps at most: behind the numbers of a tree's nodes come its leaves'."""
        on = _same(spread(ZERO))
        for _ in range(depth):
            on = (
                step(on[0], last[0], first[0], rows[0], given),
                step(on[1], last[1], first[1], rows[1], given),
                step(on[2], last[2], first[2], rows[2], given),
                step(on[3], last[3], first[3], rows[3], given),
            )
            if not _are_inside(on, last):
                break
        return on

    return down


_down_by_cells, _down_by_places = _down_by(_compared), _down_by(_asked)


def walk(packed, starts, last, depths, order, leaves, bounds, values, cells, rows, found, out):
    """Add the leaves that rows fall into to the outputs (n_outputs, n_rows): `TOGETHER` rows down one tree.

    `found` is room for as many places.
    """
    n_rows, n_outputs, given = U(out.shape[1]), U(out.shape[0]), (cells, bounds, packed)
    for number in range(U(len(order))):
        first, end, tree = _same(spread(starts[number])), _same(spread(last[number])), order[number]
        sums, begin = out[tree % n_outputs], ZERO
        while begin < n_rows:
            _put(found, _down_by_cells(depths[number], end, first, _group(rows, begin), given))
            for lane in range(U(TOGETHER)):
                sums[begin + lane] += values[leaves[tree] + found[lane]]
            begin += U(TOGETHER)


def walk_alone(
    packed, starts, last, depths, order, leaves, bounds, values, features, gaps,
    row, cells, found, out, said, trees, mean,
):  # fmt: skip
    """The same for one row (n_features,) and the outputs (n_outputs,): the row down `TOGETHER` trees.

    `cells` is room for as many columns as trees ask for. `said` is `out` once more, by member (n_members, n_outputs),
    for the mean of their probabilities (n_classes,).
    """
    for at in range(len(out)):
        out[at] = 0.0
    for at in range(len(features)):
        cell = row[features[at]]
        cells[at] = gaps[at] if np.isnan(cell) else cell
    n_trees, n_outputs, begin, given = U(len(order)), U(len(out)), ZERO, (cells, bounds, packed)
    alone = _same(spread(ZERO))
    while begin < n_trees:
        deepest = depths[min(begin + U(TOGETHER), n_trees) - ONE]
        _put(found, _down_by_cells(deepest, _group(last, begin), _group(starts, begin), alone, given))
        for lane in range(min(U(TOGETHER), n_trees - begin)):
            tree = order[begin + lane]
            out[tree % n_outputs] += values[leaves[tree] + found[lane]]
        begin += U(TOGETHER)
    add(said, trees, mean)


def descend(
    features, kinds, firsts, bound_starts, word_starts, words, set_starts, bounds, sets,
    order, nodes, starts, last, depths, leaves, values,
    level_order, asked, level_depths, level_leaves, level_values,
    row, places, found, on, out, said, trees, mean,
):  # fmt: skip
    """The same for trees that ask for the places of cells (`pyfunc.compiled.places`).

    Trees stand in the order in which they are gone down, so that memory is read from one end to the other, and are
    added up in their own. `places`, `found` and `on` are room: for what nodes ask, for each tree's leaf, and for
    `TOGETHER` lanes.
    """
    _places(row, features, kinds, firsts, bound_starts, word_starts, words, set_starts, bounds, sets, places)
    _leaves(nodes, places, order, starts, last, depths, leaves, values, on, found)
    _leaves_of_levels(asked, places, level_order, level_depths, level_leaves, level_values, on, found)
    for at in range(len(out)):
        out[at] = 0.0
    for tree in range(len(found)):
        out[tree % out.shape[0]] += found[tree]
    add(said, trees, mean)


@inner
def _places(row, features, kinds, order, bound_starts, word_starts, words, set_starts, bounds, sets, places):
    """The places of a row's cells, as `pyfunc.compiled.descent` orders them; for codes, whether they are in no set."""
    places[0] = ZERO
    for at in range(len(features)):
        cell, kind, place = row[features[at]], kinds[at], U(order[at])
        if kind == CODE:
            code = of_code(cell, kind, words)
            for each in range(set_starts[at], set_starts[at + 1]):
                places[place] = ((sets[each] >> code) & ONE) ^ ONE
                place += ONE
        elif kind == SET:
            places[place] = of_code(cell, kind, words[word_starts[at] : word_starts[at + 1]])
        else:
            places[place] = of_number(cell, kind, bounds, bound_starts[at], bound_starts[at + 1])


@inner
def _leaves(nodes, places, order, starts, last, depths, leaves, values, on, found):
    """The values of the leaves that a row falls into, by tree; the row down `TOGETHER` trees."""
    n_trees, begin, row = U(len(order)), ZERO, _same(spread(ZERO))
    given = nodes, places
    while begin < n_trees:
        deepest = depths[min(begin + U(TOGETHER), n_trees) - ONE]
        _put(on, _down_by_places(deepest, _group(last, begin), _group(starts, begin), row, given))
        for lane in range(min(U(TOGETHER), n_trees - begin)):
            found[order[begin + lane]] = values[leaves[begin + lane] + on[lane]]
        begin += U(TOGETHER)


@inner
def _leaves_of_levels(asked, places, order, depths, leaves, values, on, found):
    """The same for trees of levels (`pyfunc.compiled.places`); what they ask is read through from its beginning."""
    n_trees, begin, at = U(len(order)), ZERO, ZERO
    for group in range(len(depths)):
        numbers = _same(spread(ZERO))
        for _ in range(depths[group]):
            asks = _group(asked, at)
            numbers = (
                _level(numbers[0], asks[0], places),
                _level(numbers[1], asks[1], places),
                _level(numbers[2], asks[2], places),
                _level(numbers[3], asks[3], places),
            )
            at += U(TOGETHER)
        _put(on, numbers)
        for lane in range(min(U(TOGETHER), n_trees - begin)):
            found[order[begin + lane]] = values[leaves[begin + lane] + on[lane]]
        begin += U(TOGETHER)
