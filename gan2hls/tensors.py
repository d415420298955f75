"""What a tensor of integers is: its shape, its integer type and its real scale."""

from dataclasses import dataclass

from gan2hls.errors import UserError


@dataclass(frozen=True, order=True)
class IntType:
    """A two's complement (signed) or plain (unsigned) integer of `bits` bits."""

    bits: int
    signed: bool

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= 63:
            raise UserError(f"an integer of {self.bits} bits is not supported; use 1 to 63")

    @property
    def min(self) -> int:
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def max(self) -> int:
        return (1 << (self.bits - self.signed)) - 1

    @property
    def magnitude(self) -> int:
        """Largest absolute value."""
        return max(-self.min, self.max)

    def __str__(self) -> str:
        return f"{'s' if self.signed else 'u'}{self.bits}"


@dataclass(frozen=True)
class TensorType:
    """Shape (height, width, channels) without the batch, integer type, and real scale.

    `scale` is None where it differs from channel to channel (accumulators of per-channel weights).
    """

    shape: tuple[int, int, int]
    int_type: IntType
    scale: float | None

    @property
    def pixels(self) -> int:
        return self.shape[0] * self.shape[1]

    @property
    def channels(self) -> int:
        return self.shape[2]

    @property
    def elements(self) -> int:
        return self.pixels * self.channels

    def __str__(self) -> str:
        return f"{'×'.join(map(str, self.shape))} {self.int_type}"
