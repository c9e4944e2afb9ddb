"""`python -m haqagen_jax` is the `haqagen` command."""

import sys


def main() -> None:
    """Runs the command line and exits."""
    try:
        from haqagen_jax.cli import (
            main as cli,  # here: an interrupt may come before anything is loaded
        )
    except KeyboardInterrupt:
        print("haqagen: interrupted", file=sys.stderr)
        sys.exit(130)
    cli.main()


if __name__ == "__main__":
    main()
