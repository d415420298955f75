"""The loop of `hw/hls/mac_engine.h`: which of its iterations read a word, compute, and write one.

It reads only what the pixel that it computes, or the next one, needs, and after the last pixel the rest of the frame.
In an iteration, with `loaded` words in the ring before it and pixel p to be computed,

    computes = p < pixels and loaded ≥ need[p]
    reads    = loaded < max(need[p], need[p + 1]) and loaded < free[p] + ring

where both need and free of what follows the last pixel are the whole frame; the last step of each group of output
channels writes a word.
"""

from dataclasses import dataclass

import numpy as np

from gan2hls.kernels.iterations import Iterations


@dataclass(frozen=True, eq=False)
class MacLoop:
    """What the loop goes by, by output pixel in raster order: arrays of integers.

    Args:
        need: words of the frame without which the pixel can not be computed, 0 if it has no taps.
        free: words of the frame that neither the pixel nor any later one needs.
        steps: iterations that compute the pixel, for each group of output channels.
        groups: of output channels.
        words: a frame.
    """

    need: np.ndarray
    free: np.ndarray
    steps: np.ndarray
    groups: int
    words: int

    @property
    def _wanted(self) -> np.ndarray:
        """Words that are read while a pixel is computed, if there is room."""
        return np.maximum(self.need, np.append(self.need[1:], self.words))

    @property
    def most_held(self) -> int:
        """Words of the smallest ring that never keeps the loop from reading what the next pixel needs.

        What no pixel needs is read after the last one, or as far as there is room.
        """
        needed = np.maximum(self.need, np.append(self.need[1:], 0))
        return max(1, int((needed - self.free).max()))

    def iterations(self, ring: int) -> Iterations:
        """The iterations of a frame with a ring of so many words, none fewer than a pixel needs at once."""
        busy = self.steps * self.groups
        most = np.minimum(self._wanted, self.free + ring)
        loaded, waits, had = 0, [], []  # words read, by pixel before its first step, and when it is computed
        for need, most_read, work in zip(self.need.tolist(), most.tolist(), busy.tolist(), strict=True):
            wait = max(0, need - loaded)
            loaded = max(loaded, min(most_read, loaded + wait + work))
            waits.append(wait)
            had.append(loaded)
        took = np.array(waits) + busy
        starts = np.concatenate([[0], np.cumsum(took)])
        reads = np.diff(
            [0, *had, self.words]
        )  # while each pixel waits and is computed, one an iteration; then the rest
        first = np.cumsum(reads) - reads
        read = np.repeat(starts - first, reads) + np.arange(self.words)
        written = (starts[1:] - busy)[:, None] + self.steps[:, None] * np.arange(1, self.groups + 1) - 1
        return Iterations((read,), (written.ravel(),), int(starts[-1] + reads[-1]))
