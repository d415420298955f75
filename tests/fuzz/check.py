"""Networks of the fuzz through everything: golden model, C++, RTL with stalls and without, and the model of time."""

from collections.abc import Sequence
from pathlib import Path

from gan2hls.arguments import Arrays
from gan2hls.schedule import predict
from gan2hls.simulate import RtlDesign, run_csim, simulate_rtl
from tests.fuzz.networks import Network, difference
from tests.ops.contract import compile_projects, select_case


def check(
    networks: Sequence[Network], folder: Path, *, stalls: bool = True, optimize: bool = False
) -> dict[int, list[str]]:
    """What is wrong with each network, by seed; those without fault are left out.

    Args:
        networks: with different seeds; compiled by one g++ run, and simulated in one Verilator build.
        folder: empty; gets the projects and the tools' logs.
        stalls: whether the RTL runs a second time, with random stalls.
        optimize: whether the simulator is optimised, which long simulations need.

    Raises:
        ToolError: what was written does not compile, a simulation hung, or a handshake was wrong; one network alone
            tells which it is.
    """
    problems: dict[int, list[str]] = {}

    def note(network: Network, problem: str) -> None:
        if problem:
            problems.setdefault(network.seed, []).append(problem)

    golden: dict[int, Arrays] = {}
    for network in networks:
        golden[network.seed] = network.golden()
        note(network, _labelled("golden model", network.golden_problem(golden[network.seed])))
        network.write(folder / network.name)
    library = compile_projects({network.name: folder / network.name / "hls" for network in networks}, folder)
    for index, network in enumerate(networks):
        select_case(library, index)
        outputs = run_csim(library, network.pipeline, network.x)
        note(network, _labelled("C++", difference(outputs, golden[network.seed])))
    designs = [RtlDesign(folder / n.name / "rtl", n.name, n.pipeline, n.x) for n in networks]
    runs = simulate_rtl(designs, log=folder / "rtl.log", stalls=stalls, seed=networks[0].seed, optimize=optimize)
    for network, run in zip(networks, runs, strict=True):
        note(network, _labelled("RTL", difference(run.outputs, golden[network.seed])))
        model = predict(network.pipeline, len(run.finished)).finished[: len(run.finished)]
        if run.finished != model:
            note(network, f"cycles: frames end at {run.finished}, the model says {model}")
    return problems


def _labelled(what: str, problem: str) -> str:
    return f"{what}: {problem}" if problem else ""
