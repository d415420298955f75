"""Arguments of public functions, compared with their annotations: a wrong type is one sentence at the door.

Numbers of NumPy are taken as Python's, lists of numbers as arrays, strings as paths; True and False are no numbers.
"""

import functools
import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
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
