"""How deep the streams behind a fork are in C++: enough for any graph, and far less than a frame where that is."""

from pathlib import Path

import numpy as np
import pytest

from gan2hls.assembly import make_pipeline
from gan2hls.backends import hls
from gan2hls.backends.depths import fork_depths
from gan2hls.backends.hls import write_hls
from gan2hls.budget import Budget
from gan2hls.errors import ToolError
from gan2hls.ir import IntType
from gan2hls.ops import Add
from gan2hls.pipeline import Pipeline
from gan2hls.simulate import compile_csim, run_csim
from tests.fuzz.chains import draw_frames
from tests.fuzz.graphs import Builder

S8 = IntType(8, True)


def residual(rng: np.random.Generator, size: int) -> Pipeline:
    builder = Builder(rng)
    start = builder.requantize(builder.input((size, size, 2), S8), S8)
    branch = builder.convolution(builder.convolution(start, 2, S8), 2, S8)
    graph = builder.graph((builder.put(Add(), start, branch),))
    return make_pipeline(graph, Budget(multipliers=4).fold(graph, 100.0))


def test_a_skip_holds_what_the_windows_of_the_branch_take_not_a_frame(rng: np.random.Generator) -> None:
    small, large = (residual(rng, size) for size in (12, 48))
    for pipeline, size in ((small, 12), (large, 48)):
        rows = sum(pipeline.sizes.rings.values()) / size  # of both convolutions together
        skip, depth = max(fork_depths(pipeline).items(), key=lambda item: item[1])
        stream = pipeline.streams[skip]
        pixel_beats = stream.beats // stream.pixels
        assert size * pixel_beats <= depth <= (rows + 1) * size * pixel_beats < stream.beats
        assert sorted(fork_depths(pipeline).values())[0] <= 4, "what the branch with the windows reads waits nowhere"
    depths = [max(fork_depths(pipeline).values()) for pipeline in (small, large)]
    assert depths[1] < 6 * depths[0], "it grows with the width, not with the area"


def test_shallower_streams_deadlock_by_name(
    rng: np.random.Generator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = residual(rng, 12)
    graph, depths = pipeline.graph, fork_depths(pipeline)
    x = draw_frames(rng, graph.input, 2)
    write_hls(pipeline, tmp_path / "enough", name="generator")
    compile_csim(tmp_path / "enough", "generator", tmp_path / "enough.so", log=tmp_path / "log")
    np.testing.assert_array_equal(run_csim(tmp_path / "enough.so", pipeline, x), graph.run_stream(x))
    bare = pipeline.without_fifos()
    monkeypatch.setattr(hls, "fork_depths", lambda pipeline: {name: depth // 3 for name, depth in depths.items()})
    write_hls(bare, tmp_path / "less", name="generator")
    compile_csim(tmp_path / "less", "generator", tmp_path / "less.so", log=tmp_path / "log")
    with pytest.raises(ToolError, match=r"deadlock: .*_fork waits to write full stream_\d+ \(depth \d+\)"):
        run_csim(tmp_path / "less.so", pipeline, x)


def test_a_chain_has_none(rng: np.random.Generator) -> None:
    builder = Builder(rng)
    graph = builder.graph((builder.convolution(builder.input((4, 4, 2), S8), 3, S8),))
    assert fork_depths(make_pipeline(graph, Budget(multipliers=4).fold(graph, 100.0))) == {}
