"""`python -m haqagen_jax` is the `haqagen` command."""

import sys


def main() -> None:
    """Run the command line and exit."""
    try:
        # Imported here: an interrupt may come while modules are being loaded.
        from haqagen_jax.cli import main as cli
    except KeyboardInterrupt:
        print("haqagen: interrupted", file=sys.stderr)
        sys.exit(130)
    cli.main()


if __name__ == "__main__":
    main()
