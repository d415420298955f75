"""What LUTs and flip-flops are counted by: the features, declared once, and which of them each kind of kernel counts.

The kernels count them, `model.json` has a coefficient for each, and `benchmarks/estimate.py` fits these. Whoever counts
one that is not declared, or reads a file with one too many or too few, gets an error.
"""

from collections.abc import Collection, Iterator
from enum import StrEnum
from typing import NamedTuple


class Machine(StrEnum):
    """A kind of kernel that has coefficients of its own."""

    MAC = "mac"
    REQUANTIZE = "requantize"
    LOOKUP = "lookup"
    UPSAMPLE = "upsample"
    FIFO = "fifo"
    SERIALIZER = "serializer"
    DESERIALIZER = "deserializer"
    GEARBOX = "gearbox"
    SKID_BUFFER = "skid_buffer"
    COUNTED = "counted"  # by registers, functions and adders, before coefficients are fitted


FITTED = tuple(machine for machine in Machine if machine is not Machine.COUNTED)
"""Those whose coefficients `model.json` has; those of the others follow from what a LUT is (`estimate.model`)."""


class Feature(StrEnum):
    """A number that resources grow with; the values are its names in `model.json`."""

    ONE = "one"  # what each kernel has, however small

    # memories
    MEMORY_LUTS = "memory LUTs"
    STORED_BITS = "stored bits"
    TABLE_BITS = "table bits"
    TABLE_OUTPUTS = "table outputs"
    TABLE_LUTS = "table LUTs"
    SOFT_MEMORY_OUTPUTS = "soft memory outputs"
    SECOND_REGISTERS_OF_SOFT_MEMORY = "second registers of soft memory"
    SECOND_REGISTERS_OF_BLOCK_RAM = "second registers of block RAM"

    # products
    SOFT_PRODUCTS = "soft products"
    SOFT_PRODUCT_ROWS = "soft product rows"
    MULTIPLIER_SUMS = "multiplier sums"
    PRODUCTS_IN_LUTS = "products in LUTs"
    PRODUCTS_IN_MULTIPLIERS = "products in multipliers"
    ABSORBED_PRODUCTS = "absorbed products"

    # the data path of a MAC op
    PACKING = "packing"
    PACKED_FACTORS = "packed factors"
    PACKED_INPUTS = "packed inputs"
    ABSORBED_PACKED_FACTORS = "absorbed packed factors"
    ABSORBED_PACKED_INPUTS = "absorbed packed inputs"
    UNPACKED = "unpacked"
    WAITING_PRODUCTS = "waiting products"
    SIGNED_INPUTS = "signed inputs"
    MULTIPLIER_INPUTS = "multiplier inputs"
    ABSORBED_LANES = "absorbed lanes"
    ABSORBED_WEIGHTS = "absorbed weights"
    ADDER_TREE = "adder tree"
    ADDERS = "adders"
    ACCUMULATORS = "accumulators"
    LANES = "lanes"
    REST_LANES = "rest lanes"
    WAITING_LANES = "waiting lanes"
    BANK_CHOICE = "bank choice"

    # its control
    WALKER = "walker"
    ADDRESSES = "addresses"
    PIXEL_GENERATOR = "pixel generator"
    PIXEL_BUFFERS = "pixel buffers"
    EXISTS = "exists"
    SPATIAL = "spatial"
    SECOND_WALK = "second walk"
    REST_WALK = "rest walk"
    ROW_AND_COLUMN_TABLES = "row and column tables"

    # requantization
    INPUTS = "inputs"
    BIASES = "biases"
    TOTALS = "totals"
    SATURATION = "saturation"
    RESULTS = "results"
    WHOLE_PRODUCTS = "whole products"
    ABSORBED_WHOLE_PRODUCTS = "absorbed whole products"
    PART_SUMS = "part sums"
    SHIFTERS = "shifters"
    BRANCHES = "branches"
    SIGNS = "signs"
    GROUP_COUNTER = "group counter"

    # what lies between layers, and small kernels
    POSITION = "position"
    DATA = "data"
    MASK = "mask"
    PART = "part"
    BUFFER = "buffer"
    CHOICES = "choices"
    COMPARES = "compares"
    COUNTERS = "counters"
    VALUES = "values"
    SKID_BUFFER = "skid buffer"

    # what is counted without a fit
    REGISTERS = "registers"
    FUNCTIONS = "functions"
    SUMS = "sums"


class Declared(NamedTuple):
    """Features of a kind of kernel; the fields are named as the resources that they count."""

    luts: frozenset[Feature]
    flip_flops: frozenset[Feature]


_F = Feature
_READ = {_F.TABLE_BITS, _F.TABLE_OUTPUTS}
_SECOND = {_F.SECOND_REGISTERS_OF_SOFT_MEMORY, _F.SECOND_REGISTERS_OF_BLOCK_RAM, _F.SOFT_MEMORY_OUTPUTS}
_PRODUCT_LUTS = {_F.SOFT_PRODUCTS, _F.SOFT_PRODUCT_ROWS, _F.MULTIPLIER_SUMS}
_PRODUCT_FLIP_FLOPS = {_F.PRODUCTS_IN_LUTS, _F.PRODUCTS_IN_MULTIPLIERS, _F.ABSORBED_PRODUCTS}
_CONTROL = {
    *(_F.WALKER, _F.ADDRESSES, _F.PIXEL_GENERATOR, _F.PIXEL_BUFFERS),
    *(_F.EXISTS, _F.SPATIAL, _F.SECOND_WALK, _F.REST_WALK),
}
_PATH = {_F.ADDER_TREE, _F.ACCUMULATORS, _F.SKID_BUFFER, _F.LANES, _F.BANK_CHOICE}
_RESULTS = {_F.TOTALS, _F.RESULTS, _F.SKID_BUFFER, _F.BRANCHES, _F.SIGNS, _F.GROUP_COUNTER}


def _declared(luts: set[Feature], flip_flops: set[Feature]) -> Declared:
    return Declared(frozenset(luts | {_F.ONE}), frozenset(flip_flops | {_F.ONE}))


_BUFFER = _declared(
    {_F.COUNTERS, _F.SKID_BUFFER, _F.MEMORY_LUTS, _F.STORED_BITS},
    {_F.COUNTERS, _F.SKID_BUFFER, _F.SOFT_MEMORY_OUTPUTS, _F.STORED_BITS},
)

FEATURES: dict[Machine, Declared] = {
    Machine.MAC: _declared(
        {
            *_PATH | _CONTROL | _PRODUCT_LUTS | _READ,
            *(_F.MEMORY_LUTS, _F.STORED_BITS, _F.PACKING, _F.SIGNED_INPUTS, _F.ADDERS),
            *(_F.REST_LANES, _F.WAITING_LANES, _F.ROW_AND_COLUMN_TABLES),
        },
        {
            *_PATH | _CONTROL | _PRODUCT_FLIP_FLOPS | _SECOND,
            *(_F.STORED_BITS, _F.PACKED_FACTORS, _F.PACKED_INPUTS, _F.UNPACKED, _F.WAITING_PRODUCTS),
            *(_F.ABSORBED_PACKED_FACTORS, _F.ABSORBED_PACKED_INPUTS),
            *(_F.MULTIPLIER_INPUTS, _F.ABSORBED_LANES, _F.ABSORBED_WEIGHTS),
        },
    ),
    Machine.REQUANTIZE: _declared(
        {*_RESULTS | _PRODUCT_LUTS | _READ, _F.SATURATION, _F.LANES, _F.PART_SUMS, _F.SHIFTERS},
        {
            *_RESULTS | _PRODUCT_FLIP_FLOPS | _SECOND,
            *(_F.INPUTS, _F.BIASES, _F.WHOLE_PRODUCTS, _F.ABSORBED_WHOLE_PRODUCTS),
        },
    ),
    Machine.LOOKUP: _declared({*_READ, _F.SKID_BUFFER}, {_F.VALUES, _F.SKID_BUFFER, _F.SOFT_MEMORY_OUTPUTS}),
    Machine.UPSAMPLE: _BUFFER,
    Machine.FIFO: _BUFFER,
    Machine.SERIALIZER: _declared({_F.POSITION, _F.DATA, _F.MASK}, {_F.POSITION, _F.DATA}),
    Machine.DESERIALIZER: _declared({_F.POSITION, _F.DATA, _F.MASK, _F.PART}, {_F.POSITION, _F.DATA}),
    Machine.GEARBOX: _declared({_F.POSITION, _F.BUFFER, _F.CHOICES, _F.COMPARES}, {_F.POSITION, _F.BUFFER}),
    Machine.SKID_BUFFER: _declared({_F.POSITION, _F.DATA}, {_F.POSITION, _F.DATA}),
    Machine.COUNTED: _declared(
        {*_PRODUCT_LUTS, _F.TABLE_LUTS, _F.FUNCTIONS, _F.SUMS, _F.MEMORY_LUTS, _F.STORED_BITS},
        {*_PRODUCT_FLIP_FLOPS | _SECOND, _F.REGISTERS, _F.STORED_BITS},
    ),
}


def in_order(features: Collection[Feature]) -> list[Feature]:
    """As they are declared."""
    return [feature for feature in Feature if feature in features]


def differences(names: Collection[str], declared: Collection[Feature]) -> Iterator[str]:
    """A line for each feature that is unknown or missing."""
    for name in names:
        if name not in declared:
            yield f"unknown feature {name!r}"
    yield from (f"no feature {name.value!r}" for name in in_order(declared) if name not in names)
