"""Eight values at a time, for which Numba has no type.

`Lanes` are LLVM's vectors, held in a register, with the few operations that a step down a tree takes. Where a processor
can gather (AVX2, AVX-512), one instruction fetches what eight lanes ask for; elsewhere LLVM makes eight of it.
"""

from __future__ import annotations

import operator

from llvmlite import ir
from numba.core import cgutils, errors, types
from numba.core.datamodel import PrimitiveModel
from numba.extending import intrinsic, overload, register_model

from pyfunc.compiled.signatures import WIDTH

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
