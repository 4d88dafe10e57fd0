"""The house rules that keep the flow readable: imports go backwards only, and heavy ones wait."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import patronage

SOURCE = Path(patronage.__file__).parent

FLOW = [
    "errors",
    "journal",
    "processes",
    "writing",
    "wording.messages",
    "wording",
    "phrases",
    "windows",
    "tables.canonical",
    "tables.sql",
    "tables.database",
    "tables.files",
    "tables.notation",
    "tables.deciding",
    "tables.clock",
    "tables.reading",
    "tables.frames",
    "tables.mapping",
    "tables.opening",
    "tables",
    "datasets.personas",
    "datasets.drawing",
    "datasets.products",
    "datasets.people",
    "datasets.profiles",
    "datasets.purchases",
    "datasets.campaigns",
    "datasets.engagement",
    "datasets.planted",
    "datasets",
    "validation",
    "periods",
    "catalogue",
    "special",
    "features.trees",
    "features.two_steps",
    "features.hoisting",
    "features.past",
    "features.purchases",
    "features.relations",
    "features.expressions",
    "features.statement",
    "features.building",
    "features",
    "representation.scales",
    "representation.standard",
    "representation.principal",
    "representation.learners",
    "representation.outcome_aware",
    "representation",
    "distribution",
    "twins",
    "diagnosis",
    "assigners",
    "assigners.centroid",
    "assigners.bisecting",
    "assigners.mixture",
    "assigners.density.checks",
    "assigners.density.condensed_tree",
    "assigners.density.neighbours",
    "assigners.density.segments",
    "assigners.density.taking_over",
    "assigners.density.assigner",
    "assigners.density",
    "assigners.typing_tool",
    "assigners.grid",
    "embedding",
    "rfm_grid",
    "clusterers",
    "recipe",
    "evaluation",
    "evaluation.sample",
    "evaluation.separation",
    "evaluation.density",
    "evaluation.effect",
    "evaluation.size",
    "evaluation.stability",
    "evaluation.bootstrap",
    "evaluation.evidence",
    "evaluation.value",
    "evaluation.baselines",
    "evaluation.row",
    "evaluation.judgement",
    "evaluation.across_k",
    "observation",
    "backtest",
    "refit",
    "selection",
    "continuity",
    "numbering",
    "naming",
    "segments",
    "confidence",
    "prospects.classifier",
    "prospects.learning",
    "prospects.judging",
    "prospects",
    "package_folder",
    "model",
    "scoring.building",
    "scoring.repetitions",
    "scoring.rows",
    "scoring.parts",
    "scoring.sources",
    "scoring.outputs",
    "scoring.databases",
    "scoring.provenance",
    "scoring.job",
    "scoring",
    "profiles.tables",
    "profiles.customers",
    "profiles.columns",
    "profiles.significance",
    "profiles.members",
    "profiles.tallies",
    "profiles.money",
    "profiles.differences",
    "profiles.distributions",
    "profiles.habits",
    "profiles.reach",
    "profiles.sensitive",
    "profiles.positions",
    "profiles.bought",
    "profiles.pairs",
    "profiles.categories",
    "profiles.next_categories",
    "profiles.ranking",
    "profiles.criteria",
    "profiles.profile",
    "profiles",
    "likeness",
    "personas",
    "playbook",
    "actions",
    "offers",
    "audiences",
    "champion",
    "challenge",
    "packaging",
    "pyfunc",
    "leaderboard",
    "diagnosis_page",
    "figures.canvas",
    "figures.choice",
    "figures.trade_off",
    "figures.flows",
    "figures.described",
    "figures.diagnosed",
    "figures.lettering",
    "figures.valued",
    "figures.separated",
    "figures.signature",
    "figures.heat",
    "figures",
    "report.contents",
    "report.drawing",
    "report.numbers",
    "report.tables",
    "report.overview",
    "report.buying",
    "report.segment_cards",
    "report.charts",
    "report.background",
    "report.page",
    "report.making",
    "report.keeping",
    "report",
    "card",
    "description",
    "tracking.store",
    "tracking.runs",
    "tracking.reports",
    "tracking.registry",
    "tracking.promotion",
    "tracking.sweeps",
    "tracking",
    "training",
    "train",
    "sweep.choice",
    "sweep.comparison",
    "sweep.jobs",
    "sweep",
    "proposal.facts",
    "proposal.vocabulary",
    "proposal.probing",
    "proposal.looking",
    "proposal.matching",
    "proposal.names",
    "proposal.joining",
    "proposal.profiling",
    "proposal.assembling",
    "proposal.checking",
    "proposal.rendering",
    "proposal.wishes",
    "proposal",
    "terminal",
    "progress_bars",
    "schema",
    "overrides",
    "config",
    "commands",
    "commands.starting",
    "commands.learning",
    "commands.scoring",
    "commands.looking",
    "commands.reporting",
    "usage",
    "cli",
]


@cache
def modules() -> dict[str, Path]:
    """Every module of the package, by its name below ``patronage``."""
    found = {}
    for path in SOURCE.rglob("*.py"):
        name = ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
        if name != "__init__":
            found[name] = path
    return found


@cache
def imported(path: Path) -> set[str]:
    """Full names of the modules a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names.add(node.module)
            if node.module == "patronage":
                names |= {f"patronage.{alias.name}" for alias in node.names if f"{alias.name}" in modules()}
    return names


def test_every_module_has_its_place_in_the_flow() -> None:
    """A new module is put in the flow's order here, on purpose."""
    assert sorted(modules()) == sorted(FLOW)


@pytest.mark.parametrize("module", FLOW)
def test_a_module_imports_only_modules_before_it(module: str) -> None:
    """Imports go backwards along the flow, so there are no circles."""
    own = {name.removeprefix("patronage.") for name in imported(modules()[module]) if name.startswith("patronage.")}
    later = {name for name in own if FLOW.index(name) >= FLOW.index(module)}
    assert not later


@pytest.mark.parametrize(
    ("library", "allowed"),
    [
        ("mlflow", {"tracking.store", "pyfunc"}),
        ("hydra", {"overrides", "config", "cli"}),
        ("omegaconf", {"schema", "config", "cli"}),
        (
            "duckdb",
            {
                *("tables.files", "tables.deciding", "tables.clock", "tables.reading", "tables.mapping"),
                *("tables.opening", "validation", "features.statement", "features.building", "playbook"),
            },
        ),
        (
            "matplotlib",
            {
                *(f"figures.{name}" for name in ("canvas", "choice", "trade_off", "flows", "described", "diagnosed")),
                *(f"figures.{name}" for name in ("lettering", "valued", "separated", "signature", "heat")),
                *("report.drawing", "report.charts"),
            },
        ),
        ("jinja2", {"report.page"}),
        ("rich", {"terminal", "progress_bars"}),
        ("pickle", set()),
    ],
)
def test_a_library_is_known_to_few_modules(library: str, allowed: set[str]) -> None:
    """What one library does can be exchanged in one place."""
    users = {
        name for name, path in modules().items() if any(given.split(".")[0] == library for given in imported(path))
    }
    assert users <= allowed


def test_help_needs_no_heavy_import() -> None:
    """The command line answers at once: pandas, scikit-learn, Hydra and MLflow wait until they are needed."""
    script = (
        "import sys; from patronage.cli import main; main(['train', '--help']); "
        "heavy = {'pandas', 'numpy', 'sklearn', 'hydra', 'mlflow', 'duckdb', 'matplotlib', 'rich'} & set(sys.modules); "
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_loading_a_model_needs_no_mlflow_and_no_hydra() -> None:
    """A packaged model can be used where neither is installed."""
    script = (
        "import sys, patronage.model; "
        "sys.exit(', '.join({'mlflow', 'hydra', 'hdbscan', 'umap'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
