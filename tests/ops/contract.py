"""The contract of an op: outside reference == golden model == C simulation == RTL, and exact cycles.

A test file inherits `OpContract`, names fixed corner cases and draws random ones; `outside` says what the result must
be by a way that shares no code with the op. All cases of an op are simulated in one Verilator build and compiled by one
g++ run.
"""

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gan2hls.assembly import make_pipeline
from gan2hls.backends.hls import write_hls
from gan2hls.backends.rtl import write_rtl
from gan2hls.files import write_text
from gan2hls.ir import Fold, Graph, Input, IntType, Node, Op, TensorType
from gan2hls.pipeline import Pipeline, Sizes
from gan2hls.simulate import CSIM_FLAGS, RtlDesign, run_csim, simulate_rtl
from gan2hls.tools import require_tool, run_tool
from tests.ops.outside import outside

FRAMES = 4


@dataclass(frozen=True, eq=False)
class Case:
    """Ops in a row on an input of type `tensor`, with a fold each."""

    label: str
    tensor: TensorType
    ops: tuple[Op, ...]
    folds: tuple[Fold, ...]

    def pipeline(self) -> Pipeline:
        height, width, channels = self.tensor.shape
        nodes = tuple(Node(f"op{index}", op) for index, op in enumerate(self.ops))
        output = self.tensor
        for op in self.ops:
            problems = list(op.verify(output))
            assert not problems, f"{self.label}: {problems}"
            output = op.output_type(output)
        door_output = (output.channels, *output.shape[:2])
        graph = Graph.chain(self.tensor, nodes, (channels, height, width), door_output).verify()
        return make_pipeline(graph, {node.name: fold for node, fold in zip(nodes, self.folds, strict=True)})

    def frames(self, rng: np.random.Generator) -> np.ndarray:
        """(FRAMES, height, width, channels): all smallest, all largest, extremes at random, anything."""
        kind = self.tensor.int_type
        frames = rng.integers(kind.min, kind.max + 1, (FRAMES, *self.tensor.shape))
        frames[0], frames[1] = kind.min, kind.max
        frames[2] = rng.choice([kind.min, kind.max, 0], self.tensor.shape)
        return frames

    def __str__(self) -> str:
        parameters = [(stage.module, stage.parameters) for stage in self.pipeline().stages]
        return f"{self.label}: input {self.tensor}, {parameters}"


@dataclass(frozen=True, eq=False)
class GraphCase:
    """Any graph on inputs of these types, without FIFOs but for those that are given.

    Attributes:
        tensors: of each input, by name.
        nodes: as the graph has them, without the inputs.
        lanes: of each node.
        fifos: beats of the FIFO in a stream, by the stream's name.
        outputs: names of nodes; the last one where none are given.
    """

    label: str
    tensors: dict[str, TensorType]
    nodes: tuple[Node, ...]
    lanes: dict[str, int]
    fifos: dict[str, int] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()

    def graph(self) -> Graph:
        inputs = tuple(Node(name, Input(tensor)) for name, tensor in self.tensors.items())
        outputs = self.outputs or (self.nodes[-1].name,)
        types = Graph((*inputs, *self.nodes), outputs, {}).types
        ports = {name: (types[name].channels, *types[name].shape[:2]) for name in (*self.tensors, *outputs)}
        return Graph((*inputs, *self.nodes), outputs, ports).verify()

    def pipeline(self) -> Pipeline:
        folding = {name: Fold(lanes, lanes) for name, lanes in self.lanes.items()}
        return make_pipeline(self.graph(), folding, Sizes(fifos=self.fifos))

    def frames(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """As those of `Case`, and two in which the inputs are smallest and largest in turn, of each input by name."""
        frames = {}
        for index, (name, tensor) in enumerate(self.tensors.items()):
            kind = tensor.int_type
            x = rng.integers(kind.min, kind.max + 1, (FRAMES + 2, *tensor.shape))
            x[0], x[1] = kind.min, kind.max
            x[2] = rng.choice([kind.min, kind.max, 0], tensor.shape)
            x[3], x[4] = ((kind.min, kind.max), (kind.max, kind.min))[index % 2]
            frames[name] = x
        return frames

    def __str__(self) -> str:
        parameters = [(stage.module, stage.parameters) for stage in self.pipeline().stages]
        return f"{self.label}: inputs {', '.join(map(str, self.tensors.values()))}, {parameters}"


def single(
    label: str,
    op: Op,
    shape: Sequence[int],
    kind: IntType,
    pe: int = 1,
    simd: int | None = None,
    packing: int = 1,
    *,
    taps: tuple[int, int] = (1, 1),
    rest: tuple[int, int] = (1, 1),
) -> Case:
    """One op; `simd` is `pe` if not given, as for an op with one number of lanes."""
    height, width, channels = shape
    fold = Fold(pe, pe if simd is None else simd, packing, *taps, *rest)
    return Case(label, TensorType((height, width, channels), kind, 1.0), (op,), (fold,))


def draw_type(rng: np.random.Generator, low: int, high: int) -> IntType:
    return IntType(int(rng.integers(low, high + 1)), bool(rng.integers(2)))


def channels_first(x: Any) -> Any:
    """Frames as they come to the graph's ports: an array, or several by name."""
    if isinstance(x, Mapping):
        return {name: channels_first(values) for name, values in x.items()}
    return x.transpose(0, 3, 1, 2)


def assert_equal(got: np.ndarray, expected: np.ndarray, what: str, case: Case) -> None:
    """Equal shapes and elements, or the first difference."""
    assert got.shape == expected.shape, f"{what} gives shape {got.shape}, not {expected.shape}, for {case}"
    wrong = np.argwhere(np.asarray(got) != expected)
    if len(wrong):
        first = tuple(wrong[0])
        raise AssertionError(
            f"{what}: {len(wrong)} of {got.size} elements differ, first {first}: "
            f"{got[first]} instead of {expected[first]}, for {case}"
        )


class OpContract:
    """What every op must do; a subclass gives the cases."""

    random_references = 60
    """Random cases on which the golden model alone is compared: cheap."""
    random_designs = 6
    """Random cases that are simulated beside the corner cases."""
    exact_interval = True
    """Whether the pipeline's interval is that of its slowest stage exactly: so for a single op, fed without stalls."""

    def corners(self, rng: np.random.Generator) -> list[Case]:
        """Fixed cases; only their weights are random."""
        raise NotImplementedError

    def draw(self, rng: np.random.Generator) -> Case:
        """A random case that is valid."""
        raise NotImplementedError

    def outside(self, case: Case, x: np.ndarray) -> np.ndarray:
        """The result for integers `x` (n, height, width, channels), by a way that shares nothing with the ops."""
        tensor = case.tensor
        for op in case.ops:
            x = outside(op, tensor, x)
            tensor = op.output_type(tensor)
        return x

    def cases(self, rng: np.random.Generator, count: int) -> list[Case]:
        return self.corners(rng) + [self.draw(rng) for _ in range(count)]

    def test_reference(self, rng: np.random.Generator) -> None:
        for case in self.cases(rng, self.random_references):
            graph = case.pipeline().graph
            x = case.frames(rng)
            expected = self.outside(case, x)
            assert_equal(graph.run_stream(x), expected, "golden model", case)
            doors = graph.run_integers(channels_first(x))
            assert doors.dtype == np.int64
            assert_equal(doors.transpose(0, 2, 3, 1), expected, "golden model at its doors", case)
            kind = graph.output.int_type
            assert ((kind.min <= expected) & (expected <= kind.max)).all(), f"{kind} overflows for {case}"

    def test_c_simulation(self, rng: np.random.Generator, tmp_path: Path) -> None:
        cases = self.cases(rng, self.random_designs)
        library = compile_cases(cases, tmp_path)
        for index, case in enumerate(cases):
            x = case.frames(rng)
            expected = self.outside(case, x)
            select_case(library, index)
            assert_equal(run_csim(library, case.pipeline(), x), expected, "C simulation", case)

    def test_rtl(self, rng: np.random.Generator, tmp_path: Path) -> None:
        cases = self.cases(rng, self.random_designs)
        designs = []
        for index, case in enumerate(cases):
            pipeline = case.pipeline()
            write_rtl(pipeline, tmp_path / f"case{index}", name=f"case{index}")
            designs.append(RtlDesign(tmp_path / f"case{index}", f"case{index}", pipeline, case.frames(rng)))
        seed = int(rng.integers(1 << 31))
        runs = simulate_rtl(designs, log=tmp_path / "rtl.log", seed=seed, optimize=False)
        late = []
        for case, design, run in zip(cases, designs, runs, strict=True):
            assert_equal(run.outputs, self.outside(case, design.x), "RTL", case)
            model = design.pipeline.interval_cycles
            if run.interval_cycles != model and (self.exact_interval or run.interval_cycles < model):
                late.append(f"interval {run.interval_cycles}, the model says {model}, for {case}")
            beats = max(bus.stream.beats for bus in design.pipeline.slaves + design.pipeline.masters)
            if not 0 < run.latency_cycles <= 3 * sum(s.cycles for s in design.pipeline.stages) + 2 * beats + 64:
                late.append(f"latency {run.latency_cycles} for {case}")
        assert not late, "\n".join(late)


# -- C simulation of several designs in one library -------------------------------------------------------------------

_DISPATCH = """
static int (*const runs[])(const std::int64_t*, std::int64_t*, int, char*, int) = {{{runs}}};
extern "C" int gan2hls_case = 0;
extern "C" int gan2hls_run(const std::int64_t* input, std::int64_t* output, int frames, char* message, int size) {{
    return runs[gan2hls_case](input, output, frames, message, size);
}}
"""


def compile_cases(cases: Sequence[Case], folder: Path) -> Path:
    """Compile the C simulations of all cases as one file."""
    projects = {f"case{index}": folder / f"case{index}" for index in range(len(cases))}
    for case, (name, project) in zip(cases, projects.items(), strict=True):
        write_hls(case.pipeline(), project, name=name)
    return compile_projects(projects, folder)


def compile_projects(projects: Mapping[str, Path], folder: Path) -> Path:
    """Compile written HLS projects, by the names of their tops, as one file: the headers are most of the work."""
    lines = []
    for name, project in projects.items():
        lines += [f"#define gan2hls_run {name}_run", f"#define gan2hls_stage {name}_stage"]
        lines += [f'#include "{project}/{file}"' for file in ("bridge.cpp", f"firmware/{name}.cpp")]
        lines += ["#undef gan2hls_run", "#undef gan2hls_stage"]
    runs = ", ".join(f"{name}_run" for name in projects)
    write_text(folder / "cases.cpp", "\n".join(lines) + _DISPATCH.format(runs=runs))
    library = folder / "cases.so"
    command = [require_tool("g++").path, *CSIM_FLAGS, "-O1", "-DAP_INT_MAX_W=32768"]  # of the widest of them
    command += ["-I", next(iter(projects.values())) / "kernels" / "sim", "-isystem", require_tool("ap_types").path]
    command += [folder / "cases.cpp", "-o", library]
    run_tool(command, what="compiling the C simulations", log=folder / "csim.log", cwd=folder)
    return library


def select_case(library: Path, index: int) -> None:
    """Which case `gan2hls_run` of the library runs."""
    ctypes.c_int.in_dll(ctypes.CDLL(str(library.resolve())), "gan2hls_case").value = index
