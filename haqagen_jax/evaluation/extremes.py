"""The worst and the best of many images, without keeping the others."""

from collections.abc import Callable

from haqagen_jax.evaluation.case import Case

COUNT = 3  # of each


class Extremes:
    """The cases of the lowest and of the highest scores seen so far."""

    def __init__(self) -> None:
        """Begins with none."""
        self._kept: list[tuple[float, Case]] = []  # by rising score

    def add(self, score: float, make: Callable[[], Case]) -> None:
        """Sees one more image.

        Args:
            score: of it.
            make: makes its case; called if it is needed now.
        """
        place = sum(other <= score for other, _ in self._kept)
        if len(self._kept) < 2 * COUNT:
            self._kept.insert(place, (score, make()))
        elif place <= COUNT - 1 or place >= COUNT + 1:
            self._kept.insert(place, (score, make()))
            del self._kept[COUNT]

    def worst(self) -> list[Case]:
        """Returns the cases of the lowest scores, the lowest first; half of all at most."""
        return [case for _, case in self._kept[: (len(self._kept) + 1) // 2]]

    def best(self) -> list[Case]:
        """Returns the cases of the highest scores, the highest first; none of the worst."""
        return [case for _, case in self._kept[(len(self._kept) + 1) // 2 :][::-1]]
