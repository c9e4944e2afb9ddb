"""Progress bars and one-line messages of the commands, on stderr."""

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


def bars(show: bool) -> Progress:
    """Return a display of progress bars, to be used as a context manager.

    Args:
        show: False for none. Away from a terminal only the final state is printed.

    Returns:
        The display, without a bar yet.
    """
    return Progress(
        TextColumn("{task.description}", markup=False),  # names of files hold brackets
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not show,
    )


def complain(message: str, console: Console | None = None) -> None:
    """Print one line, `haqagen: MESSAGE`, however long it is.

    Args:
        message: One line.
        console: The console of the bars on display, so that the line does not break them.
    """
    console = console or Console(stderr=True)
    console.print(f"haqagen: {message}", soft_wrap=True, markup=False, highlight=False, emoji=False)
