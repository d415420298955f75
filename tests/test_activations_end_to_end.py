"""Networks of the newer activations, and of arithmetic, through golden model, C++ and RTL."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import gan2hls
from gan2hls.schedule import predict
from tests.quantization.models import samples, settle


class Mixed(nn.Module):
    """One of everything: clamps, tables, tables with arithmetic behind them, a gain by channels, changes in place."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor([1.0, -0.5, 2.0, 0.25]).view(1, 4, 1, 1))
        self.fc = nn.Linear(4, 16)
        self.up = nn.ConvTranspose2d(4, 4, 4, 2, 1)
        self.convs = nn.ModuleList([nn.Conv2d(4, 4, 1) for _ in range(6)])
        self.out = nn.Conv2d(4, 2, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        z.mul_(0.5)
        x = F.elu(self.fc(z)).view(z.size(0), 4, 2, 2)
        x = F.relu6(self.up(x) * self.gain + 0.5)
        x = F.silu(self.convs[0](x)) * 1.5 - 0.25
        x = F.leaky_relu(self.convs[1](x), 0.2) * 2**0.5
        x = F.hardsigmoid(self.convs[2](x)).clamp(max=0.75)
        x = 1 - F.softplus(self.convs[3](x))
        x = F.gelu(self.convs[4](x), approximate="tanh")
        x = F.hardtanh(F.leaky_relu(self.convs[5](x), 0.1) + 0.125, -0.5, 1.0)
        return (torch.tanh(self.out(x)) + 1) / 2


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"weight_bits": 3, "activation_bits": 5, "scales": "power_of_two"}])
def test_golden_cpp_and_rtl_are_equal(options: dict[str, object], tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = settle(Mixed())
    graph = gan2hls.quantize(module, samples((4,), 200), **options)
    assert not graph.output.int_type.signed
    project = gan2hls.build(graph, tmp_path / "out", multipliers=32)
    x = samples((4,), 6, 3).numpy()
    golden = graph.run(x)
    np.testing.assert_array_equal(project.csim(x), golden)
    result = project.cosim(x[:3])
    np.testing.assert_array_equal(result.outputs, golden[:3])
    assert result.interval_cycles == project.pipeline.interval_cycles
    assert result.latency_cycles == predict(project.pipeline).latency_cycles
