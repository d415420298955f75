"""Torch frontend: an `nn.Module`, or a file of weights with an architecture, becomes a `FloatModel`.

The module is traced by torch.fx while every shape is known (`tracing`), and the trace is read into layers
(`reading`). At the end the module and the float model are compared on random input, so that whatever a trace does not
show (hooks, randomness) ends in an error instead of different hardware.
"""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gan2hls import files
from gan2hls.errors import UserError, raise_problems, shown
from gan2hls.frontends.float_model import FloatModel, Shape
from gan2hls.frontends.reading import call_arguments, input_names, read_module_layers
from gan2hls.frontends.running import run_steps
from gan2hls.frontends.tracing import call, short
from gan2hls.models.architecture import Chain, build_module, read_architecture
from gan2hls.models.weights import load_weights, read_state_dict, tensor_problem


def load(source: nn.Module | Path | str, *, architecture: Path | str | Mapping[str, Any] | None = None) -> nn.Module:
    """Give a module in eval mode, in float32 on the CPU; the caller's own module stays as it is.

    Args:
        source: a module, or a file of weights (.safetensors, or a state dict in .pth or .pt). No code in it is run.
        architecture: what the weights belong to: a TOML or JSON file, or its content. Without it, the key
            "architecture" of the JSON card beside the weights (`generator.json` of `generator.pth`) is used.

    Raises:
        UserError: a missing, damaged, hostile or mismatched file; weights that are not finite.
    """
    if isinstance(source, nn.Module):
        _check_kind(source)
        if architecture is not None:
            raise UserError("an architecture goes with a file of weights, not with a module")
        return _usable_copy(source)
    if not isinstance(source, str | Path):
        raise _not_a_module(source, " or the path of a file of weights")
    path = Path(source)
    if not files.is_file(path):
        raise UserError(f"{path}: no such file")
    described = read_architecture(_card_architecture(path) if architecture is None else architecture)
    # Without memory, until the weights are known to fit.
    with torch.device("meta"):
        module = build_module(described)
    load_weights(module, read_state_dict(path), str(path))
    return _usable_copy(module)


def trace(module: nn.Module, input_shape: Shape | Mapping[str, Shape] | None = None) -> FloatModel:
    """Read a module as a graph of layers.

    Args:
        module: any module that torch.fx can trace; it is not changed, and read as in eval mode.
        input_shape: shape of one input without the batch: `(features,)` or `(channels, height, width)`; with several
            inputs, or other than the first, a mapping of shapes by the names of `forward`'s arguments. A module that
            was built from an architecture knows its own.

    Raises:
        UserError: everything that is not supported, by node name; a module that can not be traced; an input shape
            that a layer does not accept; weights that are not finite.
    """
    if not isinstance(module, nn.Module):
        raise _not_a_module(module)
    _check_kind(module)
    module = _usable_copy(module)
    if input_shape is None and isinstance(module, Chain):
        input_shape = module.architecture.input_shapes
    input_shapes = _checked_input_shapes(module, input_shape)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        model = read_module_layers(module, input_shapes)
        _check_equal(module, model, tuple(input_shapes))
    return model


def _card_architecture(path: Path) -> Mapping[str, Any]:
    card = path.with_suffix(".json")
    if files.is_file(card):
        content = files.read_json(card)
        if isinstance(content, Mapping) and isinstance(content.get("architecture"), Mapping):
            return content["architecture"]
    raise UserError(
        f"{path}: weights alone do not say what they belong to; give an architecture (TOML or JSON), or put it under "
        f'the key "architecture" into {card}'
    )


def _not_a_module(value: Any, or_else: str = "") -> UserError:
    name = type(value).__name__
    if isinstance(value, type) and issubclass(value, nn.Module):
        return UserError(f"{value.__name__} is a class and can not be read; give an instance of it")
    hint = "the nn.Module that it was made from" if name == "ExportedProgram" else "an nn.Module"
    return UserError(f"{name} can not be read; give {hint}{or_else}")


def _check_kind(module: nn.Module) -> None:
    """Refuse what is an nn.Module by name only, anywhere in it."""
    for name, part in module.named_modules():
        if isinstance(part, torch.jit.ScriptModule):
            where = f"{name}: " if name else ""
            kind = "traced" if isinstance(part, torch.jit.TopLevelTracedModule) else "scripted"
            raise UserError(f"{where}{kind} by TorchScript, which can not be read; give the nn.Module it was made from")


def _usable_copy(module: nn.Module) -> nn.Module:
    # torch.compile wraps a module, too.
    while isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel) or hasattr(module, "_orig_mod"):
        inner: Any = module._orig_mod if hasattr(module, "_orig_mod") else module.module
        module = inner
    _check_tensors(module)
    # Weights that old-style weight_norm computed are no leaves of autograd, which deepcopy refuses.
    memo: dict[int, Any] = {}
    for part in module.modules():
        for value in vars(part).values():
            if isinstance(value, torch.Tensor) and not value.is_leaf:
                memo[id(value)] = value.detach().clone()
    try:
        copied = copy.deepcopy(module, memo)
    except Exception as error:
        raise UserError(f"{type(module).__name__} can not be copied: {short(error)}") from error
    copied = copied.to("cpu", torch.float32).eval()
    for parameter in copied.parameters():
        parameter.requires_grad_(False)
    return copied


def _check_tensors(module: nn.Module) -> None:
    tensors = [*module.named_parameters(), *module.named_buffers()]
    problems = [f"{name}: {problem}" for name, tensor in tensors if (problem := tensor_problem(tensor))]
    raise_problems(problems, "the weights can not be used:")


def _checked_input_shapes(module: nn.Module, shape: Shape | Mapping[str, Shape] | None) -> dict[str, Shape]:
    every, needed = input_names(module)
    given = shape if isinstance(shape, Mapping) else {needed[0]: shape}
    accepted = ", ".join(every)
    problems = [f"unknown input {shown(name)} (accepted: {accepted})" for name in given if name not in every]
    problems += [f"input {name!r} is missing" for name in needed if name not in given and isinstance(shape, Mapping)]
    for name, one in given.items():
        good = isinstance(one, tuple | list) and all(
            isinstance(size, int) and not isinstance(size, bool) and size > 0 for size in one
        )
        if not good or one is None or len(one) not in (1, 3):
            where = f"{name}: " if isinstance(shape, Mapping) else ""
            problems.append(
                f"{where}input shape {one} is not accepted; use (features,) or (channels, height, width), no batch"
            )
    raise_problems(problems)
    return {name: tuple(given[name] or ()) for name in every if name in given}


def _check_equal(module: nn.Module, model: FloatModel, arguments: Sequence[str]) -> None:
    # Three samples, where the trace used two: a batch size written into the module shows here.
    generator = torch.Generator().manual_seed(0)
    samples = {name: torch.randn(3, *shape, generator=generator) for name, shape in model.inputs.items()}
    name = type(module).__name__
    # Each gets samples of its own, which it may change.
    copies = [sample.clone() for sample in samples.values()]
    try:
        result = call(module, call_arguments(module, arguments), dict(zip(arguments, copies, strict=True)))
    except Exception as error:
        raise UserError(f"{name}: works for a batch of 2 but not of 3: {short(error)}") from error
    outputs = list(result.values()) if isinstance(result, dict) else result
    several = list(outputs) if isinstance(outputs, tuple | list) else [outputs]
    given = run_steps(model.layers, {name: sample.clone() for name, sample in samples.items()}, model.outputs)
    for expected, output in zip(several, model.outputs, strict=True):
        label = f"{name}: its output" if len(several) == 1 else f"{name}: its output {output}"
        _compare(label, expected, given[output], model, samples)


def _compare(
    label: str, expected: torch.Tensor, given: torch.Tensor, model: FloatModel, samples: Mapping[str, torch.Tensor]
) -> None:
    if expected.shape != given.shape:
        shapes = f"{tuple(expected.shape)} instead of {tuple(given.shape)}"
        raise UserError(f"{label} depends on the batch size: a batch of 3 gives {shapes}")
    if not bool(torch.isfinite(given).all()):
        raise UserError(_first_overflow(model, samples))
    difference, largest = float((given - expected).abs().max()), float(expected.abs().max())
    if not difference <= 1e-3 * largest + 1e-6:
        raise UserError(
            f"{label} differs from that of its layers by {difference:.3g} (largest value "
            f"{largest:.3g}); forward hooks that change values, and random numbers, are not supported"
        )


def _first_overflow(model: FloatModel, samples: Mapping[str, torch.Tensor]) -> str:
    values = dict(samples)
    for layer in model.layers:
        values[layer.name] = layer.forward(*(values[name] for name in layer.inputs))
        if not bool(torch.isfinite(values[layer.name]).all()):
            return f"{layer.name}: gives NaN or infinite values for ordinary input: its weights are too large"
    raise AssertionError("every layer's result is finite")
