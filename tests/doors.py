"""A tiny generator in files, for the tests of the command line, the flow and the Python API."""

import json
from pathlib import Path
from typing import Any

import torch

from gan2hls.models.architecture import build_module, read_architecture
from gan2hls.models.weights import write_safetensors
from tests.quantization.models import settle

LATENT = (4, 1, 1)
IMAGE = (1, 4, 4)
ARCHITECTURE: dict[str, Any] = {
    "input_shape": list(LATENT),
    "layers": [
        {"name": "up", "type": "ConvTranspose2d", "in_channels": 4, "out_channels": 3, "kernel_size": 2},
        {"name": "norm", "type": "BatchNorm2d", "num_features": 3},
        {"name": "relu", "type": "ReLU"},
        {
            "name": "draw",
            "type": "ConvTranspose2d",
            "in_channels": 3,
            "out_channels": 1,
            "kernel_size": 4,
            "stride": 2,
            "padding": 1,
        },
        {"name": "tanh", "type": "Tanh"},
    ],
}


def state_dict(seed: int = 0) -> dict[str, torch.Tensor]:
    """Weights that fit `ARCHITECTURE`."""
    return dict(settle(build_module(read_architecture(ARCHITECTURE)), seed).state_dict())


def write_generator(folder: Path, name: str = "tiny", **changes: torch.Tensor) -> Path:
    """Write the weights, some tensors replaced (dots in names as __), with their card beside them."""
    tensors = {**state_dict(), **{key.replace("__", "."): value for key, value in changes.items()}}
    path = folder / f"{name}.safetensors"
    write_safetensors(path, tensors)
    path.with_suffix(".json").write_text(json.dumps({"architecture": ARCHITECTURE}))
    return path


def tree(folder: Path) -> dict[str, bytes]:
    """Every file in a folder, hidden ones too, with its content."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
