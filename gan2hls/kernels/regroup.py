"""`width_converter` and `reshape`: the same elements in the same order, in other beats."""

import math
from dataclasses import replace
from typing import ClassVar

import numpy as np

from gan2hls.counting import Feature, Machine, Tally, Values
from gan2hls.integers import ceil_div, clog2
from gan2hls.kernels.base import Kernel, Port
from gan2hls.kernels.iterations import Iterations
from gan2hls.kernels.regroup_rules import regroup
from gan2hls.kernels.rules import Rule


class _Regroup(Kernel):
    """What both share: a skid buffer, serializer, deserializer or gearbox, as lanes and channels ask for."""

    @property
    def cycles(self) -> int:
        """The beats of the side that has more of them; more only where the pixels change and beats are padded."""
        into, out = self.input, self.output
        if into.channels == out.channels or all(port.channels % port.lanes == 0 for port in (into, out)):
            return super().cycles
        return _gearbox_interval(_beats(into), _beats(out), out.lanes + min(into.lanes, out.lanes) - 1)

    def iterations(self) -> Iterations:
        """A word is read while the next output word wants more elements than are held, and written if there are enough.

        With `had` words read when an output word is written, it takes an iteration for each word more than the one
        before had, and at least one. No element is held where pixels of both sides end, and all repeats from there.
        """
        repeats = self.input.pixels * self.input.channels // math.lcm(self.input.channels, self.output.channels)
        parts = (replace(port, pixels=port.pixels // repeats) for port in (self.input, self.output))
        came, wanted = (np.cumsum(_beats(port)) for port in parts)
        had = np.searchsorted(came, wanted) + 1
        before = np.concatenate([[0], had[:-1]])
        took = np.maximum(1, had - before)
        ends = np.cumsum(took)
        beat = np.arange(len(came))
        reader = np.searchsorted(had, beat, side="right")  # the output word for which a word is read
        return Iterations((((ends - took) - before)[reader] + beat,), (ends - 1,), int(ends[-1]), repeats)

    def rules(self) -> tuple[Rule, ...]:
        return regroup(self.input, self.output)

    @staticmethod
    def count(values: Values, tally: Tally) -> Machine:
        in_lanes, out_lanes, width = values["InLanes"], values["OutLanes"], values["Bits"]
        # A converter's sides have the same channels; those of a reshape need not.
        ins = values.get("Channels", values.get("InChannels", 1))
        outs = values.get("Channels", values.get("OutChannels", 1))
        padded = ins != outs and (ins % in_lanes or outs % out_lanes)
        pixels = values.get("Pixels", values.get("Elements", 1))
        position = clog2(pixels) + clog2(ceil_div(ins, in_lanes)) + clog2(ceil_div(outs, out_lanes))
        tally.both(Feature.POSITION, position)
        wide, narrow = max(in_lanes, out_lanes), min(in_lanes, out_lanes)
        if padded or wide % narrow:
            capacity = in_lanes + out_lanes + narrow - 1
            tally.both(Feature.BUFFER, capacity * width)
            tally.luts[Feature.CHOICES] += capacity * width * in_lanes
            tally.luts[Feature.COMPARES] += capacity * clog2(capacity + 1)
            return Machine.GEARBOX
        tally.flip_flops[Feature.DATA] += 2 * wide * width
        tally.luts[Feature.DATA] += wide * width
        if in_lanes > out_lanes:
            tally.luts[Feature.MASK] += out_lanes * width if outs % out_lanes else 0
            return Machine.SERIALIZER
        if out_lanes > in_lanes:
            tally.luts[Feature.MASK] += in_lanes * width if ins % in_lanes else 0
            tally.luts[Feature.PART] += out_lanes // in_lanes
            return Machine.DESERIALIZER
        return Machine.SKID_BUFFER


class WidthConverter(_Regroup):
    """Between two kernels that disagree in lanes."""

    module: ClassVar[str] = "width_converter"

    @property
    def parameters(self) -> dict[str, int]:
        return {
            "Pixels": self.input.pixels,
            "Channels": self.input.channels,
            "InLanes": self.input.lanes,
            "OutLanes": self.output.lanes,
            "Bits": self.input.bits,
        }


class ReshapeKernel(_Regroup):
    """Other pixel boundaries, and other lanes if need be."""

    module: ClassVar[str] = "reshape"

    @property
    def parameters(self) -> dict[str, int]:
        return {
            "Elements": self.input.pixels * self.input.channels,
            "InChannels": self.input.channels,
            "OutChannels": self.output.channels,
            "InLanes": self.input.lanes,
            "OutLanes": self.output.lanes,
            "Bits": self.input.bits,
        }


def _beats(port: Port) -> list[int]:
    """Elements in each beat of a frame."""
    full, remainder = divmod(port.channels, port.lanes)
    return ([port.lanes] * full + [remainder] * (remainder > 0)) * port.pixels


def _gearbox_interval(puts: list[int], takes: list[int], room: int) -> int:
    """Cycles a frame of `hw/rtl/gearbox.sv` between sides that never stall.

    Its buffer is small and padded beats come in bursts: it takes a beat in while it holds `room` elements at most, and
    gives one as soon as it holds the beat's elements.
    """
    level = put = taken = cycle = 0
    ends: list[int] = []
    while len(ends) < 4:  # steady from the second frame on
        into = puts[put % len(puts)] if level <= room else 0
        out = takes[taken % len(takes)] if level >= takes[taken % len(takes)] else 0
        level += into - out
        put += into > 0
        taken += out > 0
        cycle += 1
        if out and taken % len(takes) == 0:
            ends.append(cycle)
    return ends[-1] - ends[-2]
