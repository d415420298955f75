"""Forks, joins and constants, which no model is fitted to: a dozen of each as yosys finds them, and as they count."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gan2hls.estimate import count_stage, stage_usage
from gan2hls.estimate.model import shipped_model
from gan2hls.ir import IntType, Node, TensorType
from gan2hls.ops import Add, Concat, Constant, Slice, Sub
from gan2hls.synth import Usage, synthesize
from tests.ops.contract import GraphCase

INSTANCES = 12
SEED = 6
"""Not the one of the instances on which the coefficients of tables were found."""

OFF = {"luts": 0.15, "flip_flops": 0.03}
"""Most that all instances together may be off, as a share of what yosys counts."""
ONE_OFF = {"luts": (0.4, 10), "flip_flops": (0.05, 6)}
"""The same of each: a share, and a number."""
TABLE_OFF = 0.7
"""Share of the LUTs of a constant: of tables without order yosys makes half or twice as much of one as of another."""


class Design:
    """Kernels side by side, each with inputs and outputs of its own."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(SEED)
        self.tensors: dict[str, TensorType] = {}
        self.nodes: list[Node] = []
        self.lanes: dict[str, int] = {}

    def draw(self, least: int, most: int) -> int:
        return int(self.rng.integers(least, most + 1))

    def tensor(self, channels: int, most_side: int = 8) -> TensorType:
        kind = IntType(self.draw(2, 11), bool(self.draw(0, 1)))
        return TensorType((self.draw(1, most_side), self.draw(2, most_side), channels), kind, 1.0)

    def put(self, op: Add | Sub | Concat | Constant | Slice, inputs: dict[str, TensorType], lanes: int) -> None:
        self.tensors |= inputs
        name = f"node{len(self.nodes)}"
        self.nodes.append(Node(name, op, tuple(inputs)))
        self.lanes[name] = lanes

    def join(self, tensor: TensorType, lanes: int) -> None:
        """Put an input's channels before the last node's result."""
        before, source, name = self.nodes[-1].name, f"x{len(self.nodes)}", f"node{len(self.nodes)}"
        self.tensors[source] = TensorType((*tensor.shape[:2], lanes), tensor.int_type, 1.0)
        self.nodes.append(Node(name, Concat(), (source, before)))
        self.lanes[name] = lanes

    def case(self) -> GraphCase:
        used = {name for node in self.nodes for name in node.inputs}
        outputs = tuple(node.name for node in self.nodes if node.name not in used)
        return GraphCase("counted", self.tensors, tuple(self.nodes), self.lanes, outputs=outputs)


def forks(design: Design, index: int) -> None:
    tensor = design.tensor(design.draw(1, 16))
    lanes = design.draw(1, tensor.channels)
    for reader in range((2, 2, 3, 5)[index % 4]):
        design.put(Add(), {f"x{index}": tensor, f"y{index}_{reader}": tensor}, lanes)


def sums(design: Design, index: int) -> None:
    tensor = design.tensor(design.draw(1, 16))
    inputs = {f"x{index}_{number}": tensor for number in range((2, 2, 3, 4)[index % 4])}
    design.put(Sub() if index % 4 == 1 else Add(), inputs, design.draw(1, tensor.channels))


def concats(design: Design, index: int) -> None:
    lanes, tensor = design.draw(1, 8), design.tensor(1)
    channels = [lanes * design.draw(1, 8) for _ in range((2, 2, 3, 4)[index % 4])]
    shapes = [(*tensor.shape[:2], count) for count in channels]
    inputs = {f"x{index}_{n}": TensorType(shape, tensor.int_type, 1.0) for n, shape in enumerate(shapes)}
    design.put(Concat(), inputs, lanes)


def slices(design: Design, index: int) -> None:
    lanes = design.draw(1, 8)
    start = lanes * design.draw(0, 4)
    stop = start + design.draw(1, 4 * lanes)
    design.put(Slice(start, stop), {f"x{index}": design.tensor(stop + design.draw(1, 20), 20)}, lanes)


def constants(design: Design, index: int) -> None:
    tensor = design.tensor(design.draw(1, 16), 24)
    kind = tensor.int_type
    values = design.rng.integers(kind.min, kind.max + 1, tensor.shape)
    lanes = design.draw(1, tensor.channels)
    design.put(Constant(values, tensor), {}, lanes)
    design.join(tensor, lanes)  # no output depends on a constant alone


Draw = Callable[[Design, int], None]
DRAWS: dict[str, Draw] = {
    "stream_fork": forks,
    "add": sums,
    "concat": concats,
    "slice": slices,
    "constant": constants,
}
CASES = [
    pytest.param(module, family, marks=() if (family, module == "stream_fork") == ("ecp5", False) else pytest.mark.slow)
    for module in DRAWS
    for family in ("ecp5", "gowin", "xcup")
]


@pytest.mark.parametrize(("module", "family"), CASES)
def test_what_is_counted_without_a_fit(module: str, family: str, tmp_path: Path) -> None:
    design = Design()
    for index in range(INSTANCES):
        DRAWS[module](design, index)
    pipeline = design.case().pipeline()
    result = synthesize(pipeline, None, pipeline.graph.name, family, tool="yosys", place=False, scratch=tmp_path)
    found = {stage.name: stage.usage for stage in result.stages}
    stages = [stage for stage in pipeline.stages if stage.module == module]
    assert len(stages) == INSTANCES
    totals = [Usage(), Usage()]
    rule = []
    for stage in stages:
        counted = count_stage(stage, family)
        estimated, usage = stage_usage(counted, family, shipped_model()), found[stage.name]
        totals = [totals[0] + estimated, totals[1] + usage]
        print(f"{stage.parameters}: estimated {estimated}, yosys {usage}")
        assert estimated.block_rams == usage.block_rams
        rule += [(s.words, s.bits, m.where, m.block_rams) for s, m in counted.memories if s.bits and s.words > 1]
        for what, (share, number) in ONE_OFF.items():
            if module == "constant" and what == "luts":
                share = TABLE_OFF
            assert abs(getattr(estimated, what) - getattr(usage, what)) <= max(number, share * getattr(usage, what))
    assert sorted(rule) == sorted((m.words, m.bits, m.mapped, m.block_rams) for m in result.memories)
    for what, share in OFF.items():
        estimated, counted = (getattr(total, what) for total in totals)
        print(f"{module} on {family}: {what} {estimated}, yosys {counted}, {100 * (estimated / counted - 1):+.1f} %")
        # By its name, a register of the concatenation behind is told with the constant.
        beside = INSTANCES if (module, what) == ("constant", "flip_flops") else 0
        assert abs(estimated + beside - counted) <= share * counted
