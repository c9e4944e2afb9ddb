"""What README.md, docs/ and their like show is true: commands, links, paths, options, examples."""

import argparse
import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from haqagen_jax.cli import main as cli
from haqagen_jax.cli.settings import chosen_settings
from haqagen_jax.config.load import load_config
from haqagen_jax.version import __version__

ROOT = Path(__file__).parents[1]
CARD = "haqagen_jax/assets/small/README.md"
PAGES = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))
TEXTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md", CARD, *PAGES]

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
SNIPPET = re.compile(r'^--8<-- "(.+)"$', re.MULTILINE)
FOLDERS = "benchmarks configs docs haqagen_jax launch tests"
PATH = re.compile(rf"(?:{FOLDERS.replace(' ', '|')})/[\w./-]*")


def read(name: str) -> str:
    """The text of a document, with what it includes."""
    return SNIPPET.sub(lambda found: read(found[1]), (ROOT / name).read_text("utf-8"))


def shell_lines(text: str) -> list[str]:
    """The lines of shell blocks, fenced or indented, and those inside of sentences."""
    blocks = [block for language, block in FENCE.findall(text) if language == "sh"]
    prose = FENCE.sub("", text)
    indented = "\n".join(re.findall(r"^ {6,}\S.*$", prose, re.MULTILINE))
    lines = "\n".join([*blocks, indented]).replace("\\\n", " ").splitlines()
    return [*lines, *CODE.findall(prose)]


def commands(text: str) -> Iterator[list[str]]:
    """The words after `haqagen` of every command that a text shows."""
    for line in shell_lines(text):
        if "haqagen " not in line:
            continue
        words = shlex.split(line, comments=True)
        starts = [i for i, word in enumerate(words) if Path(word).name == "haqagen"]
        for start in starts:
            rest = words[start + 1 :]
            yield rest[: rest.index("&&")] if "&&" in rest else rest


class RefusedError(Exception):
    """A command that the parser does not take."""


def check_command(words: list[str]) -> None:
    """Parses a command, and reads the configuration and the settings that it names.

    Raises:
        RefusedError: it is wrong. "..." stands for words that are left out.
    """
    partial = "..." in words
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            args = cli._parser().parse_args([word for word in words if word != "..."])
    except RefusedError as refused:
        if not (partial and "arguments are required" in str(refused)):
            raise
        return
    except SystemExit:  # --help, --version
        return
    given = vars(args)
    if "stride" in given and "," not in given.get("mode", ""):
        chosen_settings(args)
    if isinstance(given.get("config"), str):
        load_config(args.config, args.set)
    for spec in given["config"] or [] if isinstance(given.get("config"), list) else []:
        load_config(spec)


@pytest.fixture(autouse=True)
def parser_errors(monkeypatch):
    def error(self: argparse.ArgumentParser, message: str) -> None:
        raise RefusedError(f"{self.prog}: {message}")

    monkeypatch.setattr(argparse.ArgumentParser, "error", error)


def wrong_commands(text: str) -> list[str]:
    wrong = []
    for words in commands(text):
        # A name in a sentence, as `haqagen weights`, is no whole command.
        names = words if all(re.fullmatch(r"[a-z][a-z-]*", word) for word in words) else []
        try:
            check_command([*words, "..."] if names else words)
        except (RefusedError, ValueError) as error:
            wrong.append(f"haqagen {shlex.join(words)}: {error}")
    return wrong


@pytest.mark.parametrize("name", TEXTS)
def test_every_command_is_taken(name):
    assert not wrong_commands((ROOT / name).read_text("utf-8"))


def test_enough_commands_are_seen():
    counts = {name: len(list(commands(read(name)))) for name in TEXTS}
    assert counts["README.md"] >= 3
    assert counts["docs/train.md"] >= 9
    assert counts["docs/weights.md"] >= 12
    assert counts[CARD] >= 6


@pytest.mark.parametrize(
    "text",
    [
        "```sh\nhaqagen colorize a.png\n```\n",
        "```sh\nhaqagen colorize a.png -o b --sise 512\n```\n",
        "```sh\nhaqagen colorize a.png -o b \\\n    --window round  # a comment\n```\n",
        "```sh\nhaqagen train --data D --workdir W --config configs/none.py\n```\n",
        "```sh\nlaunch/cpu.sh haqagen train --data D --workdir W --set loss.delt=0\n```\n",
        "see `haqagen paint`",
        "- Commands:\n\n      haqagen evaluate --split test\n\n  and so on\n",
    ],
)
def test_a_planted_wrong_command_is_found(text):
    assert len(wrong_commands(text)) == 1


def test_every_target_of_make_exists():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    benches = re.search(r"^BENCHES := (.*)$", makefile, re.MULTILINE)
    assert benches
    targets = {*re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE)}
    targets |= {f"bench-{name}" for name in benches[1].split()}
    shown = {
        target
        for name in TEXTS
        for line in shell_lines((ROOT / name).read_text("utf-8"))
        for target in re.findall(r"\bmake ([a-z][a-z-]*)", line.partition("#")[0])
    }
    assert len(shown) > 10
    assert shown <= targets
    helped = set(re.findall(r'@echo "make ([a-z-]+)', makefile))
    assert helped <= targets


def anchors(text: str) -> set[str]:
    """What the headings of a text are linked by."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    plain = (re.sub(r"[^\w\s-]", "", heading).strip().lower() for heading in headings)
    return {re.sub(r"[\s-]+", "-", heading) for heading in plain}


def wrong_links(name: str, text: str) -> list[str]:
    wrong = []
    for link in LINK.findall(CODE.sub("", FENCE.sub("", text))):
        if re.match(r"[a-z]+:", link):
            continue
        place, _, anchor = link.partition("#")
        target = (ROOT / name).parent / place if place else ROOT / name
        if not target.exists():
            wrong.append(f"{name}: {link}: no such file")
        elif anchor:
            inside = read(str(target.resolve().relative_to(ROOT))) if place else text
            if anchor not in anchors(inside):
                wrong.append(f"{name}: {link}: no such heading")
    return wrong


@pytest.mark.parametrize("name", TEXTS)
def test_every_link_leads_somewhere(name):
    assert not wrong_links(name, (ROOT / name).read_text("utf-8"))


@pytest.mark.parametrize("link", ["none.md", "docs/train.md#none", "#none"])
def test_a_planted_wrong_link_is_found(link):
    assert len(wrong_links("README.md", f"# Head\n\n[this]({link}), [that](#head)\n")) == 1


@pytest.mark.parametrize("name", TEXTS)
def test_every_path_exists(name):
    text = (ROOT / name).read_text("utf-8")
    spans = [*CODE.findall(FENCE.sub("", text)), *shell_lines(text)]
    paths = {path for span in spans for path in PATH.findall(f" {span}") if f"/{path}" not in span}
    missing = sorted(path for path in paths if not (ROOT / path.rstrip(".")).exists())
    assert not missing


def options(parser: argparse.ArgumentParser) -> set[str]:
    """All long options of a command and of those below it."""
    found = set()
    for action in parser._actions:
        found |= {option for option in action.option_strings if option.startswith("--")}
        if isinstance(action, argparse._SubParsersAction):
            found |= {option for inner in action.choices.values() for option in options(inner)}
    return found


def test_every_option_is_documented():
    told = set(re.findall(r"--[a-z][a-z-]*", "\n".join(read(name) for name in PAGES)))
    assert sorted(options(cli._parser()) - told - {"--help", "--version"}) == []


def test_every_page_is_in_the_navigation():
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"]

    def leaves(item: object) -> Iterator[str]:
        if isinstance(item, str):
            yield f"docs/{item}"
        for inner in item.values() if isinstance(item, dict) else ():
            yield from leaves(inner)
        for inner in item if isinstance(item, list) else ():
            yield from leaves(inner)

    assert sorted(leaves(nav)) == PAGES


def test_the_citation_has_the_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == __version__


def python_blocks(name: str) -> list[str]:
    return [block for language, block in FENCE.findall(read(name)) if language == "python"]


def test_the_parts_print_what_stands_beside_them(capsys, monkeypatch):
    blocks = python_blocks("docs/parts.md")
    told = [
        line.rpartition("  # ")[2]
        for block in blocks
        for line in block.splitlines()
        if line.startswith("print(")
    ]
    assert len(told) > 10
    monkeypatch.chdir(ROOT)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "docs/parts.md", "exec"), names)
    assert capsys.readouterr().out.splitlines() == told


@pytest.mark.slow
@pytest.mark.parametrize("name", ["README.md", "docs/index.md"])
def test_the_first_example_runs(name):
    [block] = python_blocks(name)
    nir = np.random.default_rng(0).integers(0, 256, (70, 90), dtype=np.uint8)
    names: dict[str, object] = {"nir": nir}
    exec(compile(block, name, "exec"), names)
    rgb = names["rgb"]
    assert isinstance(rgb, np.ndarray)
    assert (rgb.shape, rgb.dtype) == ((70, 90, 3), np.uint8)
