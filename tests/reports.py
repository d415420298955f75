"""Runs and pipelines that reports are made of, for tests."""

import dataclasses
from typing import Any

import numpy as np

from gan2hls.assembly import make_pipeline
from gan2hls.folding import choose_folding
from gan2hls.ir import Graph, IntType, Node, TensorType
from gan2hls.ops import ConvTranspose2d, Dense, Lookup, Requantize
from gan2hls.pipeline import Pipeline
from gan2hls.report import (
    RunReport,
)

RNG = np.random.default_rng(7)
S8, U8 = IntType(8, True), IntType(8, False)
TOOLS = [("verilator", "5.036"), ("g++ <C++17>", "12.2.0")]
VOID = {"meta", "img", "br", "link", "input", "hr"}


def requantize(name: str, channels: int, output: IntType = U8) -> Node:
    values = [RNG.integers(1000, 2000, channels), RNG.integers(-500, 500, channels)]
    return Node(name, Requantize(values[0], values[1], 20, output.min, output.max, output, 0.02))


def pipeline_of(*nodes: Node, shape: tuple[int, int, int] = (1, 1, 6), multipliers: int = 24) -> Pipeline:
    graph = Graph.chain(TensorType(shape, S8, 0.03), nodes, (shape[2], *shape[:2]), ())
    height, width, channels = graph.output.shape
    door = (channels, height, width) if height * width > 1 else (channels,)
    graph = dataclasses.replace(graph, ports={**graph.ports, graph.outputs[0]: door}).verify()
    return make_pipeline(graph, choose_folding(graph, multipliers=multipliers))


def dcgan(names: tuple[str, str, str] = ("first", "second", "third"), channels: int = 1) -> Pipeline:
    codes = [RNG.integers(-128, 128, shape) for shape in ((2, 2, 6, 5), (4, 4, 5, 4), (4, 4, 4, channels))]
    layers = [ConvTranspose2d(codes[0], 8)]
    layers += [ConvTranspose2d(c, 8, stride=(2, 2), padding=(1, 1)) for c in codes[1:]]
    table = np.arange(-128, 128)
    return pipeline_of(
        Node(names[0], layers[0]),
        requantize("r1", 5),
        Node(names[1], layers[1]),
        requantize("r2", 4),
        Node(names[2], layers[2]),
        requantize("r3", channels, S8),
        Node("tanh", Lookup(table, S8, 1 / 128, "tanh")),
    )


def vector_net() -> Pipeline:
    codebook = (-7, -1, 1, 7)
    dense = Dense(RNG.integers(0, 4, (1, 1, 6, 10)), 2, codebook)
    return pipeline_of(Node("fc", dense), requantize("r", 10, S8))


def run_report(pipeline: Pipeline, **changes: Any) -> RunReport:
    graph = pipeline.graph
    golden = graph.run(np.random.default_rng(3).normal(size=(4, *graph.input_shape)))
    values: dict[str, Any] = {
        "label": "W8A8",
        "pipeline": pipeline,
        "real_images": golden + 0.01,
        "golden": golden,
        "csim": golden.copy(),
        "rtl": golden[:2].astype(np.float32),
        "compared_values": {"C++": golden.size, "RTL": golden[:2].size},
        "differing_values": 0,
        "psnr": 46.0206,
        "latency_cycles": 4321,
        "interval_cycles": pipeline.interval_cycles,
        "clock_mhz": 125.0,
    }
    return RunReport(**{**values, **changes})
