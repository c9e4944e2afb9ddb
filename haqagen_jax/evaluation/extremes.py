"""The worst and the best of many images, found without keeping the others."""

from collections.abc import Callable

from haqagen_jax.evaluation.case import Case

COUNT = 3  # worst images, and best images, that are kept


class Extremes:
    """The cases of the lowest and of the highest scores seen so far."""

    def __init__(self) -> None:
        """Start without images."""
        self._kept: list[tuple[float, Case]] = []  # in ascending order of scores

    def add(self, score: float, make: Callable[[], Case]) -> None:
        """Add an image, which is kept if it is among the worst or the best so far.

        Args:
            score: Score of the image; higher is better.
            make: Makes the image's case; called only if the image is kept.
        """
        index = sum(other <= score for other, _ in self._kept)
        if len(self._kept) < 2 * COUNT:
            self._kept.insert(index, (score, make()))
        elif index <= COUNT - 1 or index >= COUNT + 1:
            self._kept.insert(index, (score, make()))
            del self._kept[COUNT]

    def worst(self) -> list[Case]:
        """Return the cases of the lowest scores, the lowest first; at most half of all images."""
        return [case for _, case in self._kept[: (len(self._kept) + 1) // 2]]

    def best(self) -> list[Case]:
        """Return the cases of the highest scores, the highest first; none is among the worst."""
        return [case for _, case in self._kept[(len(self._kept) + 1) // 2 :][::-1]]
