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
GROUPS = 4  # vectors that are under way
TOGETHER = WIDTH * GROUPS
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
def _compared(stands, last, first, bounds, packed, cells, rows):
    """One step of lanes that compare cells with bounds."""
    at = _node(stands, last, first)
    held = take(packed, at)
    right = take(cells, rows + (held & spread(LOW))) > take(bounds, at)
    return _below(stands, last, held, right)


@njit
def _asked(stands, last, first, compared, packed, places):
    """One step of lanes that compare places with bounds, or look for them in a set."""
    at = _node(stands, last, first)
    held, against = take(packed, at), take(compared, at)
    place = take(places, held & spread(LOW))
    one = spread(ONE)
    is_in = (against >> (place & spread(IN_WORD))) & one
    is_set = ((held >> spread(FIELD)) & one) > spread(ZERO)
    right = where(is_set, one > is_in, place > against)
    return _below(stands, last, held, right)


@njit
def _is_inside(stands, last):
    """Whether a lane is not on a leaf yet."""
    return some(last + spread(ONE) > stands)


def walk(cells, rows, bounds, packed, starts, last, depths, order, leaves, values, out):
    """Add the leaves that rows fall into to the outputs (n_outputs, n_rows): `TOGETHER` rows down one tree."""
    found, n_rows, n_outputs = np.empty(TOGETHER, U), U(out.shape[1]), U(out.shape[0])
    for number in range(U(len(order))):
        first, end, tree = spread(starts[number]), spread(last[number]), order[number]
        sums, begin = out[tree % n_outputs], ZERO
        while begin < n_rows:
            row0, row1 = load(rows, begin), load(rows, begin + AT1)
            row2, row3 = load(rows, begin + AT2), load(rows, begin + AT3)
            on0 = on1 = on2 = on3 = spread(ZERO)
            for _ in range(depths[number]):
                on0 = _compared(on0, end, first, bounds, packed, cells, row0)
                on1 = _compared(on1, end, first, bounds, packed, cells, row1)
                on2 = _compared(on2, end, first, bounds, packed, cells, row2)
                on3 = _compared(on3, end, first, bounds, packed, cells, row3)
                if not (_is_inside(on0, end) or _is_inside(on1, end) or _is_inside(on2, end) or _is_inside(on3, end)):
                    break
            store(found, ZERO, on0)
            store(found, AT1, on1)
            store(found, AT2, on2)
            store(found, AT3, on3)
            for lane in range(U(TOGETHER)):
                sums[begin + lane] += values[leaves[tree] + found[lane]]
            begin += U(TOGETHER)


def walk_alone(cells, bounds, packed, starts, last, depths, order, leaves, values, out):
    """The same for one row and the outputs (n_outputs,): the row down `TOGETHER` trees."""
    found, n_trees, n_outputs, group = np.empty(TOGETHER, U), U(len(order)), U(len(out)), ZERO
    while group < n_trees:
        first0, first1 = load(starts, group), load(starts, group + AT1)
        first2, first3 = load(starts, group + AT2), load(starts, group + AT3)
        end0, end1, end2, end3 = (
            load(last, group), load(last, group + AT1), load(last, group + AT2), load(last, group + AT3),
        )  # fmt: skip
        row = on0 = on1 = on2 = on3 = spread(ZERO)
        for _ in range(depths[min(group + U(TOGETHER), n_trees) - ONE]):
            on0 = _compared(on0, end0, first0, bounds, packed, cells, row)
            on1 = _compared(on1, end1, first1, bounds, packed, cells, row)
            on2 = _compared(on2, end2, first2, bounds, packed, cells, row)
            on3 = _compared(on3, end3, first3, bounds, packed, cells, row)
            if not (_is_inside(on0, end0) or _is_inside(on1, end1) or _is_inside(on2, end2) or _is_inside(on3, end3)):
                break
        store(found, ZERO, on0)
        store(found, AT1, on1)
        store(found, AT2, on2)
        store(found, AT3, on3)
        for lane in range(min(U(TOGETHER), n_trees - group)):
            tree = order[group + lane]
            out[tree % n_outputs] += values[leaves[tree] + found[lane]]
        group += U(TOGETHER)


def descend(  # one call for a row: each costs more than a tree
    row, features, kinds, bounds, bound_starts, words, word_starts, compared, packed, starts, last, depths, order,
    leaves, values, level_trees, level_asked, level_bits, level_starts, level_depths, level_leaves, level_values, out,
):  # fmt: skip
    """The same for trees that ask for the places of cells (`pyfunc.compiled.places`)."""
    places = np.zeros(len(features) + 1, U)
    _find(row, features, kinds, bounds, bound_starts, words, word_starts, places)
    found = np.empty(len(order) + len(level_trees))
    _down(places, compared, packed, starts, last, depths, order, leaves, values, found)
    _down_levels(
        places, level_asked, level_bits, level_starts, level_depths, level_trees, level_leaves, level_values, found
    )
    for tree in range(len(found)):
        out[tree % out.shape[0]] += found[tree]


@njit
def _find(row, features, kinds, bounds, bound_starts, words, word_starts, places):
    """The places (n_columns,) of a row's cells."""
    for at in range(len(features)):
        cell, kind = row[features[at]], kinds[at]
        low, high = bound_starts[at], bound_starts[at + 1]
        if kind == CODE:
            places[at] = U(cell) if cell >= 0 and cell < MOST_CODES else IN_WORD
        elif kind == SET:
            first, is_in = word_starts[at], False
            if cell >= 0 and cell < (word_starts[at + 1] - first) * WORD:
                is_in = (words[first + np.int64(cell) // WORD] >> (np.int64(cell) % WORD)) & 1 == 1
            places[at] = ZERO if is_in else ONE
        elif np.isnan(cell) and kind != AS_ZERO:
            places[at] = ZERO if kind == GAPS_LEFT else U(high - low)
        else:
            looked_for, begin = 0.0 if np.isnan(cell) else cell, low
            while low < high:
                middle = (low + high) // 2
                if bounds[middle] < looked_for:
                    low = middle + 1
                else:
                    high = middle
            places[at] = U(low - begin)


@njit
def _down(places, compared, packed, starts, last, depths, order, leaves, values, found):
    """The values of the leaves that a row falls into, by tree; the row down `TOGETHER` trees."""
    node, n_trees, group = np.empty(TOGETHER, U), U(len(order)), ZERO
    while group < n_trees:
        first0, first1 = load(starts, group), load(starts, group + AT1)
        first2, first3 = load(starts, group + AT2), load(starts, group + AT3)
        end0, end1, end2, end3 = (
            load(last, group), load(last, group + AT1), load(last, group + AT2), load(last, group + AT3),
        )  # fmt: skip
        on0 = on1 = on2 = on3 = spread(ZERO)
        for _ in range(depths[min(group + U(TOGETHER), n_trees) - ONE]):
            on0 = _asked(on0, end0, first0, compared, packed, places)
            on1 = _asked(on1, end1, first1, compared, packed, places)
            on2 = _asked(on2, end2, first2, compared, packed, places)
            on3 = _asked(on3, end3, first3, compared, packed, places)
            if not (_is_inside(on0, end0) or _is_inside(on1, end1) or _is_inside(on2, end2) or _is_inside(on3, end3)):
                break
        store(node, ZERO, on0)
        store(node, AT1, on1)
        store(node, AT2, on2)
        store(node, AT3, on3)
        for lane in range(min(U(TOGETHER), n_trees - group)):
            tree = order[group + lane]
            found[tree] = values[leaves[tree] + node[lane]]
        group += U(TOGETHER)


@njit
def _level(number, level, first, depth, asked, bits, places):
    """One level of trees whose nodes of a level ask the same: the answer is the next bit of the leaf's number."""
    is_inside = depth > level
    at = first + where(is_inside, level, spread(ZERO))
    held, against = take(asked, at), take(bits, at)
    place = take(places, held & spread(LOW))
    one = spread(ONE)
    is_in = (against >> (place & spread(IN_WORD))) & one
    is_set = ((held >> spread(FIELD)) & one) > spread(ZERO)
    yes = where(is_set, one > is_in, place > (held >> spread(LEFT)))
    return where(is_inside, number + number + where(yes, one, spread(ZERO)), number)


@njit
def _down_levels(places, asked, bits, starts, depths, trees, leaves, values, found):
    """The same for trees of `pyfunc.compiled.places.Levels`."""
    node, n_trees, group = np.empty(TOGETHER, U), U(len(trees)), ZERO
    while group < n_trees:
        first0, first1 = load(starts, group), load(starts, group + AT1)
        first2, first3 = load(starts, group + AT2), load(starts, group + AT3)
        depth0, depth1, depth2, depth3 = (
            load(depths, group), load(depths, group + AT1), load(depths, group + AT2), load(depths, group + AT3),
        )  # fmt: skip
        on0 = on1 = on2 = on3 = spread(ZERO)
        deepest = ZERO
        for lane in range(U(TOGETHER)):
            deepest = max(deepest, depths[group + lane])
        for at in range(deepest):
            level = spread(at)
            on0 = _level(on0, level, first0, depth0, asked, bits, places)
            on1 = _level(on1, level, first1, depth1, asked, bits, places)
            on2 = _level(on2, level, first2, depth2, asked, bits, places)
            on3 = _level(on3, level, first3, depth3, asked, bits, places)
        store(node, ZERO, on0)
        store(node, AT1, on1)
        store(node, AT2, on2)
        store(node, AT3, on3)
        for lane in range(min(U(TOGETHER), n_trees - group)):
            found[trees[group + lane]] = values[leaves[group + lane] + node[lane]]
        group += U(TOGETHER)
