"""Sweeps: many bit widths, budgets and targets, each quantized, judged and estimated, synthesized or simulated.

`points` says which there are, `tasks` what is done for one (values in, values out, anywhere), `cache` keeps what came
out, `workers` runs tasks here or on a Dask cluster, `driver` puts them together, `search` asks optuna for more points.
"""

from gan2hls.sweep.driver import Sweep
from gan2hls.sweep.listener import Listener

__all__ = ["Listener", "Sweep"]
