"""What stands around a training run: threads, signals that stop it, a bar that shows how far it is."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gan2hls.models.train_config import TrainConfig
from gan2hls.models.train_state import State


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Set torch's number of threads for a while: the result depends on it."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C or SIGTERM into an event that is asked between two steps; the second one acts as ever."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield stop
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            if handler is not None:  # None: set by other means than Python's, out of our reach
                signal.signal(number, handler)

    def handle(_number: int, _frame: object) -> None:
        stop.set()
        restore()

    for number in before:
        signal.signal(number, handle)
    try:
        yield stop
    finally:
        restore()


@contextmanager
def progress_bar(show: bool, config: TrainConfig, steps: int, state: State) -> Iterator[Callable[[str], None]]:
    """A bar over all steps; gives the function that advances it by one step and shows the losses."""
    bar = Progress(
        TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[losses]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not show,
    )
    epochs = config.training.epochs
    done = state.epoch * steps + state.step
    task = bar.add_task("", total=epochs * steps, completed=done, epoch=state.epoch, epochs=epochs, losses="")

    def advance(losses: str) -> None:
        bar.update(task, advance=1, epoch=min(state.epoch + 1, epochs), losses=losses)

    with bar:
        yield advance
