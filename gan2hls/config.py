"""Configuration: frozen dataclasses read from TOML; an unknown key or a wrong type is an error that names it."""

import dataclasses
import difflib
import math
import numbers
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from gan2hls.errors import UserError, raise_problems, shown
from gan2hls.files import MOST_NESTED, parse

T = TypeVar("T")


def read_toml(path: Path | str) -> dict[str, Any]:
    """Read a TOML file of plain values; what `files.read_json` refuses is a `UserError` that names it here too."""
    values: dict[str, Any] = parse(path, "TOML", _parse_toml)
    return values


def _parse_toml(text: str) -> dict[str, Any]:
    # The parser's time grows with the square of a key's parts.
    if _LONG_KEY.search(text):
        raise ValueError(f"a key of more than {MOST_NESTED} parts")
    return tomllib.loads(text)


_LONG_KEY = re.compile(rf"(?<![\w-])(?:[\w-]++[ \t]*+\.[ \t]*+){{{MOST_NESTED}}}")


def from_mapping(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    """Make the dataclass `cls` from a mapping, nested dataclasses and `dict[str, Dataclass]` included.

    All problems are collected and raised once. A dataclass checks the values themselves in `__post_init__`
    (by `raise_problems`).

    Args:
        cls: a frozen dataclass; fields without default are required.
        values: as read from TOML.
        where: the file's name and section, put before each message.

    Raises:
        UserError: unknown or missing keys, or values of the wrong type.
    """
    problems: list[str] = []
    result = convert(cls, values, where, problems)
    raise_problems(problems)
    return typing.cast(T, result)


def convert(kind: Any, value: Any, where: str, problems: list[str]) -> Any:
    """The value as a type annotation wants it; what is wrong with it is added to the problems, with `where` before."""
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _convert_dataclass(kind, value, where, problems)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _convert_union(arguments, value, where, problems)
    if origin is typing.Literal:
        # True == 1 and 1.0 == 1, but neither is accepted for the other.
        if not any(value == choice and type(value) is type(choice) for choice in arguments):
            problems.append(f"{where}: {shown(value)} is not accepted; use one of {', '.join(map(repr, arguments))}")
        return value
    if origin in (dict, Mapping) or kind is dict:
        if not isinstance(value, Mapping):
            problems.append(f"{where}: expected a table, got {shown(value)}")
            return {}
        inner = arguments[1] if arguments else Any
        problems += [f"{where}: {shown(key)} is no name; use text" for key in value if not isinstance(key, str)]
        return {key: convert(inner, item, f"{where}.{key}", problems) for key, item in value.items()}
    if origin in (tuple, list):
        return _convert_sequence(origin, arguments, value, where, problems)
    if kind is Any:
        return value
    return _convert_scalar(kind, value, where, problems)


def _convert_union(choices: tuple[Any, ...], value: Any, where: str, problems: list[str]) -> Any:
    if value is None and type(None) in choices:
        return None
    failed: list[list[str]] = []
    for choice in choices:
        if choice is not type(None):
            attempt: list[str] = []
            result = convert(choice, value, where, attempt)
            if not attempt:
                return result
            failed.append(attempt)
    expected = f"{where}: expected "
    if len(failed) > 1 and all(len(attempt) == 1 and attempt[0].startswith(expected) for attempt in failed):
        wanted = [attempt[0].removeprefix(expected).removesuffix(f", got {shown(value)}") for attempt in failed]
        problems.append(f"{expected}{' or '.join(wanted)}, got {shown(value)}")
    else:
        problems.extend(failed[-1])
    return None


def _convert_sequence(
    origin: type, arguments: tuple[Any, ...], value: Any, where: str, problems: list[str]
) -> list[Any] | tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        problems.append(f"{where}: expected a list, got {shown(value)}")
        return ()
    if origin is list or arguments[-1] is Ellipsis:
        kinds = [arguments[0]] * len(value)
    else:
        kinds = list(arguments)
    if len(value) != len(kinds):
        problems.append(f"{where}: expected {len(kinds)} values, got {len(value)}")
        return ()
    pairs = enumerate(zip(kinds, value, strict=True))
    made = [convert(kind, item, f"{where}[{i}]", problems) for i, (kind, item) in pairs]
    return made if origin is list else tuple(made)


def _convert_scalar(kind: type, value: Any, where: str, problems: list[str]) -> Any:
    """The value as Python's own type; NumPy's numbers count as what they are, and True counts as no number."""
    if kind is int and not isinstance(value, bool) and isinstance(value, numbers.Integral):
        whole = int(value)
        if not -(1 << 63) <= whole < 1 << 63:
            problems.append(f"{where}: expected an integer of at most 64 bits, got one of {whole.bit_length()}")
        return whole
    if kind is float and not isinstance(value, bool) and isinstance(value, numbers.Real):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            problems.append(f"{where}: expected a finite number, got {shown(value)}")
        return number
    if kind is Path and isinstance(value, str | Path):
        return Path(value)
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        names = {int: "an integer", float: "a number", str: "a string", bool: "true or false", Path: "a path"}
        problems.append(f"{where}: expected {names.get(kind, kind.__name__)}, got {shown(value)}")
    return value


def _convert_dataclass(cls: type, values: Any, where: str, problems: list[str]) -> Any:
    if not isinstance(values, Mapping):
        problems.append(f"{where}: expected a table, got {shown(values)}")
        return None
    before = len(problems)
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
    for key in values:
        if key not in fields:
            close = difflib.get_close_matches(key, fields, 1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            problems.append(f"{where}: unknown key {key!r}{hint} (accepted: {', '.join(fields)})")
    made = {name: convert(hints[name], values[name], f"{where}.{name}", problems) for name in fields if name in values}
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in values:
            problems.append(f"{where}: key {name!r} is missing")
    if len(problems) > before:
        return None
    try:
        return cls(**made)
    except UserError as error:
        problems.extend(f"{where}: {line}" for line in str(error).splitlines())
        return None
