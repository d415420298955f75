"""What forks, joins and constants take, by the coefficients of what they are made of: skid buffers and tables."""

from gan2hls.estimate.names import Feature, Machine
from gan2hls.estimate.tally import Tally, Values
from gan2hls.integers import ceil_div, clog2
from gan2hls.targets import FAMILIES


def count_fork(values: Values, tally: Tally) -> Machine:
    """Count a fork: a skid buffer for each output."""
    return _skid(values["Outputs"] * values["Bits"], 0, 0, tally)


def count_add(values: Values, tally: Tally) -> Machine:
    """Count a sum: an adder for each input but the first, and a skid buffer."""
    width = values["Lanes"] * values["OutBits"]
    return _skid(width, (1.2 if _wide(tally) else 1.65) * (values["Inputs"] - 1) * width, 0, tally)


def count_concat(values: Values, tally: Tally) -> Machine:
    """Count a concatenation: a choice of an input, which synthesis merges with that of the skid buffer behind it."""
    width = values["Lanes"] * values["Bits"]
    choices = (0.75 if _wide(tally) else 2.5) * (values["Inputs"] - 1) * width
    return _skid(width, choices, values["Inputs"] + 2, tally)


def count_slice(values: Values, tally: Tally) -> Machine:
    """Count a slice: its place in the pixel and in the frame, and a skid buffer."""
    position = clog2(ceil_div(values["Channels"], values["Lanes"])) + clog2(values["Pixels"]) + 2
    return _skid(values["Lanes"] * values["Bits"], 0, position, tally)


def _wide(tally: Tally) -> bool:
    """Whether a LUT has six inputs: what the factors above were counted for, by yosys, and LUTs of four."""
    return FAMILIES[tally.family].lut_inputs == 6


def _skid(width: int, choices: float, position: int, tally: Tally) -> Machine:
    tally.flip_flops[Feature.DATA] += 2 * width
    tally.luts[Feature.DATA] += width + choices
    tally.both(Feature.POSITION, position)
    return Machine.SKID_BUFFER


def count_constant(values: Values, tally: Tally) -> Machine:
    """Count a constant: a table, and a register behind it."""
    tally.flip_flops[Feature.VALUES] += values["Lanes"] * values["Bits"]
    tally.store()
    return Machine.LOOKUP
