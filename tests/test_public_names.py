"""Each public name works in a process of its own: nothing depends on what happened to be imported before."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gan2hls
from gan2hls.ir import Graph, IntType, Node, TensorType
from gan2hls.ops import Requantize

ROOT = Path(__file__).resolve().parent.parent
TEXTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
IMPORT = re.compile(r"^from (gan2hls[.\w]*) import ([\w, ]+)", re.MULTILINE)
DOCUMENTED = sorted({match for path in TEXTS for match in IMPORT.findall(path.read_text(encoding="utf-8"))})


def run(code: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def saved_graph(tmp_path: Path) -> Path:
    kind = IntType(8, True)
    op = Requantize(np.array([3, 5]), np.array([1, -1]), 2, kind.min, kind.max, kind, 0.5)
    Graph.chain(TensorType((1, 1, 2), kind, 0.5), (Node("scale", op),), (2,), (2,)).verify().save(tmp_path / "graph")
    return tmp_path / "graph"


@pytest.mark.parametrize("name", gan2hls.__all__)
def test_public_name_alone(name: str) -> None:
    assert run(f"import gan2hls; print(gan2hls.{name} is not None)") == "True"


@pytest.mark.parametrize(("module", "names"), DOCUMENTED, ids=[f"{module}: {names}" for module, names in DOCUMENTED])
def test_documented_import_alone(module: str, names: str) -> None:
    run(f"from {module} import {names}")


@pytest.mark.parametrize("where", ["gan2hls", "gan2hls.ir"])
def test_a_saved_graph_is_loaded_in_a_fresh_process(where: str, saved_graph: Path) -> None:
    code = f"from {where} import Graph; print(Graph.load({str(saved_graph)!r}).run([[1.0, 1.0]]).tolist())"
    expected = Graph.load(saved_graph).run(np.array([[1.0, 1.0]])).tolist()
    assert run(code) == str(expected)


def test_an_unknown_op_is_named_with_the_known_ones(saved_graph: Path) -> None:
    path = saved_graph / "graph.json"
    path.write_text(path.read_text().replace('"requantize"', '"resize"'))
    code = f"""
from gan2hls.ir import Graph
from gan2hls.errors import UserError
try:
    Graph.load({str(saved_graph)!r})
except UserError as error:
    print(error)
"""
    assert (
        "unknown op 'resize' (known: add, concat, constant, conv2d, conv_transpose2d, dense, input, lookup, requantize"
        in run(code)
    )
