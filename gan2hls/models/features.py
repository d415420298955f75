"""A small network whose features stand for what digits look like: what the Fréchet distance of grey images is taken of.

Inception's features, which FID is defined with, are made for photographs, and their weights have to be downloaded.
This LeNet was trained to tell digits apart (`benchmarks/features.py`); distances of its features are comparable with
each other only.
"""

from functools import cache

import numpy as np
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan2hls.models.weights import load_weights
from gan2hls.resources import resource

SIZE = 32
FEATURES = 64
NAME = f"{FEATURES} features of a LeNet of digits"
CHUNK = 256
"""Images that go through the network at a time."""


class DigitFeatures(nn.Module):
    """Grey images (n, 1, 32, 32) in [-1, 1] -> features (n, 64); `head` gives the scores of ten digits."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 16, 5)
        self.second = nn.Conv2d(16, 32, 5)
        self.features = nn.Linear(32 * 5 * 5, FEATURES)
        self.head = nn.Linear(FEATURES, 10)

    def forward(self, images: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.first(images)), 2)
        x = F.max_pool2d(F.relu(self.second(x)), 2)
        return self.features(x.flatten(1))

    def scores(self, images: Tensor) -> Tensor:
        """Scores (n, 10) of the digits, before softmax."""
        return self.head(F.relu(self(images)))


@cache
def digit_features() -> DigitFeatures:
    """The network with the weights that ship with gan2hls, which are stored in half precision."""
    path = resource("assets", "digit-features.safetensors")
    network = DigitFeatures()
    tensors = {name: tensor.float() for name, tensor in safetensors.torch.load(path.read_bytes()).items()}
    load_weights(network, tensors, str(path))
    return network.eval()


def features_of(images: np.ndarray) -> np.ndarray:
    """Features of grey images.

    Args:
        images: (n, 1, height, width) in [-1, 1]; other sizes than 32×32 are resized (bilinear, antialiased).

    Returns:
        (n, 64), float64.
    """
    network = digit_features()
    made = []
    with torch.no_grad():
        for chunk in torch.from_numpy(np.ascontiguousarray(images, np.float32)).split(CHUNK):
            if chunk.shape[2:] != (SIZE, SIZE):
                chunk = F.interpolate(chunk, (SIZE, SIZE), mode="bilinear", antialias=True)
            made.append(network(chunk).double().numpy())
    return np.concatenate(made)
