"""A progress bar for terminals; honours NO_COLOR."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn


class Bar:
    """A bar that is redrawn in place."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.fields[text]}"),
            BarColumn(),
            TaskProgressColumn(),
            console=Console(stderr=True),
            refresh_per_second=4,
        )
        self._task = self._progress.add_task("", total=None, text="", visible=False)

    def update(self, done: int, total: int, text: str) -> None:
        """Redraw."""
        self._progress.update(self._task, completed=done, total=total, text=text, visible=True)

    def __enter__(self) -> "Bar":
        """Begin to draw."""
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop drawing."""
        self._progress.stop()
