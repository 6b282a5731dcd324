"""The house rules (trial 24): what README and configurations say is true."""

import ast
import importlib
import re
import tomllib
from pathlib import Path

import click
import pytest

from brokerfix import commands as cmd
from brokerfix.cli import main
from brokerfix.cli.base import Commands
from brokerfix.engine.engine import HANDLERS as COMMAND_HANDLERS
from brokerfix.engine.evolve import HANDLERS as FACT_HANDLERS
from brokerfix.facts import KINDS
from brokerfix.fix.versions.dialect import dialect
from brokerfix.settings.compliance import AccountCodes, ClientCodes, InstrumentCodes, VenueCodes
from brokerfix.settings.makers import QuotingSection
from brokerfix.settings.records import HoldSection, OutputSection
from brokerfix.settings.sections import SECTIONS, TABLES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
GUIDES = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), ROOT / "bench" / "README.md"]
OPERATION = (ROOT / "docs" / "operation.md").read_text()


CONTEXT = click.Context(main)
COMMANDS = {name: main.get_command(CONTEXT, name) for name in main.list_commands(CONTEXT)}


def test_every_command_is_in_the_guide() -> None:
    for name in COMMANDS:
        assert f"`brokerfix {name}" in OPERATION, name


def test_every_command_explains_itself() -> None:
    for command in COMMANDS.values():
        assert command is not None
        assert command.help


def test_every_command_is_found_by_its_topic() -> None:
    for path in (ROOT / "brokerfix" / "cli").glob("*.py"):
        importlib.import_module(f"brokerfix.cli.{path.stem}")
    assert set(main.commands) == set(COMMANDS)
    for name, command in main.commands.items():
        parts = {name: command} | (command.commands if isinstance(command, click.Group) else {})
        for part in parts.values():
            assert part.callback is not None
            topic = part.callback.__module__.removeprefix("brokerfix.cli.")
            assert name in Commands.topics[topic].split(), f"{name} stands in {topic}"


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_that_are_named_exist(guide: Path) -> None:
    for name in re.findall(r"(?:`|bin/)brokerfix (\w+)[ `\n]", guide.read_text()):
        assert name in COMMANDS, name


def test_the_tree_is_true() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    tree = text[text.index("<!-- tree -->") :].split("```")[1]
    named = {line.split()[0] for line in tree.splitlines() if line.startswith("  ") and line.split()}
    modules = {path.name for path in (ROOT / "brokerfix").glob("*.py")} - {"__init__.py", "__main__.py"}
    folders = {f"{path.name}/" for path in (ROOT / "brokerfix").iterdir() if (path / "__init__.py").exists()}
    assert {name for name in named if name.endswith(("py", "/"))} == modules | folders


PURE = {
    "bisect", "collections", "collections.abc", "decimal", "enum", "fractions", "functools", "hashlib", "heapq",
    "itertools", "math", "operator", "statistics", "types", "typing", "msgspec", "sortedcontainers",
}  # fmt: skip
"""All that the engine may import beside the words it is made of: no clock, no chance, no input or output."""


@pytest.mark.parametrize("part", ["engine", "facts", "commands", "domain"])
def test_the_core_imports_only_what_is_pure(part: str) -> None:
    place = ROOT / "brokerfix" / part
    for path in place.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                of_ours = name == "brokerfix" or name.split(".")[:2] in [
                    ["brokerfix", one] for one in ("domain", "facts", "commands", "engine")
                ]
                assert of_ours or name in PURE, f"{path}: {name}"


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(guide: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", guide.read_text()):
        assert (guide.parent / target).exists(), target


EVERY_SECTION = {
    **SECTIONS, **TABLES, "makers.quotes": QuotingSection, "compliance.venues": VenueCodes,
    "records.outputs": OutputSection, "records.holds": HoldSection,
    "compliance.accounts": AccountCodes, "compliance.clients": ClientCodes, "compliance.instruments": InstrumentCodes,
}  # fmt: skip


@pytest.mark.parametrize("name", EVERY_SECTION)
def test_every_key_is_explained_in_the_shipped_configuration(name: str) -> None:
    text = (ROOT / "config" / "broker.toml").read_text() + (ROOT / "config" / "exchange-xnas.toml").read_text()
    for key in EVERY_SECTION[name].__struct_fields__:
        assert re.search(rf"^(# )?({key} = |\[{name}\.(\w+\.)?{key}\.)", text, re.M), f"{name}.{key}"


def test_every_fact_and_command_has_its_handler() -> None:
    assert set(FACT_HANDLERS) == set(KINDS)
    commands = {kind for kind in vars(cmd).values() if isinstance(kind, type) and issubclass(kind, cmd.Command)}
    assert set(COMMAND_HANDLERS) == commands - {cmd.Command, cmd.ClientCommand, cmd.OperatorCommand}
    assert len(COMMAND_HANDLERS) == len({handler.__name__ for handler in COMMAND_HANDLERS.values()})


def test_the_dialect_names_messages_as_the_standard_does() -> None:
    standard = {"D": "NewOrderSingle", "8": "ExecutionReport", "9": "OrderCancelReject", "V": "MarketDataRequest"}
    listed = {**dialect().incoming, **dialect().outgoing}
    for message_type, name in standard.items():
        assert listed[message_type].name == name


def test_the_top_level_keeps_its_shape() -> None:
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert metadata["project"]["requires-python"] == ">=3.11"
    wanted = {"brokerfix", "config", "specs", "tests", "bench", "setup.cfg", "pyproject.toml", "README.md", ".ci"}
    assert wanted <= {path.name for path in ROOT.iterdir()}
