"""What the MAC engine takes: `mac_engine.sv` and what it instantiates."""

from gan2hls.counting import Feature, Machine, Tally, Values
from gan2hls.integers import ceil_div, clog2


def count_mac(values: Values, tally: Tally) -> Machine:
    """Count the MAC engine of a convolution, transposed convolution or dense layer."""
    family = tally.family
    pe, simd, in_bits, out_bits = values["Pe"], values["Simd"], values["InBits"], values["OutBits"]
    taps = values.get("TapRows", 1) * values.get("TapCols", 1)
    rest_taps = values.get("RestRows", 1) * values.get("RestCols", 1)
    lanes, weight_bits, packing = simd * taps, values["WeightBits"], values["Packing"]
    pitch = in_bits + weight_bits
    cells = _products(values, lanes, tally)
    for level in range(1, clog2(lanes) + 1):
        sums, below = ceil_div(lanes, 1 << level), ceil_div(lanes, 1 << (level - 1))
        width = min(pitch + level, out_bits)
        tally.flip_flops[Feature.ADDER_TREE] += pe * sums * width
        tally.luts[Feature.ADDER_TREE] += pe * (below // 2) * width
        tally.luts[Feature.ADDERS] += pe * (below // 2)
    tally.flip_flops[Feature.ACCUMULATORS] += 2 * pe * out_bits
    tally.flip_flops[Feature.SKID_BUFFER] += 2 * pe * out_bits
    tally.luts[Feature.ACCUMULATORS] += pe * out_bits
    tally.luts[Feature.ADDERS] += pe
    tally.luts[Feature.SKID_BUFFER] += pe * out_bits
    rest = values["InChannels"] % simd
    # The registers in front of a product go into the multiplier too, where nothing else reads them.
    if values["UseCodebook"] or packing == 1:
        before = cells and packing == 1 and family in ("ecp5", "nexus", "xc7")
        tally.flip_flops[Feature.ABSORBED_LANES if before else Feature.MULTIPLIER_INPUTS] += lanes * in_bits
        tally.flip_flops[Feature.ABSORBED_WEIGHTS if before else Feature.MULTIPLIER_INPUTS] += pe * lanes * weight_bits
    tally.flip_flops[Feature.LANES] += lanes * in_bits
    tally.luts[Feature.LANES] += lanes * in_bits
    tally.luts[Feature.REST_LANES] += rest_taps * rest * in_bits
    tally.flip_flops[Feature.LANES] += simd * in_bits  # a word on its way into the ring
    _banks(values, lanes, tally)
    _control(values, taps, rest_taps if rest else 0, tally)
    tally.store(second=("weights", "ring"), outputs=False)  # behind a codebook: the multiplier's input
    return Machine.MAC


def _products(values: Values, lanes: int, tally: Tally) -> float:
    """Products of all lanes and PEs, those that share multipliers first; the multipliers that they take."""
    family, pe, packing = tally.family, values["Pe"], values["Packing"]
    in_bits, out_bits, weight_bits = values["InBits"], values["OutBits"], values["WeightBits"]
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
            cells += tally.multiply(x_bits, factor, product, products)
            absorbed = family in ("nexus", "xc7")
            factors = Feature.ABSORBED_PACKED_FACTORS if absorbed else Feature.PACKED_FACTORS
            inputs = Feature.ABSORBED_PACKED_INPUTS if absorbed else Feature.PACKED_INPUTS
            tally.flip_flops[factors] += factor * products
            tally.flip_flops[inputs] += x_bits * lanes
            tally.flip_flops[Feature.UNPACKED] += width * min(pitch, out_bits) * products
            tally.luts[Feature.PACKING] += (factor - weight_bits + (width - 1) * pitch) * products
        else:
            y = min(pitch, out_bits)
            if weight_bits <= 2:
                tally.flip_flops[Feature.PRODUCTS_IN_LUTS] += y * products
                tally.luts[Feature.SIGNED_INPUTS] += y * products
            else:
                # An unsigned factor's product has a bit too many: synth_xilinx finds it in time, synth_ecp5 not.
                made = y if family in ("xc7", "xcup") else x_bits + weight_bits
                cells += tally.multiply(x_bits, weight_bits, made, products)
            if packing > 1:
                tally.flip_flops[Feature.WAITING_PRODUCTS] += 2 * y * products
    return cells


def _banks(values: Values, lanes: int, tally: Tally) -> None:
    """The choice among banks of a deep weight memory."""
    banks = [shape for shape, _ in tally.memories if shape.kind == "weights"]
    if len(banks) > 1:
        word, inputs = values["Pe"] * lanes * values["CodeBits"], lanes * values["InBits"]
        deep = len(banks) > 8
        tally.flip_flops[Feature.BANK_CHOICE] += sum(shape.bits for shape in banks)
        tally.flip_flops[Feature.BANK_CHOICE] += word * (ceil_div(len(banks), 8) + deep)
        tally.luts[Feature.BANK_CHOICE] += word * (len(banks) + deep * ceil_div(len(banks), 8))
        if tally.family in ("xc7", "xcup"):  # registers in a row become a shift register in a LUT
            tally.luts[Feature.WAITING_LANES] += inputs
            tally.flip_flops[Feature.LANES] -= inputs
        else:
            tally.flip_flops[Feature.LANES] += inputs * (2 + deep)


def _control(values: Values, taps: int, rest_taps: int, tally: Tally) -> None:
    """Walker, addresses of the memories, and the generator of output pixels."""
    full = max(1, values["InChannels"] // values["Simd"]) if values["Simd"] < values["InChannels"] else 1
    height, width = values.get("InHeight", 1), values.get("InWidth", 1)
    out_height, out_width = values.get("OutHeight", 1), values.get("OutWidth", 1)
    kernel = values.get("KernelHeight", 1) * values.get("KernelWidth", 1)
    ring = values["RingPixels"]
    has_rest = values["InChannels"] % values["Simd"] > 0
    out_groups = ceil_div(values["OutChannels"], values["Pe"])
    address = clog2(kernel * (full + has_rest) * out_groups + 1)
    slot, word, pixel = clog2(ring + 1), clog2(ring * full + 1), clog2(height * width + 1)
    tap = clog2(kernel * full + 1)
    walks = 1 + (full > 1)
    spatial = float(kernel > 1 or height * width > 1)
    counters = 3 * (slot if has_rest else 0) + 3 * word + 2 * address * (1 + has_rest) + clog2(full) + clog2(out_groups)
    addresses = (taps * clog2(ring * full) + rest_taps * clog2(ring)) + 2 * clog2(2 * height * width + ring + 1)
    generator = walks * (clog2(out_height) + clog2(out_width) + 4 * pixel + 5 * slot + 4 * tap) * spatial
    generator += (walks - 1) * 4 * (word - slot) * spatial
    step = clog2(2 * height * width + ring + 1) + 1
    buffers = 3 * (slot + 2 * pixel + tap) + 2 * step + (2 * (tap + word) if full > 1 else 0)
    tally.both(Feature.WALKER, counters)
    tally.both(Feature.ADDRESSES, addresses)
    tally.both(Feature.PIXEL_GENERATOR, generator)
    tally.both(Feature.PIXEL_BUFFERS, buffers)
    tally.both(Feature.EXISTS, taps + rest_taps)
    tally.both(Feature.SPATIAL, spatial)
    tally.both(Feature.SECOND_WALK, spatial * (walks - 1))
    tally.both(Feature.REST_WALK, float(has_rest))
    rows = ceil_div(out_height, 4) * (slot + 2 * pixel + 2)
    columns = ceil_div(out_width, 4) * (slot + 2 * clog2(width + 1) + 2)
    tally.luts[Feature.ROW_AND_COLUMN_TABLES] += walks * spatial * (rows + columns)
