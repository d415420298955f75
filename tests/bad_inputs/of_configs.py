"""Keys, values and layers that a configuration or an architecture can not have."""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.bad_inputs.case import MODEL, Case, words
from tests.doors import ARCHITECTURE

DIGITS = "9" * 18
FLOW: dict[str, tuple[str, ...]] = {
    # section.key → values, as TOML has them
    "model.source": (
        "3",
        '""',
        '"a\\u0000b"',
        f'"{"n" * 300}.pth"',
        '"/dev/zero"',
        '"."',
        '["tiny.pth"]',
        '"a\\u001b[2J"',
    ),
    "model.architecture": ('"no.toml"', '""', '"a\\u0000.toml"', '"."', "true"),
    "calibration.samples": ("0", "-1", "1.5", "true", '"8"', "1000000000000", DIGITS, "[8]"),
    "calibration.seed": ("-1", "1.0", "true", "99999999999999999999999", "nan"),
    "calibration.file": ('""', '"no.npy"', '"a\\u0000.npy"', '"."', "1", f'"{"n" * 5000}"'),
    "quantize.weight_bits": ("0", "17", "8.0", "nan", "true", '"8"', DIGITS, "9999999999999999999999", "1979-05-27"),
    "quantize.input_bits": ("1", "17", "-1"),
    "quantize.output_bits": ("1", "17"),
    "quantize.table_bits": ("1", "13", DIGITS),
    "quantize.method": ('"none"', "3", '""', '"\\u001b[2J"'),
    "quantize.percentile": ("50", "101", "nan", "inf", "-inf", '"99"', "true", "1e400"),
    "quantize.scales": ('"fixed"', "1"),
    "quantize.granularity": ('"pixel"',),
    "quantize.weight_quantizer": ('"none"', "8"),
    "quantize.input_scale": ("0", "-1", "nan", "inf", "1e-320", "1e300", "true"),
    "quantize.input_signed": ("1", '"true"', "nan"),
    "quantize.layers": (
        "3",
        "[]",
        "{up = 3}",
        "{up = {weight_bits = 0}}",
        "{up = {bits = 8}}",
        "{none = {weight_bits = 8}}",
    ),
    'quantize.layers."up".weight_scale': ("0", "nan", "inf", "1e-320", "1e300"),
    'quantize.layers."up".activation_scale': ("0", "-inf", "1e-320", "1e300"),
    "folding.multipliers": ("0", "-1", "1.5", "nan", "true", "1"),
    "folding.dsps": ("0", "8", "true"),
    "folding.frames_per_second": ("0", "nan", "inf", "1e-300", "1e300", "true"),
    "folding.slack": ("-0.1", "nan", "inf", "1e300", '"much"'),
    "folding.target": ('"none"', "3", '""', '"\\u001b[2J"'),
    "folding.layers": ("3", "{none = {pe = 1, simd = 1}}", '{"\\u001b[2J" = {pe = 1, simd = 1}}'),
    "folding.layers.up": (
        "{}",
        "{pe = 1}",
        "{pe = 0, simd = 1}",
        "{pe = 1, simd = -1}",
        "{pe = 1.0, simd = 1}",
        "{pe = true, simd = 1}",
        "{pe = 4, simd = 1}",
        f"{{pe = {DIGITS}, simd = 1}}",
        "{pe = 1, simd = 1, packing = 2}",
        f"{{pe = 1, simd = 1, tap_rows = {DIGITS}}}",
        "{pe = 1, simd = 1, parts = 3}",
        "{pe = 1, simd = 1, lanes = 3}",
        "[1, 1]",
        '{pe = "1", simd = 1}',
    ),
    "hls.clock_mhz": ("0", "-1", "nan", "inf", "1e-320", "1e300", "true", '"200"'),
    "hls.part": ("3", "[]"),
    "simulation.csim_images": ("0", "-1", "1000000000000", DIGITS, "1.0"),
    "simulation.cosim_images": ("0", "1000000000000", "true"),
    "simulation.seed": ("-1", "1.5", "99999999999999999999999"),
    "simulation.stalls": ("1", '"no"'),
    "none.key": ("1",),
    "quantize.weight_bit": ("8",),
    "sweep.images": ("0", "1"),
}
SWEEP: dict[str, tuple[str, ...]] = {
    "sweep.weight_bits": ("[0]", "[8, 8]", "8", '["8"]', "[1.5]", f"[{DIGITS}]", "[[8]]"),
    "sweep.target": ("[]", '["none"]', '"ecp5-85k"', "[3]"),
    "sweep.multipliers": ("[0]", "[-1]", "[true]", "[1.5]"),
    "sweep.frames_per_second": ("[0]", "[nan]", "[inf]", "[1e-300]", "[1e300]"),
    "sweep.images": ("0", "1", "1000000000000", "nan"),
    "sweep.seeds": ("0", "1000000000000", DIGITS),
    "sweep.search": ("-1", "1000000000000"),
    "sweep.seed": ("-1", "1.5"),
    "sweep.clock_mhz": ("0", "nan", "inf", "1e-320"),
    "sweep.tool": ('"none"', "3"),
    "sweep.points": (
        "3",
        "[3]",
        "[{}, {weight_bits = 0}]",
        "[{none = 1}]",
        '[{name = ""}]',
        "[{multipliers = 1, dsps = 1}]",
    ),
    "sweep.search_weight_bits": ("[]", "[0]", "[2, 2]"),
}
TRAIN: dict[str, tuple[str, ...]] = {
    "data.source": ('"none"', '"idx"', "3"),
    "data.path": ('"x"', "3"),
    "data.size": ("0", "31", "1000000000", DIGITS, "1.5", "true"),
    "data.channels": ("0", "2", "true"),
    "data.fit": ('"none"',),
    "data.background": ("2", "nan", "inf"),
    "data.limit": ("0", "-1", "1"),
    "generator.latent": ("0", "1000000000000", DIGITS),
    "generator.widths": ("[]", "[0]", "[1.5]", "8", "[1000000000, 8]", "[8, 8, 8, 8, 8, 8]", f"[{'8, ' * 5000}]"),
    "discriminator.widths": ("[]", "[0]", "[1000000000]", f"[{'8, ' * 5000}]"),
    "discriminator.slope": ("1", "nan", "-1"),
    "discriminator.normalization": ('"none at all"',),
    "training.loss": ('"none"', "3"),
    "training.epochs": ("0", "-1", "1.5", "true"),
    "training.batch_size": ("0", "1000000000000", DIGITS),
    "training.generator_rate": ("0", "nan", "inf", "-1"),
    "training.beta1": ("1", "nan"),
    "training.real_target": ("0", "nan", "2"),
    "training.ema_decay": ("1", "nan"),
    "training.seed": ("-1", "99999999999999999999999"),
    "training.threads": ("0", "1000000000000", DIGITS),
    "training.samples": ("0", "1000000000000", DIGITS),
}


def toml(name: str, key: str, value: str) -> Callable[[Path], Any]:
    section, _, last = key.rpartition(".")
    return lambda folder: (folder / name).write_text(f"[{section}]\n{last} = {value}\n")


def short(value: str) -> str:
    return value if len(value) <= 40 else f"{value[:30]}… of {len(value)}"


def keys() -> Iterator[tuple[str, Case]]:
    tables = (
        (FLOW, "c.toml", f"build {MODEL} --config c.toml", "config"),
        (SWEEP, "c.toml", f"sweep {MODEL} --config c.toml", "sweep's config"),
        (TRAIN, "t.toml", "train --config t.toml", "training config"),
    )
    for table, name, line, kind in tables:
        for key, values in table.items():
            for value in values:
                given = words(line if key != "model.source" else "build --config c.toml")
                yield f"{kind}: {key} = {short(value)}", Case(given, (), toml(name, key, value))


def layer(index: int, **changes: Any) -> Callable[[dict[str, Any]], None]:
    def change(architecture: dict[str, Any]) -> None:
        for key, value in changes.items():
            if value is None:
                architecture["layers"][index].pop(key, None)
            else:
                architecture["layers"][index][key] = value

    return change


def whole(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda architecture: architecture.update(changes)


def more(count: int, **table: Any) -> Callable[[dict[str, Any]], None]:
    return lambda architecture: architecture["layers"].extend([dict(table) for _ in range(count)])


HUGE = 10**9
ARCHITECTURES: dict[str, Callable[[dict[str, Any]], None]] = {
    "no layers": whole(layers=[]),
    "layers that are a number": whole(layers=3),
    "layers that are texts": whole(layers=["up"]),
    "20,000 layers that are texts": whole(layers=["up"] * 20_000),
    "no input shape": whole(input_shape=None),
    "input shape of two": whole(input_shape=[4, 1]),
    "input shape of 10^18": whole(input_shape=[10**6, 10**6, 10**6]),
    "input shape of 0": whole(input_shape=[0, 1, 1]),
    "input shape of fractions": whole(input_shape=[4.0, 1, 1]),
    "input shape of truths": whole(input_shape=[True, True, True]),
    "unknown key": whole(layer=[]),
    "unknown type": layer(0, type="Conv9d"),
    "type that is a list": layer(0, type=["ReLU"]),
    "no type": layer(0, type=None),
    "escapes in a type": layer(0, type="\x1b[2J"),
    "markup in a type": layer(0, type="[red]x[/]"),
    "type of 1 MB": layer(0, type="x" * 1_000_000),
    "name that is a number": layer(0, name=3),
    "empty name": layer(0, name=""),
    "name of dots": layer(0, name="..."),
    "name of 10,000 parts": layer(0, name=".".join(["a"] * 10_000)),
    "name of 1 MB": layer(0, name="x" * 1_000_000),
    "name with escapes": layer(0, name="\x1b[2J"),
    "name that torch has": layer(0, name="forward"),
    "two names alike": layer(1, name="up"),
    "name inside another": layer(1, name="up.norm"),
    "no in_channels": layer(0, in_channels=None),
    "in_channels of 0": layer(0, in_channels=0),
    "in_channels that do not fit": layer(0, in_channels=5),
    "out_channels of 10^9": layer(0, out_channels=HUGE),
    "out_channels of 2^62": layer(0, out_channels=2**62),
    "kernel of 10^9": layer(0, kernel_size=HUGE),
    "kernel of 2^62": layer(0, kernel_size=2**62),
    "kernel of 0": layer(0, kernel_size=0),
    "kernel of three": layer(0, kernel_size=[2, 2, 2]),
    "kernel of a fraction": layer(0, kernel_size=2.5),
    "stride of 0": layer(0, stride=0),
    "stride of 10^9": layer(3, stride=HUGE),
    "padding of -1": layer(0, padding=-1),
    "padding of 10^9": layer(3, padding=HUGE),
    "padding of words": layer(0, padding="same"),
    "output padding of 5": layer(3, output_padding=5),
    "dilation of 2": layer(0, dilation=2),
    "groups of 2": layer(0, groups=2),
    "groups of 0": layer(0, groups=0),
    "bias that is a number": layer(0, bias=1),
    "unknown argument": layer(0, kernel=2),
    "eps of 0": layer(1, eps=0),
    "eps of NaN": layer(1, eps=float("nan")),
    "eps that is infinite": layer(1, eps=float("inf")),
    "eps of 1e300": layer(1, eps=1e300),
    "slope of NaN": layer(2, type="LeakyReLU", negative_slope=float("nan")),
    "slope of 1e300": layer(2, type="LeakyReLU", negative_slope=1e300),
    "slope that is infinite": layer(2, type="LeakyReLU", negative_slope=float("inf")),
    "Linear of 10^9": whole(
        input_shape=[4], layers=[{"name": "up", "type": "Linear", "in_features": 4, "out_features": HUGE}]
    ),
    "Linear of 10^9 by 10^9": whole(
        input_shape=[HUGE], layers=[{"name": "up", "type": "Linear", "in_features": HUGE, "out_features": HUGE}]
    ),
    "Upsample by 10^9": more(1, name="more", type="Upsample", scale_factor=HUGE),
    "Upsample by 2, 60 times": lambda a: a["layers"].extend(
        {"name": f"u{i}", "type": "Upsample", "scale_factor": 2} for i in range(60)
    ),
    "Reshape to 10^18": more(1, name="more", type="Reshape", shape=[10**9, 10**9]),
    "Reshape that does not fit": more(1, name="more", type="Reshape", shape=[7]),
    "Unflatten that does not fit": more(1, name="more", type="Unflatten", unflattened_size=[3, 3]),
    "Dropout of NaN": more(1, name="more", type="Dropout", p=float("nan")),
    "Flatten of axes that are not there": more(1, name="more", type="Flatten", start_dim=99),
}


def architectures() -> Iterator[tuple[str, Case]]:
    for name, change in ARCHITECTURES.items():

        def make(folder: Path, change: Callable[[dict[str, Any]], None] = change) -> None:
            architecture = copy.deepcopy(ARCHITECTURE)
            change(architecture)
            (folder / "a.json").write_text(json.dumps(architecture))

        given = words(f"build {MODEL} --architecture a.json")
        yield f"architecture: {name}", Case(given, (), make, most_lines=25)


CASES = dict([*keys(), *architectures()])
