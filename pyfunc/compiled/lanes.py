"""Loops that go down trees eight lanes at a time, a lane being a row or a tree; imported where Numba is (`machine`).

A processor guesses where a branch goes and is wrong at every other node of a tree, which costs more than the node.
Here nothing branches: a leaf leads to itself, and all lanes take as many steps as the longest way. Where a processor
can gather (AVX2, AVX-512), one instruction fetches what eight lanes ask for; elsewhere LLVM makes eight of it. Four
groups of lanes are under way at once, so that there is work while they wait for memory.

Numba knows no vectors. `Lanes` are LLVM's, held in a register, with the few operations that a step takes. The loops
stand in this file because Numba keeps machine code as long as the file of its loop has not changed.
"""

from __future__ import annotations

import operator

import numpy as np
from llvmlite import ir
from numba import njit
from numba.core import cgutils, errors, types
from numba.core.datamodel import PrimitiveModel
from numba.extending import intrinsic, overload, register_model

from pyfunc.compiled.lightgbm_text import WORD
from pyfunc.compiled.places import CODE, MOST_CODES, SET
from pyfunc.compiled.places import LEFT as GAPS_LEFT
from pyfunc.compiled.places import ZERO as AS_ZERO

WIDTH = 8  # lanes of a vector
TOGETHER = 4 * WIDTH  # lanes that are under way: a group of four vectors
U = np.uint64  # Numba mends negative places in arrays, at a cost; these have none
ZERO, ONE, FIELD, LEFT, RIGHT = U(0), U(1), U(16), U(32), U(48)  # where the fields of a node begin
LOW, IN_WORD = U(2**16 - 1), U(MOST_CODES)
AT1, AT2, AT3 = U(WIDTH), U(2 * WIDTH), U(3 * WIDTH)
_INDEX = ir.IntType(32)
_WORD = ir.IntType(64)
_VECTORS = {
    kind: ir.VectorType(held, WIDTH)
    for kind, held in ((types.uint64, _WORD), (types.float64, ir.DoubleType()), (types.boolean, ir.IntType(1)))
}


class Lanes(types.Type):
    """Eight values of a kind: uint64, float64, or boolean."""

    def __init__(self, kind) -> None:
        self.kind = kind
        super().__init__(name=f"Lanes({kind})")


@register_model(Lanes)
class _Held(PrimitiveModel):
    """How LLVM has them."""

    def __init__(self, manager, of) -> None:
        super().__init__(manager, of, _VECTORS[of.kind])


WORDS, FLOATS, MASK = Lanes(types.uint64), Lanes(types.float64), Lanes(types.boolean)


@intrinsic
def spread(_typing, number):
    """The same uint64 in every lane."""
    return WORDS(types.uint64), lambda _context, builder, _signature, given: _spread(builder, given[0])


@intrinsic
def where(_typing, mask, yes, no):
    """Lane by lane the one or the other."""
    return yes(mask, yes, no), lambda _context, builder, _signature, given: builder.select(*given)


@intrinsic
def some(_typing, mask):
    """Whether any lane is true."""

    def made(_context, builder, _signature, given):
        held = builder.bitcast(given[0], ir.IntType(WIDTH))
        return builder.icmp_unsigned("!=", held, ir.Constant(held.type, 0))

    return types.boolean(mask), made


@intrinsic
def load(_typing, array, begin):
    """`array[begin : begin + 8]` of an array (n,) of uint64."""

    def made(context, builder, signature, given):
        loaded = builder.load(_at(context, builder, signature, given), typ=_VECTORS[types.uint64])
        loaded.align = 8
        return loaded

    return WORDS(_in_a_row(array), types.uint64), made


@intrinsic
def store(_typing, array, begin, lanes):
    """`array[begin : begin + 8] = lanes`."""

    def made(context, builder, signature, given):
        builder.store(given[2], _at(context, builder, signature, given)).align = 8
        return context.get_dummy_value()

    return types.none(_in_a_row(array), types.uint64, lanes), made


@intrinsic
def take(_typing, array, places):
    """`array[places]` of an array (n,) of uint64 or float64."""
    vector = _VECTORS[_in_a_row(array, types.float64).dtype]

    def made(context, builder, signature, given):
        every = ir.Constant(_VECTORS[types.boolean], [1] * WIDTH)
        pointers = ir.VectorType(ir.PointerType(), WIDTH)
        kind = "i64" if array.dtype == types.uint64 else "f64"
        gather = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(vector, [pointers, every.type, vector]),
            f"llvm.masked.gather.v{WIDTH}{kind}.v{WIDTH}p0",
        )
        offsets = builder.shl(given[1], ir.Constant(given[1].type, [3] * WIDTH))  # of 8 bytes each
        addresses = builder.add(_spread(builder, _begin(context, builder, signature, given)), offsets)
        return builder.call(gather, [builder.inttoptr(addresses, pointers), every, ir.Constant(vector, ir.Undefined)])

    return Lanes(array.dtype)(array, places), made


def _let(sign, made_by, result=None):
    """Let lanes have an operator."""

    @intrinsic
    def of_both(_typing, one, other):
        made = lambda _context, builder, _signature, given: made_by(builder, one, *given)  # noqa: E731
        return (result or one)(one, other), made

    @overload(sign)
    def typed(one, other):
        if isinstance(one, Lanes) and isinstance(other, Lanes):
            return lambda one, other: of_both(one, other)
        return None


def _is_greater(builder, kind, one, other):
    """False where one of two floats is NaN."""
    return builder.fcmp_ordered(">", one, other) if kind == FLOATS else builder.icmp_unsigned(">", one, other)


_let(operator.add, lambda builder, _kind, one, other: builder.add(one, other))
_let(operator.and_, lambda builder, _kind, one, other: builder.and_(one, other))
_let(operator.rshift, lambda builder, _kind, one, other: builder.lshr(one, other))
_let(operator.gt, _is_greater, MASK)


def _in_a_row(array, *kinds):
    """The type of an array (n,) of uint64, or of other 64 bits, without gaps: addresses are reckoned here."""
    if array.ndim != 1 or array.layout != "C" or array.dtype not in (types.uint64, *kinds):
        raise errors.TypingError(f"lanes cannot be had from {array}")
    return array


def _spread(builder, number):
    """A word in every lane."""
    none = ir.Constant(_VECTORS[types.uint64], ir.Undefined)
    first = builder.insert_element(none, number, ir.Constant(_INDEX, 0))
    return builder.shuffle_vector(first, none, ir.Constant(ir.VectorType(_INDEX, WIDTH), [0] * WIDTH))


def _begin(context, builder, signature, given):
    """The address of an array, which is the first argument."""
    return builder.ptrtoint(context.make_array(signature.args[0])(context, builder, given[0]).data, _WORD)


def _at(context, builder, signature, given):
    """A pointer into it, by the place that is the second argument."""
    offset = builder.shl(given[1], ir.Constant(_WORD, 3))
    return builder.inttoptr(builder.add(_begin(context, builder, signature, given), offset), ir.PointerType())


@njit
def _node(stands, last, first):
    """Places of the nodes that lanes stand on; of leaves, of some node."""
    return first + where(stands > last, last, stands)


@njit
def _below(stands, last, held, right):
    """Where lanes stand after the step that `right` is the answer for."""
    way = (held >> where(right, spread(RIGHT), spread(LEFT))) & spread(LOW)
    return where(stands > last, stands, way)


@njit
def _compared(stands, last, first, row, given):
    """One step of lanes that compare cells with bounds."""
    cells, bounds, packed = given
    at = _node(stands, last, first)
    held = take(packed, at)
    return _below(stands, last, held, take(cells, row + (held & spread(LOW))) > take(bounds, at))


@njit
def _is_greater_place(asks, places):
    """Whether the places that lanes ask for are greater than their bounds."""
    return take(places, asks & spread(LOW)) > ((asks >> spread(FIELD)) & spread(LOW))


@njit
def _asked(stands, last, first, _row, given):
    """One step of lanes that ask for places."""
    nodes, places = given
    held = take(nodes, _node(stands, last, first))
    return _below(stands, last, held, _is_greater_place(held, places))


@njit
def _level(numbers, asks, places):
    """One level of trees whose nodes of a level ask the same: the answer is the next bit of the leaf's number."""
    return numbers + numbers + where(_is_greater_place(asks, places), spread(ONE), spread(ZERO))


@njit
def _group(array, begin):
    """`TOGETHER` of an array, as four vectors."""
    return load(array, begin), load(array, begin + AT1), load(array, begin + AT2), load(array, begin + AT3)


@njit
def _same(vector):
    """A group of the same vector."""
    return vector, vector, vector, vector


@njit
def _put(array, group):
    """A group at the beginning of an array."""
    store(array, ZERO, group[0])
    store(array, AT1, group[1])
    store(array, AT2, group[2])
    store(array, AT3, group[3])


@njit
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

    @njit
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


@njit
def _part(held, ends, number):
    """One of the arrays that were joined (`pyfunc.compiled.joined`)."""
    return held[ends[number, 0] : ends[number, 1]]


def walk(cells, rows, ends, words, numbers, out):
    """Add the leaves that rows fall into to the outputs (n_outputs, n_rows): `TOGETHER` rows down one tree."""
    packed, starts, last = _part(words, ends, 0), _part(words, ends, 1), _part(words, ends, 2)
    depths, order, leaves = _part(words, ends, 3), _part(words, ends, 4), _part(words, ends, 5)
    given, values = (cells, _part(numbers, ends, 6), packed), _part(numbers, ends, 7)
    found, n_rows, n_outputs = np.empty(TOGETHER, U), U(out.shape[1]), U(out.shape[0])
    for number in range(U(len(order))):
        first, end, tree = _same(spread(starts[number])), _same(spread(last[number])), order[number]
        sums, begin = out[tree % n_outputs], ZERO
        while begin < n_rows:
            _put(found, _down_by_cells(depths[number], end, first, _group(rows, begin), given))
            for lane in range(U(TOGETHER)):
                sums[begin + lane] += values[leaves[tree] + found[lane]]
            begin += U(TOGETHER)


def walk_alone(row, ends, words, numbers, out):
    """The same for one row (n_features,) and the outputs (n_outputs,): the row down `TOGETHER` trees."""
    features, gaps = _part(words, ends, 8), _part(numbers, ends, 9)
    cells = np.zeros(len(features) + 1)
    for at in range(len(features)):
        cell = row[features[at]]
        cells[at] = gaps[at] if np.isnan(cell) else cell
    packed, starts, last = _part(words, ends, 0), _part(words, ends, 1), _part(words, ends, 2)
    depths, order, leaves = _part(words, ends, 3), _part(words, ends, 4), _part(words, ends, 5)
    given, values = (cells, _part(numbers, ends, 6), packed), _part(numbers, ends, 7)
    found, n_trees, n_outputs, begin = np.empty(TOGETHER, U), U(len(order)), U(len(out)), ZERO
    alone = _same(spread(ZERO))
    while begin < n_trees:
        deepest = depths[min(begin + U(TOGETHER), n_trees) - ONE]
        _put(found, _down_by_cells(deepest, _group(last, begin), _group(starts, begin), alone, given))
        for lane in range(min(U(TOGETHER), n_trees - begin)):
            tree = order[begin + lane]
            out[tree % n_outputs] += values[leaves[tree] + found[lane]]
        begin += U(TOGETHER)


def descend(row, ends, ints, words, numbers, out):
    """The same for trees that ask for the places of cells (`pyfunc.compiled.places`).

    Trees stand in the order in which they are gone down, so that memory is read from one end to the other, and are
    added up in their own.
    """
    places = _places(
        row, _part(ints, ends, 0), _part(ints, ends, 1), _part(ints, ends, 2), _part(ints, ends, 3),
        _part(ints, ends, 4), _part(ints, ends, 5), _part(ints, ends, 6), _part(numbers, ends, 7),
        _part(words, ends, 8),
    )  # fmt: skip
    order, nodes, starts = _part(words, ends, 9), _part(words, ends, 10), _part(words, ends, 11)
    last, depths, leaves = _part(words, ends, 12), _part(words, ends, 13), _part(words, ends, 14)
    values, level_order, asked = _part(numbers, ends, 15), _part(words, ends, 16), _part(words, ends, 17)
    level_depths, level_leaves = _part(words, ends, 18), _part(words, ends, 19)
    level_values = _part(numbers, ends, 20)
    found = np.empty(len(order) + len(level_order))
    _leaves(nodes, places, order, starts, last, depths, leaves, values, found)
    _leaves_of_levels(asked, places, level_order, level_depths, level_leaves, level_values, found)
    for tree in range(len(found)):
        out[tree % out.shape[0]] += found[tree]


def find(matrix, features, kinds, bounds, bound_starts, words, word_starts, out):
    """The places (n_columns, n_rows) of a matrix (n_rows, n_features)."""
    for at in range(len(features)):
        kind, feature = kinds[at], features[at]
        if kind in (CODE, SET):
            listed = words[word_starts[at] : word_starts[at + 1]]
            for row in range(len(matrix)):
                out[at, row] = _of_code(matrix[row, feature], kind, listed)
        else:
            for row in range(len(matrix)):
                out[at, row] = _of_number(matrix[row, feature], kind, bounds, bound_starts[at], bound_starts[at + 1])


@njit
def _of_code(cell, kind, words):
    """A code, or whether it is outside a set."""
    if kind == CODE:
        return U(cell) if cell >= 0 and cell < MOST_CODES else IN_WORD
    is_in = False
    if cell >= 0 and cell < len(words) * WORD:
        is_in = (words[np.int64(cell) // WORD] >> (np.int64(cell) % WORD)) & 1 == 1
    return ZERO if is_in else ONE


@njit
def _of_number(cell, kind, bounds, first, end):
    """How many bounds are less, or what a gap is. Halves are chosen without a branch: which one cannot be guessed."""
    if np.isnan(cell):
        if kind != AS_ZERO:
            return ZERO if kind == GAPS_LEFT else U(end - first)
        cell = 0.0
    begin, left = first, end - first
    while left > 1:
        half = left >> 1
        begin += half if bounds[begin + half - 1] < cell else 0
        left -= half
    return U(begin - first + (1 if left > 0 and bounds[begin] < cell else 0))


@njit
def _places(row, features, kinds, order, bound_starts, word_starts, words, set_starts, bounds, sets):
    """The places of a row's cells, as `pyfunc.compiled.descent` orders them; for codes, whether they are in no set."""
    places = np.zeros(len(features) + len(sets) + 1, U)
    for at in range(len(features)):
        cell, kind, place = row[features[at]], kinds[at], U(order[at])
        if kind == CODE:
            code = _of_code(cell, kind, words)
            for each in range(set_starts[at], set_starts[at + 1]):
                places[place] = ((sets[each] >> code) & ONE) ^ ONE
                place += ONE
        elif kind == SET:
            places[place] = _of_code(cell, kind, words[word_starts[at] : word_starts[at + 1]])
        else:
            places[place] = _of_number(cell, kind, bounds, bound_starts[at], bound_starts[at + 1])
    return places


@njit
def _leaves(nodes, places, order, starts, last, depths, leaves, values, found):
    """The values of the leaves that a row falls into, by tree; the row down `TOGETHER` trees."""
    node, n_trees, begin, row = np.empty(TOGETHER, U), U(len(order)), ZERO, _same(spread(ZERO))
    given = nodes, places
    while begin < n_trees:
        deepest = depths[min(begin + U(TOGETHER), n_trees) - ONE]
        _put(node, _down_by_places(deepest, _group(last, begin), _group(starts, begin), row, given))
        for lane in range(min(U(TOGETHER), n_trees - begin)):
            found[order[begin + lane]] = values[leaves[begin + lane] + node[lane]]
        begin += U(TOGETHER)


@njit
def _leaves_of_levels(asked, places, order, depths, leaves, values, found):
    """The same for trees of levels (`pyfunc.compiled.places`); what they ask is read through from its beginning."""
    number, n_trees, begin, at = np.empty(TOGETHER, U), U(len(order)), ZERO, ZERO
    for group in range(len(depths)):
        on = _same(spread(ZERO))
        for _ in range(depths[group]):
            asks = _group(asked, at)
            on = (
                _level(on[0], asks[0], places),
                _level(on[1], asks[1], places),
                _level(on[2], asks[2], places),
                _level(on[3], asks[3], places),
            )
            at += U(TOGETHER)
        _put(number, on)
        for lane in range(min(U(TOGETHER), n_trees - begin)):
            found[order[begin + lane]] = values[leaves[begin + lane] + number[lane]]
        begin += U(TOGETHER)
