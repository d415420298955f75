"""Place and route that does not end: the limit, the other router, seeds without a clock, and going on later.

nextpnr is a shell script here, which ends or hangs by seed and router.
"""

import json
import os
import signal
import threading
from pathlib import Path

import pytest

from gan2hls.errors import ToolError, UserError
from gan2hls.files import sha256
from gan2hls.synth import SynthResult, seeds, synthesis, synthesize
from gan2hls.synth.nextpnr import Placed, SeedsInterrupted, place_and_route, placer_of
from gan2hls.synth.result import Usage
from gan2hls.synth.seeds import SeedRun, SeedStore
from gan2hls.synth.table import result_lines
from gan2hls.synth.yosys import Mapped
from gan2hls.targets import TARGETS
from gan2hls.tools import Tool
from tests.synth.networks import TOP, requantizer, write

PART = TARGETS["ecp5-25k"]
LIMIT_S = 1.5
NO_YOSYS = Tool("yosys", "", Path("none"), "", "", "")

SCRIPT = r"""#!/bin/sh
[ "$1" = --version ] && { echo 'nextpnr-ecp5 -- Version 0.0.1'; exit 0; }
while [ $# -gt 0 ]; do
  case $1 in --seed) seed=$2;; --router) router=$2;; --report) report=$2;; esac
  shift
done
echo "$seed $router" >> "$RUNS"
case " $HANGS " in *" $seed:$router "*) sleep 600;; esac
case " $FAILS " in *" $seed "*) echo "ERROR: no room"; exit 3;; esac
mhz=$((100 + seed)); [ "$router" = router2 ] && mhz=$((50 + seed))
echo '{"utilization": {"TRELLIS_FF": {"used": 7, "available": 9}, "DCCA": {"used": 0, "available": 1}}}' > "$report"
echo "Info: Max frequency for clock 'clk': $mhz.25 MHz (PASS at 12.00 MHz)"
"""


class Nextpnr:
    """A stand-in for nextpnr, first on PATH."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        programs = folder / "programs"
        programs.mkdir()
        (programs / "nextpnr-ecp5").write_text(SCRIPT)
        (programs / "nextpnr-ecp5").chmod(0o755)
        self.folder, self.monkeypatch = folder, monkeypatch
        monkeypatch.setenv("PATH", str(programs), prepend=":")
        monkeypatch.setenv("RUNS", str(folder / "runs"))
        self.behave()

    def behave(self, *, hangs: str = "", fails: str = "") -> None:
        """Hang for the pairs seed:router, fail for the seeds that are named."""
        self.monkeypatch.setenv("HANGS", hangs)
        self.monkeypatch.setenv("FAILS", fails)

    def runs(self) -> list[str]:
        """Seed and router of each run since the last question."""
        path = self.folder / "runs"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines

    def place(self, *numbers: int, limit_s: float = LIMIT_S, said: list[str] | None = None) -> Placed:
        placer = placer_of(PART)
        assert placer is not None
        store = SeedStore(self.folder / "store", sha256("design"), (said if said is not None else []).append)
        work = self.folder / "work"
        work.mkdir(exist_ok=True)
        return place_and_route(
            placer,
            NO_YOSYS,
            work / "netlist.json",
            TOP,
            PART,
            wanted_mhz=None,
            seeds=numbers,
            limit_s=limit_s,
            store=store,
            folder=work,
            say=(said if said is not None else []).append,
        )


@pytest.fixture
def nextpnr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Nextpnr:
    return Nextpnr(tmp_path, monkeypatch)


def test_seeds_that_end(nextpnr: Nextpnr) -> None:
    placed = nextpnr.place(1, 2, 3)
    assert placed.clock is not None and placed.clock.mhz == (101.25, 102.25, 103.25)
    assert placed.clock.routers == ("router1",) * 3 and placed.clock.unrouted == () and placed.notes == ()
    assert placed.cells == {"TRELLIS_FF": (7, 9)}
    assert nextpnr.runs() == ["1 router1", "2 router1", "3 router1"]


def test_the_other_router_and_then_none(nextpnr: Nextpnr) -> None:
    nextpnr.behave(hangs="1:router1 2:router1 2:router2")
    said: list[str] = []
    placed = nextpnr.place(1, 2, 3, said=said)
    assert nextpnr.runs() == ["1 router1", "1 router2", "2 router1", "2 router2", "3 router1"]
    assert placed.clock is not None
    assert (placed.clock.seeds, placed.clock.mhz) == ((1, 3), (51.25, 103.25))
    assert (placed.clock.routers, placed.clock.unrouted) == (("router2", "router1"), (2,))
    assert placed.clock.reached_mhz == 77.25
    assert placed.notes == ("seed 1: 51.2 MHz (router2)", "seed 2: no router ended within 1.5 s")
    assert any("seed 1 (1 of 3), router2 since the other did not end in 1.5 s" in line for line in said)


def test_a_later_command_goes_on(nextpnr: Nextpnr) -> None:
    nextpnr.behave(fails="2", hangs="1:router1 1:router2")
    with pytest.raises(ToolError, match="no room"):
        nextpnr.place(1, 2)
    assert nextpnr.runs() == ["1 router1", "1 router2", "2 router1"]
    nextpnr.behave()
    placed = nextpnr.place(1, 2, 3)
    assert nextpnr.runs() == ["2 router1", "3 router1"], "seed 1 has had its time"
    assert placed.clock is not None and placed.clock.unrouted == (1,)
    longer = nextpnr.place(1, 2, 3, limit_s=2 * LIMIT_S)
    assert nextpnr.runs() == ["1 router1"]
    assert longer.clock is not None and longer.clock.mhz == (101.25, 102.25, 103.25)


def test_an_interruption_keeps_the_seeds_that_ended(nextpnr: Nextpnr) -> None:
    nextpnr.behave(hangs="2:router1")
    wait = threading.Event()

    def interrupt() -> None:
        while not wait.wait(0.02):
            if "2 router1" in (nextpnr.folder / "runs").read_text().splitlines():
                os.kill(os.getpid(), signal.SIGINT)
                return

    (nextpnr.folder / "runs").touch()
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(SeedsInterrupted, match=r"are kept:\nseed 1: 101.2 MHz \(router1\)"):
            nextpnr.place(1, 2, limit_s=300.0)
    finally:
        wait.set()
        thread.join()
    nextpnr.runs()
    nextpnr.behave()
    assert nextpnr.place(1, 2).clock is not None
    assert nextpnr.runs() == ["2 router1"]


@pytest.mark.parametrize("damage", ["cut", "changed", "believed", "other"])
def test_a_damaged_run_is_made_anew(damage: str, nextpnr: Nextpnr) -> None:
    nextpnr.place(1)
    nextpnr.runs()
    (entry,) = (nextpnr.folder / "store").iterdir()
    whole = entry.read_text()
    values = json.loads(whole)
    if damage == "believed":  # a right checksum of something wrong
        values["run"]["mhz"] = -3.0
        values["sha256"] = sha256(json.dumps(values["run"]))
    elif damage == "other":
        values["digest"] = "0"
    text = {"cut": whole[:-9], "changed": whole.replace("101.25", "901.25")}.get(damage, json.dumps(values))
    entry.write_text(text)
    said: list[str] = []
    placed = nextpnr.place(1, said=said)
    assert placed.clock is not None and placed.clock.mhz == (101.25,) and nextpnr.runs() == ["1 router1"]
    assert said[0].startswith(f"{entry}: damaged entry of the cache, made anew")


def test_the_result_says_which_router(nextpnr: Nextpnr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through `synthesize`, its cache included."""
    monkeypatch.setattr(synthesis, "map_design", lambda *of: Mapped(Path("netlist.json"), Usage(1), (), ()))
    monkeypatch.setattr(synthesis, "yosys_tool", lambda: NO_YOSYS)
    rtl, cache = write(tmp_path / "rtl", requantizer()), tmp_path / "cache"

    def run(numbers: tuple[int, ...], limit_s: float = LIMIT_S) -> SynthResult:
        return synthesize(None, rtl, TOP, "ecp5-25k", seeds=numbers, limit_s=limit_s, cache=cache)

    nextpnr.behave(hangs="1:router1 2:router1 2:router2")
    result = run((1, 2, 3))
    assert SynthResult.from_values(json.loads(json.dumps(result.values()))) == result
    lines = list(result_lines(result))
    assert (
        "clock: 77.2 MHz reached (placed and routed), none wanted, median of seeds 1, 3: 51.2 (router2), " in lines[1]
    )
    assert "note: seed 2: no router ended within 1.5 s" in lines
    assert not result.problems()
    nextpnr.runs()
    assert run((1, 2, 3)) == result and not nextpnr.runs()
    none = run((2,))
    assert none.clock is None and not nextpnr.runs()
    assert none.problems() == ["no clock: none of nextpnr's routers ended within 1.5 s; try other seeds, or longer"]


@pytest.mark.parametrize("limit_s", [0, -1.0, float("nan"), float("inf"), 1e300])
def test_a_limit_that_is_none(limit_s: float, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"limit .* is not accepted; give seconds above 0, 604800 at most"):
        synthesize(requantizer(), None, TOP, "ecp5-25k", limit_s=limit_s)


def test_runs_as_json() -> None:
    run = SeedRun(3, 60.0, "router1", 99.5, ("a", "b"), {"LUT4": (1, 2)})
    assert SeedRun.from_values(json.loads(json.dumps(run.__dict__))) == run
    with pytest.raises(UserError, match="a damaged run of place and route"):
        SeedRun.from_values({})
    for wrong in (
        {"mhz": -3.0},
        {"mhz": float("nan")},
        {"router": "router3"},
        {"limit_s": "60"},
        {"cells": {"LUT4": 1}},
    ):
        with pytest.raises(UserError, match="a damaged run of place and route"):
            SeedRun.from_values({**run.__dict__, **wrong})
    assert seeds.seed_lines([run]) == ["seed 3: 99.5 MHz (router1)"]
