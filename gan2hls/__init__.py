"""gan2hls: from a trained GAN generator to bit-exact Vitis-HLS C++ and SystemVerilog.

import gan2hls
model = gan2hls.load("generator.safetensors", architecture="generator.toml")
graph = gan2hls.quantize(model, calibration, weight_bits=8, activation_bits=8)
project = gan2hls.build(graph, "out", multipliers=64)
assert (project.csim(z) == graph.run(z)).all()
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gan2hls.version import __version__

__all__ = ["CosimResult", "Graph", "Project", "__version__", "build", "load", "quantize"]

if TYPE_CHECKING:
    from gan2hls.generator import load, quantize
    from gan2hls.ir import Graph
    from gan2hls.project import CosimResult, Project, build

_MODULES = {
    "CosimResult": "project",
    "Graph": "ir",
    "Project": "project",
    "build": "project",
    "load": "generator",
    "quantize": "generator",
}


def __getattr__(name: str) -> Any:
    """The public names, imported at first use: `import gan2hls` alone loads no torch."""
    if name in _MODULES:
        return getattr(import_module(f"gan2hls.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'gan2hls' has no attribute {name!r}")
