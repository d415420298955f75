"""What of a kernel takes multipliers, memories, flip-flops and LUTs: exact counts from the structure of `hw/rtl`.

Multipliers and block RAMs follow from them by rule. Of LUTs and flip-flops they are the features of a linear model,
whose coefficients `model.json` holds: most are numbers of bits, of registers, adders, multiplexers and memories.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gan2hls.estimate.memories import Mapped, Shape, map_memory
from gan2hls.estimate.multipliers import hardware_multipliers
from gan2hls.targets import FAMILIES

PART_BITS = 17
"""Bits of the lower part of a wide product (`requantize.sv`)."""

Features = dict[str, float]
Values = Mapping[str, int]


@dataclass(frozen=True)
class Counted:
    """A kernel's exact figures for a family, and the features of its LUTs and flip-flops.

    Attributes:
        machine: of which there is a model; `stem`, or what a converter is made of.
        mac_dsps, other_dsps: multipliers of weights, and of all else.
        weight_rams: of `block_rams`, those that hold weights.
    """

    machine: str
    mac_dsps: float
    other_dsps: float
    block_rams: float
    weight_rams: float
    memories: tuple[tuple[Shape, Mapped], ...]
    luts: Features
    flip_flops: Features

    @property
    def memory_luts(self) -> float:
        """LUTs that are memory."""
        return sum(mapped.luts for _, mapped in self.memories)


def bits(count: int) -> int:
    """Bits that tell `count` things apart, as `$clog2`."""
    return max(0, (count - 1).bit_length())


def _groups(count: int, lanes: int) -> int:
    return -(-count // lanes)


def count(stem: str, values: Values, shapes: Sequence[Shape], family: str) -> Counted:
    """Everything about a kernel that its parameters and memories tell."""
    memories = tuple((shape, map_memory(shape, family)) for shape in shapes)
    luts: Features = defaultdict(float)
    flip_flops: Features = defaultdict(float)
    machine, products = stem, 0.0
    if stem in ("dense", "conv2d", "conv_transpose2d"):
        machine, products = "mac", _mac(values, memories, family, luts, flip_flops)
    elif stem == "requantize":
        products = _requantize(values, family, luts, flip_flops)
    elif stem in ("width_converter", "reshape"):
        machine = _converter(stem, values, luts, flip_flops)
    elif stem == "fifo":
        _fifo(values, luts, flip_flops)
    else:
        _small(stem, values, luts, flip_flops)
    _memories(stem, memories, family, luts, flip_flops)
    luts["one"] = flip_flops["one"] = 1.0
    mac = machine == "mac"
    return Counted(
        machine=machine,
        mac_dsps=products if mac else 0.0,
        other_dsps=0.0 if mac else products,
        block_rams=sum(mapped.block_rams for _, mapped in memories),
        weight_rams=sum(mapped.block_rams for shape, mapped in memories if shape.kind == "weights"),
        memories=memories,
        luts=dict(luts),
        flip_flops=dict(flip_flops),
    )


def _memories(
    stem: str, memories: Sequence[tuple[Shape, Mapped]], family: str, luts: Features, flip_flops: Features
) -> None:
    lut_inputs = FAMILIES[family].lut_inputs
    for shape, mapped in memories:
        absorbed = family == "ecp5" and mapped.where == "block RAM"  # `synth/registers.py`
        if (shape.kind in ("weights", "ring") or stem == "requantize") and not absorbed:
            where = "block RAM" if mapped.where == "block RAM" else "soft memory"
            flip_flops[f"second registers of {where}"] += shape.bits
        if mapped.where == "LUT RAM":
            luts["memory LUTs"] += mapped.luts
            flip_flops["soft memory outputs"] += shape.bits * shape.reads
        elif mapped.where == "logic":
            if stem not in ("dense", "conv2d", "conv_transpose2d"):  # behind a codebook: the multiplier's input
                flip_flops["soft memory outputs"] += shape.bits * shape.reads
            if shape.written:
                flip_flops["stored bits"] += shape.words * shape.bits
                luts["stored bits"] += shape.words * shape.bits
            elif shape.words > 1:
                words = 1 << lut_inputs  # that one LUT holds of a bit
                luts["table bits"] += max(0, shape.words - words) * shape.bits * shape.reads / words
                if shape.reads > 2:
                    luts["codebook outputs"] += shape.bits * shape.reads if shape.words > 2 else 0
                elif shape.words > 2:  # few words have few different columns
                    luts["table outputs"] += min(shape.bits, 1 << min(shape.words - 1, 20)) * shape.reads


def _products(
    family: str, a: int, b: int, y: int, count: float, luts: Features, flip_flops: Features, *, registered: bool = True
) -> float:
    """Hardware multipliers of `count` equal products, each with a register behind it, or behind what chooses it."""
    cells, soft = hardware_multipliers(family, a, b, y, registered=registered)
    luts["soft products"] += soft * count
    if soft:
        luts["soft product rows"] += min(a, b) * count
    # Nexus, 7 series and ECP5 take the register behind a product into the multiplier.
    absorbed = registered and (family in ("nexus", "xc7") or (family == "ecp5" and cells == 1))
    kind = "products in LUTs" if not cells else "absorbed products" if absorbed else "products in multipliers"
    flip_flops[kind] += y * count
    if cells > 1:
        luts["multiplier sums"] += y * count
    return cells * count


def _mac(
    values: Values, memories: Sequence[tuple[Shape, Mapped]], family: str, luts: Features, flip_flops: Features
) -> float:
    pe, simd, in_bits, out_bits = values["Pe"], values["Simd"], values["InBits"], values["OutBits"]
    taps = values.get("TapRows", 1) * values.get("TapCols", 1)
    rest_taps = values.get("RestRows", 1) * values.get("RestCols", 1)
    lanes, weight_bits, packing = simd * taps, values["WeightBits"], values["Packing"]
    x_bits = in_bits + (1 - values["InSigned"])
    pitch = in_bits + weight_bits
    cells = 0.0
    for width, many in ((packing, pe // packing), (pe % packing, 1 if pe % packing else 0)):
        if not many:
            continue
        products = lanes * many
        if width > 1:
            factor = pitch * (width - 1) + weight_bits + 1 - values["Symmetric"]
            product = min(x_bits + factor, width * pitch)
            cells += _products(family, x_bits, factor, product, products, luts, flip_flops)
            absorbed = "absorbed " if family in ("nexus", "xc7") else ""
            flip_flops[f"{absorbed}packed factors"] += factor * products
            flip_flops[f"{absorbed}packed inputs"] += x_bits * lanes
            flip_flops["unpacked"] += width * min(pitch, out_bits) * products
            luts["packing"] += (factor - weight_bits + (width - 1) * pitch) * products
        else:
            y = min(pitch, out_bits)
            if weight_bits <= 2:
                flip_flops["products in LUTs"] += y * products
                luts["signed inputs"] += y * products
            else:
                # An unsigned factor's product has a bit too many: synth_xilinx finds it in time, synth_ecp5 not.
                made = y if family in ("xc7", "xcup") else x_bits + weight_bits
                cells += _products(family, x_bits, weight_bits, made, products, luts, flip_flops)
            if packing > 1:
                flip_flops["waiting products"] += 2 * y * products
    for level in range(1, bits(lanes) + 1):
        sums, below = _groups(lanes, 1 << level), _groups(lanes, 1 << (level - 1))
        width = min(pitch + level, out_bits)
        flip_flops["adder tree"] += pe * sums * width
        luts["adder tree"] += pe * (below // 2) * width
        luts["adders"] += pe * (below // 2)
    flip_flops["accumulators"] += 2 * pe * out_bits
    flip_flops["skid buffer"] += 2 * pe * out_bits
    luts["accumulators"] += pe * out_bits
    luts["adders"] += pe
    luts["skid buffer"] += pe * out_bits
    rest = values["InChannels"] % simd
    # The registers in front of a product go into the multiplier too, where nothing else reads them.
    if values["UseCodebook"] or packing == 1:
        before = cells and packing == 1 and family in ("ecp5", "nexus", "xc7")
        flip_flops["absorbed lanes" if before else "multiplier inputs"] += lanes * in_bits
        flip_flops["absorbed weights" if before else "multiplier inputs"] += pe * lanes * weight_bits
    flip_flops["lanes"] += lanes * in_bits
    luts["lanes"] += lanes * in_bits
    luts["rest lanes"] += rest_taps * rest * in_bits
    flip_flops["lanes"] += simd * in_bits  # a word on its way into the ring
    _weights(values, memories, lanes, family, luts, flip_flops)
    _mac_control(values, taps, rest_taps if rest else 0, luts, flip_flops)
    return cells


def _weights(
    values: Values,
    memories: Sequence[tuple[Shape, Mapped]],
    lanes: int,
    family: str,
    luts: Features,
    flip_flops: Features,
) -> None:
    banks = [shape for shape, _ in memories if shape.kind == "weights"]
    if len(banks) > 1:
        word, inputs = values["Pe"] * lanes * values["CodeBits"], lanes * values["InBits"]
        deep = len(banks) > 8
        flip_flops["bank choice"] += sum(shape.bits for shape in banks) + word * (_groups(len(banks), 8) + deep)
        luts["bank choice"] += word * (len(banks) + deep * _groups(len(banks), 8))
        if family in ("xc7", "xcup"):  # registers in a row become a shift register in a LUT
            luts["waiting lanes"] += inputs
            flip_flops["lanes"] -= inputs
        else:
            flip_flops["lanes"] += inputs * (2 + deep)


def _mac_control(values: Values, taps: int, rest_taps: int, luts: Features, flip_flops: Features) -> None:
    full = max(1, values["InChannels"] // values["Simd"]) if values["Simd"] < values["InChannels"] else 1
    height, width = values.get("InHeight", 1), values.get("InWidth", 1)
    out_height, out_width = values.get("OutHeight", 1), values.get("OutWidth", 1)
    kernel = values.get("KernelHeight", 1) * values.get("KernelWidth", 1)
    ring = values["RingPixels"]
    has_rest = values["InChannels"] % values["Simd"] > 0
    out_groups = _groups(values["OutChannels"], values["Pe"])
    address = bits(kernel * (full + has_rest) * out_groups + 1)
    slot, word, pixel = bits(ring + 1), bits(ring * full + 1), bits(height * width + 1)
    tap = bits(kernel * full + 1)
    walks = 1 + (full > 1)
    spatial = float(kernel > 1 or height * width > 1)
    counters = 3 * (slot if has_rest else 0) + 3 * word + 2 * address * (1 + has_rest) + bits(full) + bits(out_groups)
    addresses = (taps * bits(ring * full) + rest_taps * bits(ring)) + 2 * bits(2 * height * width + ring + 1)
    generator = walks * (bits(out_height) + bits(out_width) + 4 * pixel + 5 * slot + 4 * tap) * spatial
    generator += (walks - 1) * 4 * (word - slot) * spatial
    step = bits(2 * height * width + ring + 1) + 1
    buffers = 3 * (slot + 2 * pixel + tap) + 2 * step + (2 * (tap + word) if full > 1 else 0)
    for features in (luts, flip_flops):
        features["walker"] += counters
        features["addresses"] += addresses
        features["pixel generator"] += generator
        features["pixel buffers"] += buffers
        features["exists"] += taps + rest_taps
        features["spatial"] += spatial
        features["second walk"] += spatial * (walks - 1)
        features["rest walk"] += float(has_rest)
    luts["row and column tables"] += (
        walks
        * spatial
        * (_groups(out_height, 4) * (slot + 2 * pixel + 2) + _groups(out_width, 4) * (slot + 2 * bits(width + 1) + 2))
    )


def _requantize(values: Values, family: str, luts: Features, flip_flops: Features) -> float:
    lanes, in_bits, m_bits, b_bits = (values[key] for key in ("Lanes", "InBits", "MultiplierBits", "BiasBits"))
    shift, out_bits, leaky = values["Shift"], values["OutBits"], values["Leaky"]
    x_bits = in_bits + 1 - values["InSigned"]
    product = x_bits + m_bits
    total = max(product, b_bits, max(shift, 1)) + 2
    flip_flops["inputs"] += (2 + leaky) * lanes * in_bits
    flip_flops["biases"] += 2 * lanes * b_bits if values["Channels"] > lanes else 0
    flip_flops["totals"] += lanes * total
    flip_flops["results"] += lanes * out_bits
    flip_flops["skid buffer"] += 2 * lanes * out_bits
    flip_flops["absorbed whole products" if family == "xc7" else "whole products"] += lanes * product
    luts["totals"] += lanes * total
    luts["saturation"] += lanes * max(1, total - shift)
    luts["results"] += lanes * out_bits
    luts["skid buffer"] += lanes * out_bits
    luts["lanes"] += lanes
    groups = bits(_groups(values["Channels"], lanes) + 1)
    flip_flops["group counter"] += groups
    luts["group counter"] += groups
    if leaky:
        flip_flops["branches"] += lanes * (m_bits + b_bits)
        luts["branches"] += lanes * (m_bits + b_bits)
        luts["signs"] += lanes * (in_bits + 2)
        flip_flops["signs"] += lanes
    if values["UseMultiplier"] and values["Parts"] > 1 and x_bits > PART_BITS + 1:
        high = x_bits - PART_BITS
        cells = _products(family, PART_BITS + 1, m_bits, PART_BITS + 1 + m_bits, lanes, luts, flip_flops)
        cells += _products(family, high, m_bits, high + m_bits, lanes, luts, flip_flops)
        luts["part sums"] += lanes * (high + m_bits)
        return cells
    cells = 0.0
    if values["UseMultiplier"] or leaky:
        registered = bool(values["UseMultiplier"])
        cells = _products(family, x_bits, m_bits, product, lanes, luts, flip_flops, registered=registered)
    if not values["UseMultiplier"]:
        luts["shifters"] += lanes * product * max(1, min(m_bits, bits(product)))
        if not leaky:
            flip_flops["products in LUTs"] += lanes * product
    return cells


def _converter(stem: str, values: Values, luts: Features, flip_flops: Features) -> str:
    in_lanes, out_lanes, width = values["InLanes"], values["OutLanes"], values["Bits"]
    ins, outs = (
        values.get("Channels", values.get("InChannels", 1)),
        values.get("Channels", values.get("OutChannels", 1)),
    )
    padded = stem == "reshape" and ins != outs and (ins % in_lanes or outs % out_lanes)
    pixels = values.get("Pixels", values.get("Elements", 1))
    position = bits(pixels) + bits(_groups(ins, in_lanes)) + bits(_groups(outs, out_lanes))
    luts["position"] += position
    flip_flops["position"] += position
    wide, narrow = max(in_lanes, out_lanes), min(in_lanes, out_lanes)
    if padded or wide % narrow:
        capacity = in_lanes + out_lanes + narrow - 1
        flip_flops["buffer"] += capacity * width
        luts["buffer"] += capacity * width
        luts["choices"] += capacity * width * in_lanes
        luts["compares"] += capacity * bits(capacity + 1)
        return "gearbox"
    flip_flops["data"] += 2 * wide * width
    luts["data"] += wide * width
    if in_lanes > out_lanes:
        luts["mask"] += out_lanes * width if outs % out_lanes else 0
        return "serializer"
    if out_lanes > in_lanes:
        luts["mask"] += in_lanes * width if ins % in_lanes else 0
        luts["part"] += out_lanes // in_lanes
        return "deserializer"
    return "skid_buffer"


def _fifo(values: Values, luts: Features, flip_flops: Features) -> None:
    depth, width = values["Depth"], values["Bits"]
    counters = 2 * bits(depth - 1) + 2 * bits(depth + 1) if depth > 2 else 0
    luts["counters"] += counters
    flip_flops["counters"] += counters
    if depth <= 2:
        flip_flops["skid buffer"] += depth * (width + 1)
        luts["skid buffer"] += (depth - 1) * width


def _small(stem: str, values: Values, luts: Features, flip_flops: Features) -> None:
    """`upsample` and `lookup`: a memory, a register behind it, a skid buffer, counters."""
    lanes = values["Lanes"]
    width = lanes * (values["OutBits"] if stem == "lookup" else values["Bits"])
    flip_flops["skid buffer"] += 2 * width
    luts["skid buffer"] += width
    if stem == "lookup":
        flip_flops["values"] += width
        return
    beats = _groups(values["Channels"], lanes)
    words = 2 * values["InWidth"] * beats
    counters = 3 * bits(words) + 2 * bits(words + 1)
    counters += sum(
        bits(n) for n in (values["FactorWidth"], beats, values["InWidth"], values["InHeight"], values["FactorHeight"])
    )
    flip_flops["counters"] += counters
    luts["counters"] += counters
