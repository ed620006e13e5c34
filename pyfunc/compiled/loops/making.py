"""Make the machine code of a loop with Numba: `python -m pyfunc.compiled.loops.making descend`.

What comes out is an object file that needs nothing of Numba, neither its types nor its memory: a function that finds
the addresses and shapes of its arrays in one block of numbers. So those who answer (`machine`) never import Numba.
"""

from __future__ import annotations

import base64
import json
import sys

import llvmlite.binding as llvm
from numba import cfunc, from_dtype, types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array
from numpy import dtype

from pyfunc.compiled.loops import cells, lanes, questions
from pyfunc.compiled.loops.inner import OPTIONS, inner
from pyfunc.compiled.signatures import SIGNATURES

LOOPS = {
    "descend": lanes.descend,
    "find": cells.find,
    "sum_up": questions.sum_up,
    "sum_up_levels": questions.sum_up_levels,
    "walk": lanes.walk,
    "walk_alone": lanes.walk_alone,
}
FROM_C = {"exp", "memcpy", "memmove", "memset"}  # what such code may call: it is linked with the C library alone


class ForeignCodeError(Exception):
    """A loop that calls Python or Numba: it allocates, or raises."""


def made(name: str) -> bytes:
    """The object file of a loop, whose function has its name.

    Raises:
        ForeignCodeError: it needs more than the C library.
    """
    loop, taken = inner(LOOPS[name]), _taken(name)

    def entry(block):
        loop(*taken(block))

    compiled = cfunc(types.void(types.CPointer(types.int64)), **OPTIONS)(entry)
    module = llvm.parse_assembly(compiled.inspect_llvm())
    module.get_function(compiled.native_name).name = name
    called = {each.name for each in module.functions if each.is_declaration and not each.name.startswith("llvm.")}
    if not called <= FROM_C:
        raise ForeignCodeError(f"{name} calls {', '.join(sorted(called - FROM_C))}")
    target = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=3,
        codemodel="jitdefault", jit=True,
    )  # fmt: skip
    return target.emit_object(module)


def _taken(name: str):
    """What finds a loop's arguments in a block."""
    listed = [(from_dtype(dtype(of)), axes) for of, axes in SIGNATURES[name]]
    kinds = [types.Array(of, axes, "C") if axes else of for of, axes in listed]

    @intrinsic
    def taken(_typing, block):
        def found(context, builder, signature, given):
            at, parts = 0, []
            for kind in signature.return_type:
                axes = getattr(kind, "ndim", 0)
                numbers = [
                    builder.load(cgutils.gep(builder, given[0], at + each), typ=cgutils.intp_t)
                    for each in range(1 + axes)
                ]
                at += 1 + axes
                parts.append(_array(context, builder, kind, *numbers) if axes else numbers[0])
            return context.make_tuple(builder, signature.return_type, parts)

        return types.BaseTuple.from_types(kinds)(block), found

    return taken


def _array(context, builder, kind, address, *shape):
    """An array without gaps at an address."""
    array = make_array(kind)(context, builder)
    size = context.get_abi_sizeof(context.get_data_type(kind.dtype))
    strides, step = [], context.get_constant(types.intp, size)
    for length in reversed(shape):
        strides.insert(0, step)
        step = builder.mul(step, length)
    populate_array(
        array,
        data=builder.inttoptr(address, array.data.type),
        shape=cgutils.pack_array(builder, shape),
        strides=cgutils.pack_array(builder, strides),
        itemsize=context.get_constant(types.intp, size),
        meminfo=None,
    )
    return array._getvalue()  # noqa: SLF001 (as Numba's own arrays are made)


if __name__ == "__main__":
    print(json.dumps({name: base64.b64encode(made(name)).decode() for name in sys.argv[1:]}))  # noqa: T201 (its answer)
