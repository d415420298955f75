"""Where a branch is requantized on its way to a join, instead of one format for all: by measured error."""

from collections.abc import Mapping, Sequence

from gan2hls.quantization.blocks import Steps
from gan2hls.quantization.config import QuantizeConfig
from gan2hls.quantization.formats import Formats
from gan2hls.quantization.measure import Measurement
from gan2hls.quantization.observe import Observer
from gan2hls.quantization.quantizers import Format
from gan2hls.quantization.scale_groups import GroupChoice, branch_name, branches, with_branches

WORTH = 1.25
"""How much larger the error with a common format must be before branches get requantizers, which cost hardware."""


def choose_branches(
    config: QuantizeConfig, steps: Steps, observed: dict[str, Observer], measured: Measurement
) -> tuple[Steps, tuple[GroupChoice, ...]]:
    """Decide for each group of values that meet; give the steps with the branches' blocks, and what was found.

    Both ways are measured with the group's own values quantized and all else in float, so that no group's choice
    depends on another's. `observed` gets what the new blocks' values are.
    """
    common = Formats(config, steps, observed)
    edges: list[tuple[str, str]] = []
    found = []
    for sources in common.groups.several:
        cut = branches(steps, sources, common.groups)
        if not cut:
            continue
        made = with_branches(steps, cut)
        for value, join in cut:
            observed[branch_name(value, join)] = Observer.of_all(common.sources_of(value))
        names = tuple(branch_name(value, join) for value, join in cut)
        common_error = _error(common, [sources], measured)
        own = Formats(config, made, observed)
        parts = dict.fromkeys(own.groups.of[name] for name in (*sources, *names))
        own_error = _error(own, list(parts), measured)
        is_worth = own_error * WORTH < common_error
        found.append(GroupChoice(sources, common_error, own_error, names if is_worth else ()))
        if is_worth:
            edges += cut
    return with_branches(steps, edges), tuple(found)


def _error(formats: Formats, groups: Sequence[tuple[str, ...]], measured: Measurement) -> float:
    """Error of the output with these groups quantized, each in the format that is best behind those before it."""
    chosen: dict[str, Format] = {}
    for sources in groups:

        def error(format_: Format, sources: Sequence[str] = sources, before: Mapping[str, Format] = chosen) -> float:
            return measured.formats_error(formats.steps, {**before, **dict.fromkeys(sources, format_)})

        chosen.update(dict.fromkeys(sources, formats.choose(sources, error, few=True)))
    return measured.formats_error(formats.steps, chosen)
