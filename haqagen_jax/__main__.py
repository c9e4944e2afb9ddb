"""`python -m haqagen_jax` is the `haqagen` command."""

from haqagen_jax.cli import main

if __name__ == "__main__":
    main()
