"""Provide a simulated clock for code that waits."""


class Stopwatch:
    """Replaces the module `time`: only sleeping advances its clock. sleeps: the seconds of each sleep."""

    def __init__(self) -> None:
        self.sleeps: list[float] = []

    def monotonic(self) -> float:
        return sum(self.sleeps)

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
