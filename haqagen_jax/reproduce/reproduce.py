"""Train (or reuse) and score each row of a table under the paper's protocol.

The work directory holds `texture/`, trained once on the union of the given sets; for each row that
trains, a run SET/NAME with its scores in `scores/`; and the tables. A row whose data or weights are
missing says so, and the others are done.
"""

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from haqagen_jax.artifact import CONFIG_FILE
from haqagen_jax.config.load import DEFAULT, load_config
from haqagen_jax.data.folder import usable_pairs
from haqagen_jax.data.pair import Pair
from haqagen_jax.errors import InputError, printable
from haqagen_jax.evaluation import results as files
from haqagen_jax.evaluation import scoring
from haqagen_jax.evaluation.measure import Perceptual
from haqagen_jax.inference.settings import MINMAX, Settings
from haqagen_jax.losses.objective import needs_texture
from haqagen_jax.reproduce import layout
from haqagen_jax.reproduce.experiments import Row, Run, named, rows
from haqagen_jax.reproduce.layout import Result
from haqagen_jax.run.loop import train
from haqagen_jax.run.texture import pretrain_texture
from haqagen_jax.system.console import complain
from haqagen_jax.system.files import prepare_folder, write_bytes

_PAPER = Settings(mode="sliding", stretch=MINMAX)  # Algorithm 1: stride 222, every tile by itself


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How every row is trained.

    Attributes:
        size: Size of the networks, an argument of `configs/haqagen.py`.
        overrides: "section.key=value" each, for every row; a row's own overrides take precedence.
        vgg: File of the weights of loss.vgg_network; None: those in the cache.
        lpips: See `haqagen_jax.evaluation.evaluate.evaluate`.
    """

    size: str = "paper"
    overrides: tuple[str, ...] = ()
    vgg: str | None = None
    lpips: str | None = None


def reproduce(
    table: str, data: Sequence[str], workdir: str, recipe: Recipe, *, progress: bool = True
) -> int:
    """Train and score every row of a table; called again, it resumes where it stopped.

    Args:
        table: One of `haqagen_jax.reproduce.experiments.TABLES`.
        data: "SET=DIR" each, or one "DIR" for tables of one set; any pairs may stand in for a set.
        workdir: Directory of runs, scores and tables.
        recipe: How rows are trained.
        progress: Show progress bars on stderr.

    Returns:
        The exit status: 0 when nothing was missing for any row, else 1.

    Raises:
        InputError: Before any work, if there is no such table, set or size, a directory has no test
            pairs, or the work directory is unusable.
        Stopped: If SIGTERM or Ctrl-C came; the run that was being trained is saved.
    """
    table_rows, sets = rows(table), named(data)
    unknown = sorted(set(sets) - {row.set for row in table_rows})
    if unknown:
        raise InputError(
            f"data = {unknown[0]}={sets[unknown[0]]}: {table} has no such set; it has "
            f"{', '.join(dict.fromkeys(row.set for row in table_rows))}"
        )
    # Refuses a bad size or override before any work; each run loads its own configuration later.
    load_config(f"{DEFAULT}:{recipe.size}", recipe.overrides)
    work = _Work(
        sets=sets,
        pairs={name: _test_pairs(directory) for name, directory in sets.items()},
        workdir=Path(workdir),
        recipe=recipe,
        distance=scoring.load_perceptual(recipe.lpips),
        progress=progress,
    )
    prepare_folder(work.workdir, remedy="choose another --workdir")
    results, done = [], {}
    for row in table_rows:
        if (row.set, row.subject) not in done:
            done[row.set, row.subject] = _result(row, work)
        results.append(dataclasses.replace(done[row.set, row.subject], row=row))
    about = layout.facts(table, sets, recipe.size, recipe.overrides)
    text = layout.markdown(results, about)
    write_bytes(work.workdir / f"{table}.md", text.encode())
    write_bytes(work.workdir / f"{table}.json", layout.as_json(results, about).encode())
    print(f"\n{text}")
    if work.distance is None and recipe.lpips is None:
        print(scoring.missing_lpips_message())
    return 1 if any(result.missing for result in results) else 0


@dataclasses.dataclass(frozen=True)
class _Work:
    """What all rows share; see `reproduce`."""

    sets: Mapping[str, str]
    pairs: Mapping[str, Sequence[Pair]]  # test pairs by set
    workdir: Path
    recipe: Recipe
    distance: Perceptual | None
    progress: bool


def _test_pairs(directory: str) -> Sequence[Pair]:
    pairs, problems = usable_pairs(directory, "test")
    for problem in problems:
        complain(problem)
    return pairs


def _result(row: Row, work: _Work) -> Result:
    if row.subject is None:
        return Result(row)
    try:
        if row.set not in work.sets:
            raise InputError(f"needs pairs; give them with --data {row.set}=DIR")
        if isinstance(row.subject, Run):
            directory = work.workdir / row.set / row.subject.name
            model = str(_train(row.subject, row.set, directory, work))
        else:
            directory, model = work.workdir / row.set / row.subject, row.subject
        [entry] = scoring.load_models([model], ["sliding"], _PAPER).values()
        evaluation = scoring.score(
            {row.name: entry}, work.pairs[row.set], work.distance, progress=work.progress
        )
        if not evaluation.truth:
            raise InputError(f"{work.sets[row.set]}: no test pair could be scored; mend it")
    except InputError as error:
        complain(f"{row.name}: {error}")
        return Result(row, missing=str(error))
    about = files.facts(work.sets[row.set], "test", evaluation, _PAPER)
    files.write(directory / "scores", evaluation, about)
    return Result(row, evaluation)


def _train(run: Run, name: str, directory: Path, work: _Work) -> Path:
    """Train a run on the set of a name, or resume it; a finished run is left as it is."""
    recipe = work.recipe
    config = load_config(run.config + recipe.size, [*recipe.overrides, *run.overrides])
    print(f"{name}/{run.name}: {printable(str(directory))}", flush=True)
    if needs_texture(config.loss) and not (directory / "texture").exists():
        _copy(_texture(work), directory / "texture")
    return train([work.sets[name]], directory, config, vgg=recipe.vgg, progress=work.progress)


def _texture(work: _Work) -> Path:
    """Train the texture autoencoder f once for all rows, on the union of the sets."""
    if not (work.workdir / "texture" / CONFIG_FILE).exists():
        config = load_config(f"{DEFAULT}:{work.recipe.size}", work.recipe.overrides)
        pretrain_texture(list(work.sets.values()), work.workdir, config, progress=work.progress)
    return work.workdir / "texture"


def _copy(directory: Path, target: Path) -> None:
    """Copy a directory atomically: the target appears when the copy is complete."""
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(directory, part)
    part.rename(target)
