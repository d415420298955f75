"""II = 1 by construction: no table in series with another, or with logic, in a loop-carried chain of a MAC kernel."""

from pathlib import Path

import pytest

from gan2hls.backends.hls import write_hls
from tests.hls.test_mutations import MAC, healthy_case

pytest.importorskip("clang.cindex", reason="needs libclang: pip install libclang")

from tests.hls.recurrences import Loop, parse

READ_COLUMN = "read_entry<Config, columns>(column_table, ox);"
READ_ROW = "read_entry<Config, rows>(row_table, oy);"

FAULTS = {
    "a late address": ("mac_walk.h", READ_COLUMN, "read_entry<Config, columns>(column_table, ox + 1);"),
    "a table's address from another": (
        "mac_walk.h",
        READ_ROW,
        "read_entry<Config, rows>(row_table, row_table.taps[int(column_table.taps[int(ox)])]);",
    ),
    "an address that was changed before": (
        "mac_walk.h",
        READ_COLUMN,
        f"{READ_COLUMN} ox = index_t<columns::outputs>(ox + 1); column = {READ_COLUMN}",
    ),
    "a table's address by way of a variable": (
        "mac_walk.h",
        "last = last_row && last_column;",
        "const int from = column_table.taps[int(ox)]; last = row_table.taps[from] > 0;",
    ),
    "a decision by a table that a table decides to read": (
        "mac_engine.h",
        "if (pixel_done) {",
        "int late = 0; if (pixels.column_table.taps[int(pixels.ox)] > 1) late = 1; "
        "if (pixel_done && pixels.row_table.taps[late] > 0) {",
    ),
    "a pass that a register chooses from a table": (
        "mac_engine.h",
        "const bool last_step = walk.last_step();",
        "const int rows_now = pixels.row_table.taps[int(pixels.oy)]; "
        "const bool last_step = walk.last_step() && pixels.column_table.taps[rows_now] > 0;",
    ),
    "the ring's content as an address": (
        "mac_engine.h",
        "store_word = next_index<shape::main_ring>(store_word);",
        "store_word = int(ring[0][int(ring[0][int(store_word)][0])][0]);",
    ),
}
"""header, text, and what replaces it"""


def project(stem: str, folder: Path, edit: tuple[str, str, str] | None = None) -> Path:
    write_hls(healthy_case(stem).pipeline, folder)
    if edit:
        header, old, new = edit
        path = folder / "kernels" / header
        text = path.read_text()
        assert text.count(old) == 1, f"{header} holds {old!r} {text.count(old)} times, not once"
        path.write_text(text.replace(old, new))
    return folder


@pytest.mark.parametrize("stem", MAC)
def test_one_table_read_at_a_register_in_a_loop_carried_chain(stem: str, tmp_path: Path) -> None:
    loop = Loop(parse(project(stem, tmp_path)), "mac_loop")
    assert loop.faults() == []
    # What is walked is the whole machine: all that decides and addresses hangs together, by way of the tables.
    assert loop.edges["pixels.row"]["pixels.oy"] == loop.edges["pixels.column"]["pixels.ox"] == 1
    addresses = {"walk.weight", "walk.word", "store_word", "loaded"}
    assert loop.circle() >= addresses | {"pixels.ox", "pixels.oy", "pixels.row", "pixels.column", "pixels.current"}
    assert loop.edges["walk.weight"].keys() >= {"loaded", "pixels.next", "pixels.current", "walk.group"}
    assert loop.edges["sums"]["ring"] == 1
    assert "sums" not in loop.edges["walk.weight"]


@pytest.mark.parametrize("fault", FAULTS)
def test_seeded_faults_are_found(fault: str, tmp_path: Path) -> None:
    assert Loop(parse(project("conv_transpose2d", tmp_path, FAULTS[fault])), "mac_loop").faults()
