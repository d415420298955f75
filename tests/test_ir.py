"""The integer graph: what it refuses, that it survives saving, and that it is exact at the borders of its carriers."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gan2hls.errors import UserError
from gan2hls.ir import Graph, IntType, Node, Op, TensorType, carrier, signed_bits
from gan2hls.ops import Conv2d, ConvTranspose2d, Dense, Lookup, Requantize, Reshape, Upsample

S8, U8 = IntType(8, True), IntType(8, False)


def graph_of(*ops: Op, shape: tuple[int, int, int] = (1, 1, 3), kind: IntType = S8, **options) -> Graph:
    tensor = TensorType(shape, kind, 0.5)
    nodes = tuple(Node(f"op{index}", op) for index, op in enumerate(ops))
    graph = Graph.chain(tensor, nodes, (shape[2], shape[0], shape[1]), (1,), **options)
    try:
        height, width, channels = graph.output.shape
    except Exception:
        return graph  # not valid, which `verify` will say
    return dataclasses.replace(graph, ports={**graph.ports, graph.outputs[0]: (channels, height, width)})


def requantize(channels: int, **options) -> Requantize:
    values = {"shift": 4, "low": -128, "high": 127, "output": S8, "scale": 0.25, **options}
    return Requantize(np.full(channels, 3), np.arange(channels), **values)


def generator(rng: np.random.Generator) -> Graph:
    """A graph with each op, with a codebook, and with a leaky requantization."""
    leaky = {"negative_multiplier": np.array([1, -2, 3, 4, 5, 6, 7, 8]), "negative_bias": np.arange(8)}
    return graph_of(
        Dense(rng.integers(-128, 128, (1, 1, 3, 8)), 8, weight_scale=0.125),
        requantize(8, **leaky),
        Reshape((2, 2, 2)),
        ConvTranspose2d(rng.integers(0, 4, (4, 4, 2, 3)), 2, codebook=(0, 1, -1, 9), stride=(2, 2), padding=(1, 1)),
        requantize(3),
        Upsample((2, 1)),
        Conv2d(rng.integers(-8, 8, (3, 3, 3, 1)), 4, padding=(1, 1)),
        requantize(1),
        Lookup(rng.integers(-128, 128, 256), S8, 1 / 128, "table"),
        name="tiny",
    ).verify()


# -- types ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "low", "high"), [(S8, -128, 127), (U8, 0, 255), (IntType(1, True), -1, 0), (IntType(1, False), 0, 1)]
)
def test_range_of_a_type(kind: IntType, low: int, high: int) -> None:
    assert (kind.min, kind.max) == (low, high)
    assert kind.magnitude == max(-low, high)


@pytest.mark.parametrize("bits", [0, -3, 64])
def test_a_type_has_1_to_63_bits(bits: int) -> None:
    with pytest.raises(UserError, match=f"an integer of {bits} bits is not supported; use 1 to 63"):
        IntType(bits, True)


@pytest.mark.parametrize(
    ("low", "high", "bits"), [(0, 0, 1), (-1, 0, 1), (0, 1, 2), (-128, 127, 8), (-129, 0, 9), (0, 128, 9)]
)
def test_signed_bits(low: int, high: int, bits: int) -> None:
    assert signed_bits(low, high) == bits


def test_carriers_end_where_floats_stop_being_exact() -> None:
    assert carrier((1 << 24) - 1) is np.float32
    assert carrier(1 << 24) is np.float64
    assert carrier((1 << 53) - 1) is np.float64
    assert carrier(1 << 53) is np.int64


# -- verify -----------------------------------------------------------------------------------------------------------


def test_verify_lists_all_that_is_wrong() -> None:
    op = Dense(np.zeros((1, 1, 3, 3), dtype=np.int64), 4)
    tensor = TensorType((1, 1, 3), S8, 1.0)
    graph = Graph.chain(tensor, (Node("same", op), Node("same", op)), (4,), (2, 2), "not a name")
    with pytest.raises(UserError) as error:
        graph.verify()
    text = str(error.value)
    assert "graph name 'not a name' is not accepted; use letters, digits and single _" in text
    assert "same: two nodes have this name" in text
    assert "input input: the port's shape (4,) does not have the 3 elements" in text
    assert "output same: the port's shape (2, 2) does not have the 3 elements" in text


def test_a_graph_needs_nodes() -> None:
    with pytest.raises(UserError, match="the graph has no nodes"):
        Graph.chain(TensorType((1, 1, 3), S8, 1.0), (), (3,), (3,)).verify()


WEIGHTS = np.ones((3, 3, 3, 2), dtype=np.int64)
WRONG: dict[str, tuple[Op, str]] = {
    "channels": (Dense(np.ones((1, 1, 4, 2), dtype=np.int64), 4), "takes 4 input channels, the input has 3"),
    "kernel of dense": (Dense(WEIGHTS, 4), r"expected \(1, 1, in_channels, out_channels\)"),
    "code bits": (Conv2d(WEIGHTS, 17, padding=(1, 1)), "17-bit weights are not supported; use 1 to 16 bits"),
    "weights": (Conv2d(WEIGHTS * 8, 4, padding=(1, 1)), "weights from 8 to 8 do not fit s4: -8 to 7"),
    "codebook": (Conv2d(WEIGHTS, 2, (1, 2, 3), padding=(1, 1)), "a codebook of 2-bit codes has 4 values, not 3"),
    "codes": (Conv2d(WEIGHTS * 4, 2, (1, 2, 3, 4), padding=(1, 1)), "weights from 4 to 4 do not fit u2: 0 to 3"),
    "codebook bits": (Conv2d(WEIGHTS, 1, (0, 1 << 18), padding=(1, 1)), "codebook values of 20 bits are not supported"),
    "stride": (Conv2d(WEIGHTS, 4, stride=(0, 1)), r"stride \(0, 1\) is not supported; use 1 or more"),
    "padding": (ConvTranspose2d(WEIGHTS, 4, padding=(0, -1)), r"padding \(0, -1\) is not supported; use 0 or more"),
    "no output": (Conv2d(WEIGHTS, 4), "an input of 1×1 gives an output of"),
    "output_padding": (ConvTranspose2d(WEIGHTS, 4, output_padding=(1, 0)), "use 0 to stride - 1"),
    "requantized channels": (requantize(4), r"multiplier has shape \(4,\); the input has 3 channels"),
    "shift": (requantize(3, shift=48), "shift 48 is not supported; use 0 to 47"),
    "bounds": (requantize(3, high=128), "low -128 and high 128 do not fit s8: -128 to 127"),
    "half leaky": (requantize(3, negative_bias=np.zeros(3, int)), "negative_multiplier and negative_bias go together"),
    "multiplier": (
        dataclasses.replace(requantize(3), multiplier=np.array([1 << 17] * 3)),
        "does not fit 18 signed bits",
    ),
    "too wide": (dataclasses.replace(requantize(3), bias=np.array([1 << 62] * 3)), "needs more than 63 bits"),
    "table": (Lookup(np.zeros(8, int), S8, 1.0), r"an input of 8 bits needs \(256,\)"),
    "table values": (Lookup(np.full(256, 128), S8, 1.0), "table values from 128 to 128 do not fit s8"),
    "factor": (Upsample((2, 0)), r"factor \(2, 0\) is not supported; use integers of 1 or more"),
    "elements": (Reshape((2, 2, 2)), "does not have the 3 elements of the input"),
}


@pytest.mark.parametrize("name", WRONG)
def test_verify_names_the_node_and_the_fact(name: str) -> None:
    op, message = WRONG[name]
    with pytest.raises(UserError, match=rf"op0 \({type(op).__name__}\): .*{message}"):
        graph_of(op).verify()


def test_wide_accumulators_and_tables_are_refused() -> None:
    wide = Dense(np.full((1, 1, 3, 1), 32767), 16)
    with pytest.raises(UserError, match="the accumulator needs more than 48 bits"):
        graph_of(wide, kind=IntType(40, True)).verify()
    with pytest.raises(UserError, match="an input of 13 bits is not supported; requantize to 12 bits at most"):
        graph_of(Lookup(np.zeros(1 << 13, int), S8, 1.0), kind=IntType(13, True)).verify()


def test_dense_takes_a_vector() -> None:
    dense = Dense(np.ones((1, 1, 3, 2), dtype=np.int64), 4)
    with pytest.raises(UserError, match="takes a vector"):
        graph_of(dense, shape=(2, 1, 3)).verify()


def test_unknown_node(rng: np.random.Generator) -> None:
    with pytest.raises(UserError, match="the graph has no node 'op99'; it has input, op0, op1"):
        generator(rng).node("op99")


# -- exactness --------------------------------------------------------------------------------------------------------


def by_python(weights: np.ndarray, x: np.ndarray) -> list[list[int]]:
    columns = weights.T.tolist()
    return [[sum(a * b for a, b in zip(row, column, strict=True)) for column in columns] for row in x.tolist()]


@pytest.mark.parametrize(("channels", "extra"), [(3, -1), (3, 0), (3, 1)], ids=["below", "at", "above"])
@pytest.mark.parametrize("bound_bits", [24, 53])
def test_products_are_exact_at_the_carriers_bounds(bound_bits: int, channels: int, extra: int) -> None:
    """Σ|w|·max|x| just below, at and just above 2^24 and 2^53: the largest sums and the odd ones are exact.

    2^53 is beyond what an accumulator may have, but the reference must not depend on that.
    """
    kind = IntType(13, True) if bound_bits == 24 else IntType(40, True)
    total = ((1 << bound_bits) // kind.magnitude) + extra
    column = np.full(channels, total // channels)
    column[0] += total - column.sum()
    weights = np.stack([column, -column, column * [1, -1, 1]], axis=1)
    op = Dense(weights[None, None], 16)
    tensor = TensorType((1, 1, channels), kind, 1.0)
    x = np.array([[kind.min] * 3, [kind.max] * 3, [kind.max, kind.min + 1, kind.max - 2], [kind.min, kind.max, 1]])
    got = op.reference(x.reshape(4, 1, 1, channels), tensor).reshape(4, 3)
    assert [[int(value) for value in row] for row in got] == by_python(weights, x)


@pytest.mark.parametrize("wide", [False, True], ids=["float64", "int64"])
def test_requantization_is_exact(wide: bool, rng: np.random.Generator) -> None:
    kind = IntType(44 if wide else 34, True)
    multiplier, bias = np.array([131071, -131072, 77]), np.array([(1 << 50) + 1, -3, 1 << 40])
    op = Requantize(multiplier, bias, 47, -2048, 2047, IntType(12, True), 1.0)
    tensor = TensorType((1, 1, 3), kind, 1.0)
    assert (op.bound(tensor) >= 1 << 53) == wide
    x = rng.integers(kind.min, kind.max + 1, (500, 1, 1, 3))
    x[0], x[1] = kind.min, kind.max
    expected = [
        [
            min(max((v * m + b + (1 << 46)) >> 47, -2048), 2047)
            for v, m, b in zip(row, multiplier.tolist(), bias.tolist(), strict=True)
        ]
        for row in x.reshape(-1, 3).tolist()
    ]
    assert op.reference(x, tensor).reshape(-1, 3).astype(np.int64).tolist() == expected


def test_many_frames_are_as_one_by_one(rng: np.random.Generator) -> None:
    graph = generator(rng)
    x = rng.integers(-128, 128, (50, 3, 1, 1))
    one_by_one = np.concatenate([graph.run_integers(x[i : i + 1]) for i in range(len(x))])
    assert (graph.run_integers(x) == one_by_one).all()


# -- doors ------------------------------------------------------------------------------------------------------------


def test_real_values_round_half_up_and_saturate(rng: np.random.Generator) -> None:
    graph = generator(rng)
    x = np.array([[0.25, -0.25, 0.74], [1e9, -1e9, 0.0]]).reshape(2, 3, 1, 1)
    assert graph.quantize_input(x).reshape(2, 3).tolist() == [[1, 0, 1], [127, -128, 0]]
    assert (graph.run(x) == graph.run_integers(graph.quantize_input(x)) / 128).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_is_refused(value: float, rng: np.random.Generator) -> None:
    with pytest.raises(UserError, match="the input holds NaN or infinite values"):
        generator(rng).run(np.full((1, 3, 1, 1), value))


@pytest.mark.parametrize("shape", [(1, 3), (3, 1, 1), (2, 1, 3, 1), (1, 4, 1, 1)])
def test_wrong_shapes_are_refused(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    for call in (generator(rng).run, lambda x: generator(rng).run_integers(x.astype(int))):
        with pytest.raises(UserError, match=r"expected \(n, 3, 1, 1\)"):
            call(np.zeros(shape))


def test_integers_out_of_range_are_refused(rng: np.random.Generator) -> None:
    with pytest.raises(UserError, match="input integers from -128 to 128 do not fit s8: -128 to 127"):
        generator(rng).run_integers(np.array([-128, 128, 0]).reshape(1, 3, 1, 1))


def test_run_integers_takes_integers(rng: np.random.Generator) -> None:
    with pytest.raises(UserError, match="run_integers takes integers, not float64"):
        generator(rng).run_integers(np.zeros((1, 3, 1, 1)))


def test_no_real_output_without_one_scale() -> None:
    graph = graph_of(Dense(np.ones((1, 1, 3, 2), dtype=np.int64), 4))
    with pytest.raises(UserError, match="the output of op0 has a scale per channel; use run_integers"):
        graph.run(np.zeros((1, 3, 1, 1)))


# -- saving -----------------------------------------------------------------------------------------------------------


def test_a_saved_graph_is_the_same_graph(rng: np.random.Generator, tmp_path: Path) -> None:
    graph = generator(rng)
    graph.save(tmp_path / "a")
    loaded = Graph.load(tmp_path / "a")
    assert loaded.name == "tiny"
    assert loaded.input == graph.input
    for old, new in zip(graph.nodes, loaded.nodes, strict=True):
        assert (old.name, old.inputs) == (new.name, new.inputs)
        assert type(old.op) is type(new.op)
        for field in dataclasses.fields(old.op):  # type: ignore[arg-type]
            before, after = getattr(old.op, field.name), getattr(new.op, field.name)
            assert np.array_equal(before, after) if isinstance(before, np.ndarray) else before == after, field.name
    x = rng.integers(-128, 128, (9, 3, 1, 1))
    assert (loaded.run_integers(x) == graph.run_integers(x)).all()
    loaded.save(tmp_path / "b")
    for file in ("graph.json", "weights.safetensors"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_a_chain_of_version_1_still_loads(rng: np.random.Generator, tmp_path: Path) -> None:
    graph = generator(rng)
    graph.save(tmp_path / "graph")
    path = tmp_path / "graph" / "graph.json"
    document = json.loads(path.read_text())
    first, *nodes = document["nodes"]
    for node in nodes:
        del node["inputs"]
    ports = list(document.pop("ports").values())
    del document["outputs"]
    document.update(version=1, nodes=nodes, input=first["attributes"]["type"])
    document.update(door_input_shape=ports[0], door_output_shape=ports[1])
    path.write_text(json.dumps(document))
    loaded = Graph.load(tmp_path / "graph")
    assert [(node.name, node.inputs) for node in loaded.nodes] == [(node.name, node.inputs) for node in graph.nodes]
    x = rng.integers(-128, 128, (3, 3, 1, 1))
    assert (loaded.run_integers(x) == graph.run_integers(x)).all()


def edit(change: Callable[[dict], object]) -> Callable[[Path], object]:
    def apply(folder: Path) -> None:
        document = json.loads((folder / "graph.json").read_text())
        change(document)
        (folder / "graph.json").write_text(json.dumps(document))

    return apply


def truncate(folder: Path) -> None:
    data = (folder / "weights.safetensors").read_bytes()
    (folder / "weights.safetensors").write_bytes(data[: len(data) // 2])


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no graph": (lambda folder: (folder / "graph.json").unlink(), "graph.json: no such file"),
    "no JSON": (lambda folder: (folder / "graph.json").write_text("{"), "not readable as JSON"),
    "no object": (lambda folder: (folder / "graph.json").write_text("[]"), "not an integer graph of version"),
    "other version": (edit(lambda it: it.update(version=99)), "not an integer graph of version 2; build it again"),
    "no weights": (lambda folder: (folder / "weights.safetensors").unlink(), "weights.safetensors: no such file"),
    "half the weights": (truncate, "weights.safetensors: not readable"),
    "unknown op": (
        edit(lambda it: it["nodes"][1].update(op="softmax")),
        "op0: unknown op 'softmax' .known: add, .*conv2d|.known: conv2d",
    ),
    "odd node": (edit(lambda it: it["nodes"].append(7)), "a node needs name, op, inputs and attributes, got 7"),
    "unknown attribute": (edit(lambda it: it["nodes"][3]["attributes"].update(size=3)), "size"),
    "other type": (edit(lambda it: it["nodes"][3]["attributes"].update(shape="big")), "shape"),
    "lost attribute": (edit(lambda it: it["nodes"][3]["attributes"].clear()), "shape"),
    "lost weights": (edit(lambda it: it["nodes"][1].update(name="other")), "codes"),
    "lost ports": (edit(lambda it: it.pop("ports")), "ports"),
    "lost inputs": (edit(lambda it: it["nodes"][1].pop("inputs")), "a node needs name, op, inputs"),
    "odd inputs": (edit(lambda it: it["nodes"][1].update(inputs=[7])), "op0: inputs must be a list of names, got .7."),
    "no list of nodes": (edit(lambda it: it.update(nodes=7)), "nodes"),
    "not valid": (edit(lambda it: it["nodes"].pop(0)), "op0: its input 'input' is no node"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_files_give_one_clear_error(name: str, rng: np.random.Generator, tmp_path: Path) -> None:
    damage, message = DAMAGE[name]
    generator(rng).save(tmp_path / "graph")
    damage(tmp_path / "graph")
    with pytest.raises(UserError, match=message):
        Graph.load(tmp_path / "graph")
