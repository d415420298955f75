"""The configuration of quantization: every key is checked."""

import pytest

from gan2hls.config import from_mapping
from gan2hls.errors import UserError
from gan2hls.quantization.config import LayerConfig, QuantizeConfig


def read(values):
    return from_mapping(QuantizeConfig, values, "gan.toml: quantize")


def test_defaults_and_layers():
    config = read({"weight_bits": 4, "layers": {"net.0": {"weight_bits": 1, "weight_scale": 0.125, "signed": False}}})
    assert config.weight_bits == 4
    assert config.activation_bits == 8
    assert config.layers["net.0"] == LayerConfig(weight_bits=1, weight_scale=0.125, signed=False)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"weight_bits": 0}, "weight_bits 0 is not supported; use 1 to 16"),
        ({"weight_bits": 17}, "weight_bits 17 is not supported; use 1 to 16"),
        ({"activation_bits": 1}, "activation_bits 1 is not supported; use 2 to 16"),
        ({"input_bits": 17}, "input_bits 17 is not supported; use 2 to 16"),
        ({"output_bits": 1}, "output_bits 1 is not supported; use 2 to 16"),
        ({"table_bits": 13}, "table_bits 13 is not supported; use 2 to 12"),
        ({"percentile": 50.0}, "percentile 50.0 is not supported; use more than 50, up to 100"),
        ({"input_scale": 0.0}, "input_scale 0.0 is not supported; use a number above 0"),
        ({"weight_quantizer": "best"}, "weight_quantizer 'best' is not known; use one of 'symmetric', 'least_error'"),
        ({"method": "mse"}, "method: 'mse' is not accepted; use one of 'auto', 'minmax', 'percentile'"),
        ({"bias_correction": "no"}, "bias_correction: expected true or false, got 'no'"),
        ({"scales": "round"}, "'round' is not accepted; use one of 'free', 'power_of_two'"),
        ({"wieght_bits": 4}, "did you mean 'weight_bits'?"),
        ({"layers": {"net.0": {"weight_bits": 20}}}, "quantize.layers.net.0: weight_bits 20 is not supported"),
        ({"layers": {"net.0": {"bits": 2}}}, "unknown key 'bits'"),
    ],
)
def test_wrong_values(values, message):
    with pytest.raises(UserError) as caught:
        read(values)
    assert message in str(caught.value)


def test_all_problems_at_once():
    with pytest.raises(UserError) as caught:
        QuantizeConfig(weight_bits=0, activation_bits=40, percentile=10)
    assert len([line for line in str(caught.value).splitlines() if "is not supported" in line]) == 3
