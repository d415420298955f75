"""Arguments of public functions, compared with their annotations: a wrong type is one sentence at the door.

Numbers of NumPy are taken as Python's, lists of numbers as arrays, strings as paths; True and False are no numbers.
"""

import functools
import inspect
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, ParamSpec, TypeVar

import numpy as np

from gan2hls.config import convert
from gan2hls.errors import UserError, raise_problems, shown
from gan2hls.files import check_path

P = ParamSpec("P")
R = TypeVar("R")

_SCALARS = (bool, int, float, str)


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """A function whose arguments are what their annotations say, or else one `UserError` names all that are not."""
    signature = inspect.signature(function)
    name = function.__qualname__

    @functools.wraps(function)
    def call(*arguments: P.args, **keywords: P.kwargs) -> R:
        bound = signature.bind(*arguments, **keywords)  # a TypeError, as of any function
        hints = _hints(function)
        problems: list[str] = []
        for parameter, value in bound.arguments.items():
            if parameter in hints and signature.parameters[parameter].kind is not inspect.Parameter.VAR_KEYWORD:
                bound.arguments[parameter] = _accepted(hints[parameter], value, f"{name}: {parameter}", problems)
        raise_problems(problems)
        return function(*bound.args, **bound.kwargs)

    return call


@functools.cache
def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    return typing.get_type_hints(function)


def _accepted(kind: Any, value: Any, where: str, problems: list[str]) -> Any:
    """The value as the annotation wants it; what can not be is a problem more."""
    choices = typing.get_args(kind) if typing.get_origin(kind) in (typing.Union, UnionType) else (kind,)
    if Any in choices or any(_is_instance(choice, value) for choice in choices):
        return value
    if value is None and type(None) in choices:
        return None
    try:
        if np.ndarray in choices:
            return real_array(value)
        if Path in choices and isinstance(value, str | Path):
            return check_path(value)
    except UserError as error:
        problems.append(f"{where}: {error}")
        return None
    for choice in choices:
        if choice in _SCALARS:
            attempt: list[str] = []
            made = convert(choice, value, where, attempt)
            if not attempt:
                return made
            if len([one for one in choices if one is not type(None)]) == 1:
                problems += attempt
                return None
    problems.append(f"{where}: expected {_words(choices)}, got {_brief(value)}")
    return None


def _is_instance(choice: Any, value: Any) -> bool:
    """Whether the value is of a class as it stands; paths, numbers and arrays are looked at more closely."""
    origin = typing.get_origin(choice) or choice
    if origin in (*_SCALARS, Path, np.ndarray, type(None)):
        return False
    if origin is Callable:
        return callable(value)
    if origin is Sequence:
        return isinstance(value, Sequence) and not isinstance(value, str | bytes)
    return isinstance(origin, type) and isinstance(value, origin)


def real_array(value: Any) -> np.ndarray:
    """An array of real numbers or integers, from whatever NumPy takes as one.

    Raises:
        UserError: objects, texts, complex numbers, lists of different lengths.
    """
    try:
        if hasattr(value, "detach"):  # a tensor, also one that is still being trained or lies elsewhere
            value = value.detach().cpu()
            if str(value.dtype) == "torch.bfloat16":  # which NumPy has not
                value = value.float()
        array = np.asarray(value)
    except Exception as error:  # objects of foreign classes may raise anything
        raise UserError(f"the input is no array of real numbers: {str(error).split('. ')[0]}") from None
    if array.dtype.kind not in "iufb":
        raise UserError(f"the input must be real numbers or integers, not {array.dtype}")
    return array


Arrays = np.ndarray | Mapping[str, np.ndarray]
"""An array for each of several inputs or outputs, by name; of the only one, the array alone."""


def by_name(values: Any, names: Iterable[str], taker: str = "the model") -> dict[str, Any]:
    """Values by name, in the order of `names`: a mapping with exactly these, or the only one's value alone.

    Args:
        values: an array or tensor for each.
        names: of the inputs or outputs.
        taker: who takes them, for messages.

    Raises:
        UserError: names that there are not, or that are missing, all at once; one value for several.
    """
    known = list(names)
    accepted = ", ".join(known)
    if not isinstance(values, Mapping):
        if len(known) != 1:
            raise UserError(f"{taker} takes {len(known)} inputs; give a mapping with an array for each of {accepted}")
        return {known[0]: values}
    problems = [f"unknown input {name!r} (accepted: {accepted})" for name in values if name not in known]
    problems += [f"input {name!r} is missing (accepted: {accepted})" for name in known if name not in values]
    raise_problems(problems, f"{taker} does not take these inputs:")
    return {name: values[name] for name in known}


def named_arrays(names: Iterable[str], x: Arrays, taker: str) -> dict[str, np.ndarray]:
    """`by_name` of arrays of real numbers.

    Raises:
        UserError: as `by_name`, and of what is no such array.
    """
    return {name: real_array(values) for name, values in by_name(x, names, taker).items()}


def plain_arrays(arrays: Mapping[str, np.ndarray]) -> Any:
    """The array alone where there is one, else all by name."""
    return next(iter(arrays.values())) if len(arrays) == 1 else dict(arrays)


def side_by_side(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """(n, elements): of each frame, the elements of all arrays (n, ...) in turn."""
    return np.concatenate(
        [values.reshape(len(values), int(np.prod(values.shape[1:]))) for values in arrays.values()], axis=1
    )


def taken_apart(values: np.ndarray, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """What `side_by_side` put together from arrays (n, *shape)."""
    sizes = [int(np.prod(shape)) for shape in shapes.values()]
    parts = np.split(values, np.cumsum(sizes)[:-1], axis=1)
    return {name: part.reshape(len(values), *shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}


_WORDS = {
    bool: "true or false",
    int: "an integer",
    float: "a number",
    str: "a string",
    Path: "a path",
    np.ndarray: "an array",
    Mapping: "a mapping",
    Sequence: "a sequence",
}


def _words(choices: Sequence[Any]) -> str:
    named = [typing.get_origin(choice) or choice for choice in choices if choice is not type(None)]
    words = [_WORDS.get(one) or getattr(one, "__name__", str(one)) for one in named]
    return " or ".join(dict.fromkeys(words))


def _brief(value: Any) -> str:
    text = shown(value)
    return text if len(text) <= 80 else f"a {type(value).__name__}"
