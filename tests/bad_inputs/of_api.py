"""Wrong types and values in calls of the Python API."""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

import gan2hls
from tests.bad_inputs.case import MODEL, PROJECT, Case

GOOD = np.zeros((1, 4, 1, 1))
LATENTS = np.zeros((8, 4, 1, 1)) + np.linspace(-1, 1, 8)[:, None, None, None]


class Refusing:
    """Raises whatever is done with it."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __repr__(self) -> str:
        raise RuntimeError("repr")


def holding_itself() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def project() -> gan2hls.Project:
    return gan2hls.Project.open(PROJECT)


def module() -> torch.nn.Module:
    return gan2hls.load(MODEL)


def graph() -> gan2hls.Graph:
    return gan2hls.Graph.load(Path(PROJECT) / "graph")


def quantized() -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch has others now
        return torch.quantize_per_tensor(torch.zeros((1, 4, 1, 1)), 1.0, 0, torch.qint8)


ARRAYS: dict[str, Callable[[], Any]] = {
    # what no array of inputs is
    "None": lambda: None,
    "a text": lambda: "abc",
    "bytes": lambda: b"abc",
    "a number": lambda: 3.0,
    "True": lambda: True,
    "an empty list": list,
    "a ragged list": lambda: [[1, 2], [3]],
    "a list of texts": lambda: [["1", "2", "3", "4"]],
    "a dictionary": lambda: {"z": GOOD},
    "a set": lambda: {1, 2},
    "a function": lambda: print,
    "a list that holds itself": holding_itself,
    "an object that refuses": Refusing,
    "objects": lambda: GOOD.astype(object),
    "complex numbers": lambda: GOOD.astype(complex),
    "dates": lambda: np.zeros((1, 4, 1, 1), "datetime64[s]"),
    "texts": lambda: GOOD.astype(str),
    "records": lambda: np.zeros((1, 4, 1, 1), [("a", "f4")]),
    "NaN": lambda: GOOD * np.nan,
    "infinite numbers": lambda: GOOD + np.inf,
    "a wrong shape": lambda: np.zeros((1, 5, 1, 1)),
    "no batch": lambda: np.zeros((4, 1, 1)),
    "a scalar array": lambda: np.float64(3),
    "a dimension too many": lambda: GOOD[None],
    "a tensor without values": lambda: torch.zeros((1, 4, 1, 1), device="meta"),
    "a sparse tensor": lambda: torch.zeros((1, 4, 1, 1)).to_sparse(),
    "a complex tensor": lambda: torch.zeros((1, 4, 1, 1), dtype=torch.complex64),
    "a quantized tensor": quantized,
}
DOORS: dict[str, Callable[[Any], Any]] = {
    "graph.run": lambda x: graph().run(x),
    "graph.run_integers": lambda x: graph().run_integers(x),
    "project.csim": lambda x: project().csim(x),
    "project.cosim": lambda x: project().cosim(x),
    "quantize": lambda x: gan2hls.quantize(module(), x),
}


def arrays() -> Iterator[tuple[str, Case]]:
    for door, call in DOORS.items():
        for kind, value in ARRAYS.items():

            def does(call: Callable[[Any], Any] = call, value: Callable[[], Any] = value) -> Any:
                return call(value())

            yield f"{door}: {kind}", Case(does, (), project=True)


BIG, LONG = 10**5000, "n" * 5000
NUMBERS: dict[str, Any] = {
    "None": None,
    "text": "8",
    "fraction": 8.5,
    "True": True,
    "NaN": float("nan"),
    "list": [8],
    "array": np.zeros(3),
    "5,000 digits": BIG,
    "complex": 8j,
    "refusing": Refusing(),
    "infinite": float("inf"),
    "0": 0,
    "-1": -1,
}
CALLS: dict[str, tuple[Callable[[Any], Any], dict[str, Any]]] = {
    "quantize weight_bits": (lambda v: gan2hls.quantize(module(), LATENTS, weight_bits=v), NUMBERS),
    "quantize activation_bits": (lambda v: gan2hls.quantize(module(), LATENTS, activation_bits=v), NUMBERS),
    "quantize method": (
        lambda v: gan2hls.quantize(module(), LATENTS, method=v),
        {"None": None, "number": 3, "unknown": "none", "escapes": "\x1b[2J", "long": LONG},
    ),
    "quantize overrides": (
        lambda v: gan2hls.quantize(module(), LATENTS, overrides=v),
        {
            "list": [1],
            "text": "up",
            "unknown layer": {"none": {}},
            "number": {"up": 8},
            "key": {3: {}},
            "holds": {"up": {"weight_bits": BIG}},
        },
    ),
    "quantize unknown option": (
        lambda v: gan2hls.quantize(module(), LATENTS, **{v: 8}),
        {"bits": "bits", "long": LONG},
    ),
    "quantize model": (
        lambda v: gan2hls.quantize(v, LATENTS),
        {
            "None": None,
            "path": MODEL,
            "class": torch.nn.ReLU,
            "function": torch.relu,
            "dictionary": {},
            "refusing": Refusing(),
        },
    ),
    "load source": (
        gan2hls.load,
        {
            "None": None,
            "number": 3,
            "bytes": b"tiny.pth",
            "empty": "",
            "NUL": "a\0b",
            "long": LONG,
            "folder": ".",
            "missing": "no.pth",
            "dictionary": {},
            "surrogate": "\ud800.pth",
            "stream": open,
        },
    ),
    "load architecture": (
        lambda v: gan2hls.load(MODEL, architecture=v),
        {
            "number": 3,
            "list": [],
            "empty": "",
            "NUL": "a\0.toml",
            "long": LONG,
            "folder": ".",
            "mapping": {},
            "keys": {3: 4},
            "big": {"input_shape": [BIG], "layers": []},
            "holds itself": {"layers": holding_itself(), "input_shape": [4]},
        },
    ),
    "build graph": (
        lambda v: gan2hls.build(v, "out"),
        {"None": None, "path": PROJECT, "module": torch.nn.ReLU(), "refusing": Refusing()},
    ),
    "build directory": (
        lambda v: gan2hls.build(graph(), v),
        {
            "None": None,
            "number": 3,
            "empty": "",
            "NUL": "a\0b",
            "long": LONG,
            "name": "n" * 300,
            "file": MODEL,
            "under a file": f"{MODEL}/x",
            "bytes": b"out",
            "foreign": ".",
            "surrogate": "\ud800",
        },
    ),
    "build multipliers": (
        lambda v: gan2hls.build(graph(), "out", multipliers=v),
        {k: v for k, v in NUMBERS.items() if k != "None"},
    ),
    "build dsps": (
        lambda v: gan2hls.build(graph(), "out", dsps=v, target="ecp5-85k"),
        {k: v for k, v in NUMBERS.items() if k != "None"},
    ),
    "build frames_per_second": (
        lambda v: gan2hls.build(graph(), "out", frames_per_second=v),
        {
            "text": "8",
            "True": True,
            "NaN": float("nan"),
            "infinite": float("inf"),
            "0": 0,
            "tiny": 1e-300,
            "huge": 1e300,
            "digits": BIG,
            "complex": 1j,
        },
    ),
    "build clock_mhz": (
        lambda v: gan2hls.build(graph(), "out", clock_mhz=v),
        {
            "None": None,
            "text": "8",
            "True": True,
            "NaN": float("nan"),
            "infinite": float("inf"),
            "0": 0,
            "tiny": 1e-320,
            "digits": BIG,
        },
    ),
    "build slack": (
        lambda v: gan2hls.build(graph(), "out", slack=v),
        {"None": None, "text": "8", "NaN": float("nan"), "negative": -1.0},
    ),
    "build target": (
        lambda v: gan2hls.build(graph(), "out", target=v),
        {"number": 3, "unknown": "none", "list": ["ecp5-85k"]},
    ),
    "build part": (lambda v: gan2hls.build(graph(), "out", part=v), {"None": None, "number": 3}),
    "build folding": (
        lambda v: gan2hls.build(graph(), "out", folding=v),
        {
            "list": [1],
            "text": "up",
            "unknown": {"none": (1, 1)},
            "text fold": {"up": "11"},
            "fractions": {"up": (1.0, 1)},
            "truths": {"up": (True, 1)},
            "zero": {"up": (0, 1)},
            "digits": {"up": (BIG, 1)},
            "three": {"up": (1, 1, 1)},
            "None": {"up": None},
            "refusing": {"up": Refusing()},
        },
    ),
    "Project.open": (
        gan2hls.Project.open,
        {
            "None": None,
            "number": 3,
            "empty": "",
            "NUL": "a\0b",
            "long": LONG,
            "missing": "no",
            "file": MODEL,
            "not a project": ".",
        },
    ),
    "Graph.load": (
        gan2hls.Graph.load,
        {"None": None, "number": 3, "empty": "", "NUL": "a\0b", "long": LONG, "missing": "no", "file": MODEL},
    ),
    "graph.save": (
        lambda v: graph().save(v),
        {"None": None, "number": 3, "empty": "", "NUL": "a\0b", "long": LONG, "file": MODEL, "foreign": "."},
    ),
    "graph.node": (
        lambda v: graph().node(v),
        {"None": None, "number": 3, "unknown": "none", "escapes": "\x1b[2J", "long": LONG},
    ),
    "cosim seed": (
        lambda v: project().cosim(GOOD, seed=v),
        {"None": None, "negative": -1, "text": "1", "fraction": 1.5, "digits": BIG},
    ),
    "cosim stalls": (lambda v: project().cosim(GOOD, stalls=v), {"None": None, "text": "no", "number": 2}),
    "cosim waves": (lambda v: project().cosim(GOOD, waves=v), {"number": 3, "empty": "", "NUL": "a\0b", "long": LONG}),
    "synth target": (lambda v: project().synth(v), {"None": None, "number": 3, "unknown": "none", "long": LONG}),
    "synth seeds": (
        lambda v: project().synth("ecp5-85k", seeds=v),
        {
            "None": None,
            "0": 0,
            "-1": -1,
            "text": "12",
            "fraction": 1.5,
            "True": True,
            "10^12": 10**12,
            "digits": BIG,
            "empty": [],
            "negative": [-1],
            "texts": ["1"],
            "fractions": [1.5],
        },
    ),
    "synth clock_mhz": (
        lambda v: project().synth("ecp5-85k", clock_mhz=v),
        {"text": "8", "NaN": float("nan"), "0": 0, "True": True, "tiny": 1e-320},
    ),
    "synth tool": (lambda v: project().synth("ecp5-85k", tool=v), {"None": None, "unknown": "none", "number": 3}),
    "synth place": (lambda v: project().synth("ecp5-85k", place=v), {"None": None, "text": "no"}),
    "estimate target": (lambda v: project().estimate(v), {"None": None, "number": 3, "unknown": "none"}),
    "estimate clock_mhz": (
        lambda v: project().estimate("xcup", clock_mhz=v),
        {"text": "8", "NaN": float("nan"), "0": 0, "True": True, "tiny": 1e-320, "digits": BIG},
    ),
    "check_netlist target": (
        lambda v: project().check_netlist(v),
        {"None": None, "unknown": "none", "without models": "xcup"},
    ),
    "check_netlist x": (
        lambda v: project().check_netlist("ecp5-85k", v),
        {"text": "x", "shape": np.zeros((1, 5, 1, 1)), "empty": GOOD[:0]},
    ),
}


def calls() -> Iterator[tuple[str, Case]]:
    for name, (call, values) in CALLS.items():
        for kind, value in values.items():

            def does(call: Callable[[Any], Any] = call, value: Any = value) -> Any:
                return call(value)

            yield f"{name}: {kind}", Case(does, (), project=True, most_lines=25)


CASES = dict([*arrays(), *calls()])
