"""What a sweep tells while it runs."""

from gan2hls.report.points import PointReport


class Listener:
    """What a sweep says while it runs; does nothing, for others to override."""

    def begin(self, points: int) -> None:
        """So many points come, beside those that came before."""

    def started(self, title: str) -> None:
        """A task was given to a worker."""

    def ended(self, title: str) -> None:
        """It is done, or has failed."""

    def finished(self, point: PointReport, seconds: float) -> None:
        """All is known of a point, whose tasks took so long in this run; 0 where all was known before."""

    def searched(self, trials: int, wanted: int) -> None:
        """So many trials of a search are done."""

    def warn(self, line: str) -> None:
        """Something is not as it should be, and is made good."""
