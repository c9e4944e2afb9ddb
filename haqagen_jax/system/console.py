"""What the commands print while they work: progress bars and one-line complaints, on stderr."""

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
    """Returns a display of progress bars, to be used as a context manager.

    Args:
        show: False for none. Away from a terminal only the final state is printed.
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
    """Prints one line, `haqagen: MESSAGE`, however long it is.

    Args:
        message: one line.
        console: of the bars on display, so that the line does not break them.
    """
    console = console or Console(stderr=True)
    console.print(f"haqagen: {message}", soft_wrap=True, markup=False, highlight=False, emoji=False)
