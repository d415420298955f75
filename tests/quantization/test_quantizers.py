"""Weight quantizers and formats."""

import pytest
import torch

from gan2hls.ir import IntType
from gan2hls.quantization.quantizers import (
    SHARES,
    WEIGHT_QUANTIZERS,
    Format,
    QuantizedWeight,
    WeightRequest,
    activation_format,
    least_error,
    round_half_up,
    symmetric,
)


@pytest.fixture
def weight():
    return torch.randn(6, 40, generator=torch.Generator().manual_seed(3), dtype=torch.float64) * torch.tensor(
        [[1.0], [0.01], [30.0], [0.5], [2.0], [0.1]]
    )


def test_round_half_up_and_its_gradient():
    x = torch.tensor([-1.5, -0.5, 0.5, 1.5, 2.4], requires_grad=True)
    y = round_half_up(x)
    assert y.tolist() == [-1.0, 0.0, 1.0, 2.0, 2.0]
    y.sum().backward()
    assert x.grad.tolist() == [1.0] * 5


def test_format_saturates():
    x = torch.tensor([-9.0, -0.25, 0.1, 0.125, 9.0], dtype=torch.float64)
    assert Format(IntType(3, True), 0.25).fake_quantize(x).tolist() == [-1.0, -0.25, 0.0, 0.25, 0.75]
    assert Format(IntType(3, False), 0.25).fake_quantize(x).tolist() == [0.0, 0.0, 0.0, 0.25, 1.75]


@pytest.mark.parametrize("bits", range(2, 17))
@pytest.mark.parametrize("per_channel", [True, False])
def test_free_scales_are_symmetric_and_reach_the_largest_weight(weight, bits, per_channel):
    result = symmetric(weight, WeightRequest(bits, per_channel))
    limit = 2 ** (bits - 1) - 1
    assert result.codes.abs().max() == limit
    assert result.codebook is None
    assert len(result.scale) == len(weight)
    assert (len(result.scale.unique()) == 1) == (not per_channel)
    if per_channel:
        assert (result.codes.abs().amax(1) == limit).all()
    assert ((result.reals - weight).abs() <= result.scale[:, None] * 0.5000001).all()


@pytest.mark.parametrize("bits", range(1, 17))
def test_powers_of_two(weight, bits):
    result = symmetric(weight, WeightRequest(bits, power_of_two=True))
    assert torch.equal(torch.exp2(torch.log2(result.scale).round()), result.scale)
    free = symmetric(weight, WeightRequest(bits))
    assert ((result.scale >= free.scale / 2) & (result.scale <= free.scale * 2)).all()
    for row in range(len(weight)):
        other = 0.5 if result.scale[row] > free.scale[row] else 2.0
        request = WeightRequest(bits, scale=float(result.scale[row]) * other)
        errors = [
            (choice.reals - weight[row]).square().sum()
            for choice in (
                symmetric(weight[row : row + 1], request),
                QuantizedWeight(result.codes[row : row + 1], bits, result.scale[row : row + 1], result.codebook),
            )
        ]
        # A given scale has one integer more below, which a chosen one leaves out.
        assert errors[1] <= errors[0] * 1.02


def test_powers_of_two_keep_their_spread():
    weight = torch.tensor([[1.0], [1e-9]], dtype=torch.float64)
    result = symmetric(weight, WeightRequest(8, power_of_two=True, spread_bits=6))
    assert result.scale[0] / result.scale[1] == 64
    assert result.codes.tolist()[1] == [0]


def test_one_bit(weight):
    result = symmetric(weight, WeightRequest(1))
    assert result.codebook == (-1, 1)
    assert set(result.codes.unique().tolist()) == {0, 1}
    assert torch.equal(result.integers, torch.where(weight >= 0, 1, -1))
    torch.testing.assert_close(result.scale, weight.abs().mean(1))
    whole = symmetric(weight, WeightRequest(1, per_channel=False))
    torch.testing.assert_close(whole.scale, weight.abs().mean().expand(6))


@pytest.mark.parametrize("bits", [1, 2, 8])
@pytest.mark.parametrize("power_of_two", [True, False])
@pytest.mark.parametrize("per_channel", [True, False])
def test_channels_of_zeros(bits, power_of_two, per_channel):
    for weight in (torch.zeros(2, 3), torch.tensor([[0.0, 0.0], [1.0, -2.0]])):
        result = symmetric(weight.double(), WeightRequest(bits, per_channel, power_of_two))
        assert torch.isfinite(result.scale).all()
        assert (result.scale > 0).all()
        if bits > 1:
            assert (result.codes[0] == 0).all()


def test_given_scale_uses_the_whole_range_and_rounds_half_up():
    weight = torch.tensor([[-9.0, -1.0, -0.0625, 0.0625, 0.8, 9.0]], dtype=torch.float64)
    result = symmetric(weight, WeightRequest(4, scale=0.125))
    assert result.codes.tolist() == [[-8, -8, 0, 1, 6, 7]]


def test_activation_format():
    samples = torch.linspace(0, 3, 100)
    assert activation_format(samples, 3.0, IntType(8, False), False).scale == 3.0 / 255
    assert activation_format(samples, 3.0, IntType(8, True), False).scale == 3.0 / 127
    assert activation_format(samples, 3.0, IntType(8, False), True).scale == 2.0**-6
    assert activation_format(samples, 0.0, IntType(8, False), True).scale == 1.0


def test_registry():
    assert WEIGHT_QUANTIZERS["symmetric"] is symmetric


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 8, 16])
@pytest.mark.parametrize("power_of_two", [True, False])
def test_least_error_of_weights_is_never_more_than_that_without_clipping(weight, bits, power_of_two):
    request = WeightRequest(bits, power_of_two=power_of_two)
    errors = [(make(weight, request).reals - weight).square().sum(1) for make in (least_error, symmetric)]
    assert (errors[0] <= errors[1] * (1 + 1e-12)).all()
    if bits == 2 and not power_of_two:
        assert (errors[0] < errors[1] * 0.9).all(), "normal weights of few bits are better clipped"


def test_least_error_asks_for_the_error_of_the_result(weight):
    """The quantizer takes of its scales the one that the given function likes, for each channel."""
    wanted = symmetric(weight, WeightRequest(4)).scale * torch.tensor([SHARES[i] for i in (0, 3, 5, 11, 7, 1)])

    def error(made: QuantizedWeight) -> torch.Tensor:
        return (made.scale / wanted - 1).abs()

    result = least_error(weight, WeightRequest(4, error=error))
    torch.testing.assert_close(result.scale, wanted)
    assert result.codes.abs().max() == 7
    whole = least_error(weight, WeightRequest(4, per_channel=False, error=error))
    assert len(whole.scale.unique()) == 1


def test_least_error_leaves_given_scales_alone(weight):
    request = WeightRequest(4, scale=0.125)
    assert torch.equal(least_error(weight, request).codes, symmetric(weight, request).codes)


@pytest.mark.parametrize("bits", [1, 2, 8])
@pytest.mark.parametrize("power_of_two", [True, False])
def test_least_error_with_channels_of_zeros(bits, power_of_two):
    """A channel of zeros has scale 1, which must not hold up the small scales of others."""
    weight = torch.tensor([[0.0, 0.0], [1e-9, -2e-9]], dtype=torch.float64)
    result = least_error(weight, WeightRequest(bits, power_of_two=power_of_two))
    assert result.scale[0] == 1
    assert result.scale[1] < 1e-8
    assert (result.codes[0] == 0).all() or bits == 1
    assert torch.isfinite(least_error(weight * 0, WeightRequest(bits, power_of_two=power_of_two)).scale).all()
