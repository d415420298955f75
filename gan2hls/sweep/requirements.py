"""What a sweep needs on this machine, looked for before the first task."""

import importlib.util
from collections.abc import Sequence

from gan2hls.errors import MissingToolError
from gan2hls.flow_config import FlowConfig
from gan2hls.simulate import COSIM_TOOLS
from gan2hls.sweep.points import Point
from gan2hls.synth.nextpnr import placer_of
from gan2hls.synth.synthesis import choose_tool
from gan2hls.synth.yosys import yosys_tool
from gan2hls.targets import target as target_of
from gan2hls.tools import require_tool


def require_tools(config: FlowConfig, points: Sequence[Point]) -> None:
    """Raise `MissingToolError` now, not after minutes of work."""
    if importlib.util.find_spec("torchmetrics") is None:
        raise MissingToolError("a sweep needs the package torchmetrics (pip install 'gan2hls[sweep]')")
    sweep = config.sweep
    if sweep.synth or sweep.place:
        for name in dict.fromkeys(point.target for point in points):
            if choose_tool(sweep.tool, target_of(name)) == "vivado":
                require_tool("vivado")
            else:
                yosys_tool()
                placer = placer_of(target_of(name)) if sweep.place else None
                if placer is not None:
                    require_tool(placer.tool)
    if sweep.cosim:
        for name in COSIM_TOOLS:
            require_tool(name)
