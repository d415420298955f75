"""How many words the streams of the C++ hold: the fewest that keep frames following each other as fast as they can.

The fewest iterations that a frame can take are those of the process that has most. Words that come before their kernel
wants them wait in the stream, as its ring takes in no more than the next pixel needs; and where a value forks, the
shorter branch holds what the longer one still has (T. Parks, "Bounded scheduling of process networks", 1995). The
search is that of the RTL's buffers (`sizing`), in the model of the C++ (`hls_schedule`).
"""

from collections.abc import Hashable
from dataclasses import replace

from gan2hls.hls_schedule import HlsModel, predict_hls
from gan2hls.kernels.iterations import Process
from gan2hls.network import Network
from gan2hls.pipeline import STREAM_DEPTH, Pipeline
from gan2hls.schedule import Prediction
from gan2hls.sizing import Knob, Sizing

LARGE_STEPS = 32
"""Steps in which the depth of a stream is sought in a pipeline of more than `sizing.MANY_BEATS`: as a share of it."""


def size_streams(pipeline: Pipeline) -> Pipeline:
    """The pipeline with depths for the streams of its C++, unless it has them.

    Raises:
        StandstillError: no depths keep two branches that meet again from waiting for each other.
    """
    if pipeline.depths is not None:
        return pipeline
    return replace(pipeline, depths=_HlsSizing(HlsModel(pipeline)).depths())


def hls_prediction(pipeline: Pipeline, frames: int | None = None) -> Prediction:
    """Latency and interval of a pipeline's C++ (`hls_schedule.predict_hls`), its streams sized first."""
    return predict_hls(size_streams(pipeline), frames)


class _HlsSizing(Sizing):
    """What streams hold beyond `STREAM_DEPTH`, each process in its own pace."""

    def __init__(self, model: HlsModel) -> None:
        super().__init__(model.pipeline, model.interval_cycles, {})
        self._told_above = 0.0  # frames that leave in time while more of them wait do so for ever
        self._model = model

    def depths(self) -> dict[str, int]:
        """Words that streams hold, of those that hold more than `STREAM_DEPTH`."""
        return {name: STREAM_DEPTH + more for name, more in sorted(self.found().fifos.items()) if more}

    def _network(self, first: int, end: int | None) -> Network:
        depths = {name: STREAM_DEPTH + more for name, more in self.sizes.fifos.items()}
        return self._model.network(self.stages[first:end], depths)

    def _key(self, network: Network, first: int, end: int | None) -> Hashable:
        """Blocks of equal kernels, wherever they are, take the same cycles."""
        rules = [(part, rule) for part in network.parts for rule in part.rules if isinstance(rule, Process)]
        return tuple((part.inputs, part.outputs, rule.iterations.key, rule.depths) for part, rule in rules)

    def _rings(self, streams: list[str], frames: int) -> list[Knob]:
        return []

    def _ring_behind(self, stream: str) -> bool:
        return False

    def _halves(self, knob: Knob) -> bool:
        return False

    def _is_found(self, small: int, enough: int) -> bool:
        """Of a large pipeline, a stream that holds a few per cent more than it has to is not sought any longer."""
        return enough - small <= max(1, enough // LARGE_STEPS if self._is_large else 1)

    def _trim(self, knobs: list[Knob], first: int, end: int | None) -> None:
        if not self._is_large:
            super()._trim(knobs, first, end)
