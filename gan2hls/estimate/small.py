"""What requantization, tables, upsampling and what lies between layers take."""

from gan2hls.estimate.names import Feature, Machine
from gan2hls.estimate.tally import Tally, Values
from gan2hls.integers import ceil_div, clog2

PART_BITS = 17
"""Bits of the lower part of a wide product (`requantize.sv`)."""


def count_requantize(values: Values, tally: Tally) -> Machine:
    """Count a requantization."""
    lanes, in_bits, m_bits, b_bits = (values[key] for key in ("Lanes", "InBits", "MultiplierBits", "BiasBits"))
    shift, out_bits, leaky = values["Shift"], values["OutBits"], values["Leaky"]
    x_bits = in_bits + 1 - values["InSigned"]
    product = x_bits + m_bits
    total = max(product, b_bits, max(shift, 1)) + 2
    tally.flip_flops[Feature.INPUTS] += (2 + leaky) * lanes * in_bits
    tally.flip_flops[Feature.BIASES] += 2 * lanes * b_bits if values["Channels"] > lanes else 0
    tally.flip_flops[Feature.TOTALS] += lanes * total
    tally.flip_flops[Feature.RESULTS] += lanes * out_bits
    tally.flip_flops[Feature.SKID_BUFFER] += 2 * lanes * out_bits
    whole = Feature.ABSORBED_WHOLE_PRODUCTS if tally.family == "xc7" else Feature.WHOLE_PRODUCTS
    tally.flip_flops[whole] += lanes * product
    tally.luts[Feature.TOTALS] += lanes * total
    tally.luts[Feature.SATURATION] += lanes * max(1, total - shift)
    tally.luts[Feature.RESULTS] += lanes * out_bits
    tally.luts[Feature.SKID_BUFFER] += lanes * out_bits
    tally.luts[Feature.LANES] += lanes
    tally.both(Feature.GROUP_COUNTER, clog2(ceil_div(values["Channels"], lanes) + 1))
    if leaky:
        tally.both(Feature.BRANCHES, lanes * (m_bits + b_bits))
        tally.luts[Feature.SIGNS] += lanes * (in_bits + 2)
        tally.flip_flops[Feature.SIGNS] += lanes
    _scale(values, x_bits, product, tally)
    tally.store(second=("constants",))
    return Machine.REQUANTIZE


def _scale(values: Values, x_bits: int, product: int, tally: Tally) -> None:
    """The products by the scale: whole, of two parts, or shifted."""
    lanes, m_bits, leaky = values["Lanes"], values["MultiplierBits"], values["Leaky"]
    if values["UseMultiplier"] and values["Parts"] > 1 and x_bits > PART_BITS + 1:
        high = x_bits - PART_BITS
        tally.multiply(PART_BITS + 1, m_bits, PART_BITS + 1 + m_bits, lanes)
        tally.multiply(high, m_bits, high + m_bits, lanes)
        tally.luts[Feature.PART_SUMS] += lanes * (high + m_bits)
        return
    if values["UseMultiplier"] or leaky:
        tally.multiply(x_bits, m_bits, product, lanes, registered=bool(values["UseMultiplier"]))
    if not values["UseMultiplier"]:
        tally.luts[Feature.SHIFTERS] += lanes * product * max(1, min(m_bits, clog2(product)))
        if not leaky:
            tally.flip_flops[Feature.PRODUCTS_IN_LUTS] += lanes * product


def count_lookup(values: Values, tally: Tally) -> Machine:
    """Count a table: a memory, a register behind it, a skid buffer."""
    width = values["Lanes"] * values["OutBits"]
    tally.flip_flops[Feature.SKID_BUFFER] += 2 * width
    tally.luts[Feature.SKID_BUFFER] += width
    tally.flip_flops[Feature.VALUES] += width
    tally.store()
    return Machine.LOOKUP


def count_upsample(values: Values, tally: Tally) -> Machine:
    """Count a nearest upsampling: a memory of two rows, a skid buffer, counters."""
    lanes = values["Lanes"]
    width = lanes * values["Bits"]
    tally.flip_flops[Feature.SKID_BUFFER] += 2 * width
    tally.luts[Feature.SKID_BUFFER] += width
    beats = ceil_div(values["Channels"], lanes)
    words = 2 * values["InWidth"] * beats
    counters = 3 * clog2(words) + 2 * clog2(words + 1)
    counters += sum(
        clog2(n) for n in (values["FactorWidth"], beats, values["InWidth"], values["InHeight"], values["FactorHeight"])
    )
    tally.both(Feature.COUNTERS, counters)
    tally.store()
    return Machine.UPSAMPLE


def count_fifo(values: Values, tally: Tally) -> Machine:
    """Count a FIFO: of two beats, a skid buffer."""
    depth, width = values["Depth"], values["Bits"]
    counters = 2 * clog2(depth - 1) + 2 * clog2(depth + 1) if depth > 2 else 0
    tally.both(Feature.COUNTERS, counters)
    if depth <= 2:
        tally.flip_flops[Feature.SKID_BUFFER] += depth * (width + 1)
        tally.luts[Feature.SKID_BUFFER] += (depth - 1) * width
    tally.store()
    return Machine.FIFO


def count_converter(values: Values, tally: Tally) -> Machine:
    """Count a lane converter or a reshape: what it is made of follows from its lanes."""
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
