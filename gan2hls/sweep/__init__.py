"""Sweeps: many bit widths, budgets and targets, each quantized, judged and estimated, synthesized or simulated.

`points` says which there are, `tasks` what can be done for one (values in, values out, anywhere), `steps` in which
order, `cache` keeps what came out, `workers` runs tasks here or on a Dask cluster, `runner` gives them what is not
known yet, `search` asks optuna for more points, and `driver` puts all of it together.
"""

from gan2hls.sweep.driver import Sweep
from gan2hls.sweep.listener import Listener

__all__ = ["Listener", "Sweep"]
