"""Who reads whom in an architecture: what can not be."""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from gan2hls.models.layer_types import LAYER_TYPES


class Wired(Protocol):
    """A layer as far as it matters here; `inputs` are those that it names itself."""

    @property
    def name(self) -> str: ...

    @property
    def type(self) -> str: ...

    @property
    def inputs(self) -> tuple[str, ...]: ...


def wiring_problems(
    layers: Sequence[tuple[Wired, tuple[str, ...]]], inputs: Sequence[str], outputs: Sequence[str]
) -> Iterator[str]:
    """Yield what is wrong with who reads whom: unknown names, cycles, results that nobody uses, numbers of inputs.

    Args:
        layers: each layer in order, and all that it reads.
        inputs: names of the network's inputs.
        outputs: names of the layers whose results leave; none: the last one's.
    """
    names = [layer.name for layer, _ in layers]
    wiring = layers if len(set(names)) == len(names) else []
    yield from (f"{name}: an input and a layer have this name" for name in inputs if name in names)
    if len(inputs) > 1 and layers and not layers[0][0].inputs:
        yield f"{names[0]}: there are several inputs; say which it reads: inputs = {json.dumps([*inputs][:1])}"
    reads = {layer.name: read for layer, read in wiring}
    known = set(inputs)
    for layer, read in wiring:
        where = f"{layer.name} ({layer.type})"
        for name in read:
            if name not in names and name not in inputs:
                close = difflib.get_close_matches(name, [*inputs, *names], 1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                yield f"{where}: inputs has {name!r}, which is no layer and no input{hint}"
            elif name not in known:
                cycle = layer.name in _ancestors(name, reads)
                yield f"{where}: reads {name!r}, which " + (
                    "itself needs its result: a cycle" if cycle else "stands behind it in the list; put it before"
                )
        least, most = LAYER_TYPES[layer.type].arity
        if len(read) < least or (most is not None and len(read) > most):
            wanted = f"{least} inputs or more" if most is None else f"{least} input{'s' * (least > 1)}"
            yield f"{where}: takes {wanted}, got {len(read)} ({', '.join(read)})"
        known.add(layer.name)
    used = {name for read in reads.values() for name in read}
    leaving = outputs or tuple(names[-1:])
    yield from (f"outputs has {name!r}, which is no layer" for name in leaving if name not in names)
    if reads:
        yield from (
            f"{name}: nobody uses its result; name it in outputs, or leave it out"
            for name in names
            if name not in used and name not in leaving
        )
        yield from (f"input {name!r}: no layer reads it" for name in inputs if name not in used)


def _ancestors(name: str, reads: Mapping[str, Sequence[str]]) -> set[str]:
    """The name itself and all that it is computed from."""
    found, left = set(), [name]
    while left:
        one = left.pop()
        if one not in found:
            found.add(one)
            left += reads.get(one, ())
    return found
