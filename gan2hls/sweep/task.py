"""What a task is, and what it gives."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from gan2hls.frontends.float_model import FloatModel
from gan2hls.inputs import Samples


@dataclass(frozen=True)
class Outcome:
    """What a task gave: JSON values and files by name; or why it gave none, with a tool's log if one failed."""

    values: dict[str, Any] = dataclasses.field(default_factory=dict)
    files: dict[str, bytes] = dataclasses.field(default_factory=dict)
    seconds: float = 0.0
    error: str = ""
    log: bytes = b""


@dataclass(frozen=True, eq=False)
class Model:
    """The float model, and the samples (n, *shape) of each input that it is calibrated on."""

    float_model: FloatModel
    calibration: Samples


@dataclass(frozen=True)
class Task:
    """Something to do.

    Attributes:
        title: for people.
        kind: short name, a class attribute.
    """

    title: str = dataclasses.field(compare=False)
    kind = ""

    def key(self) -> dict[str, Any]:
        """JSON values of all that the outcome depends on, beside gan2hls itself."""
        values = dataclasses.asdict(self)
        del values["title"]
        return values

    def run(self, payload: Any) -> Outcome:
        """Do it; `payload` is what the key tells by digests only: a `Model` to quantize, or else `GraphFiles`."""
        raise NotImplementedError

    def tools(self) -> dict[str, str]:
        """Versions here of what the outcome depends on, "" where it is missing."""
        return {}


T = TypeVar("T")


class Last(Generic[T]):
    """What this process made last: the tasks of a point follow each other, and often come to the same worker."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.made: dict[Any, T] = {}

    def get(self, key: Any, make: Callable[[], T]) -> T:
        if key not in self.made:
            value = make()
            while len(self.made) >= self.most:
                self.made.pop(next(iter(self.made)), None)
            self.made[key] = value
            return value
        return self.made[key]
