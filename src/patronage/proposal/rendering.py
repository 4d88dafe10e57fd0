"""The configuration files of a proposal, with a comment on every line that is a guess."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from patronage.errors import InvalidConfigError
from patronage.proposal.assembling import Mapped, Proposal
from patronage.proposal.checking import LOOKBACK_DAYS, OUTCOME_DAYS, Checked
from patronage.proposal.matching import Match
from patronage.proposal.names import GROUPS, MARK
from patronage.tables import TableSource
from patronage.tables.database import is_url, without_password
from patronage.writing import write_text

DEFAULT_SETS = ("rfm", "basket", "affinity", "demographic")
"""Feature sets that training uses by default (conf/train.yaml)."""

DATABASE = "DATABASE_URL"
"""Environment variable that an address with a password is read from."""

_SETS: Mapping[str, Sequence[str]] = {
    "events": ("engagement",),
    "contacts": ("service",),
    "campaigns": ("campaign",),
    "answers": ("psychographic", "benefit"),
}
_DEMOGRAPHIC = (
    "age", "birth_date", "gender", "education", "occupation", "income", "household_size", "children",
    "marital_status", "household_comp", "home_ownership",
)  # fmt: skip
_GEOGRAPHIC = ("country", "region", "postcode")
_DEFAULT = TableSource()
_NUMERAL = r"(?i)[-+]?[\d_.]+(e[-+]?\d+)?|[-+]?\.?(nan|inf)"
_ENGAGED = ("acquisition_channel", "email_opt_in")
_ENGAGEMENT_DAYS = 30  # its features of the last 30 days need a lookback as long


@dataclass(frozen=True)
class Draft:
    """Configuration files that are not written yet.

    Attributes
    ----------
    name : str
    folder : Path
        The configuration folder; `train` finds ``conf`` by itself.
    files : mapping
        Path → text.
    """

    name: str
    folder: Path
    files: Mapping[Path, str]

    @property
    def next_command(self) -> str:
        """What to type next."""
        elsewhere = "" if self.folder == Path("conf") else f" --config-dir {self.folder}"
        export = f"{DATABASE}=… " if any(f"oc.env:{DATABASE}" in text for text in self.files.values()) else ""
        return f"{export}patronage train{elsewhere} data={self.name} {self._of_its_own}"

    @property
    def advice(self) -> tuple[str, ...]:
        """What people should know before and after they type it."""
        features = self.files.get(self.folder / "features" / f"{self.name}.yaml", "")
        apart = (
            f"{self._of_its_own} keeps these models apart from those of other data: give it to promote, rollback, "
            "score, report and export too"
        )
        if "  labels:\n" not in features:
            return (apart,)
        named = (
            f"segments are named by the labels in {self.folder / 'features' / f'{self.name}.yaml'}: "
            "say there in plain words what is low and what is high"
        )
        return apart, named

    @property
    def _of_its_own(self) -> str:
        """The option that gives these data a registered model, and so a folder of models, of their own."""
        return f"tracking.registered_model={self.name}-segments"

    def write(self, *, force: bool) -> None:
        """Write the files, each whole or not at all; what an earlier proposal of the name left over is removed.

        Raises
        ------
        InvalidConfigError
            A file of the name is there already and ``force`` is not set.
        """
        there = [path for group in GROUPS if (path := self.folder / group / f"{self.name}.yaml").exists()]
        if there and not force:
            listed = ", ".join(str(path) for path in there)
            raise InvalidConfigError(f"{listed}: there already; choose another name=…, or force=true.")
        for path, text in self.files.items():
            write_text(path, text)
        for path in there:
            # An experiment that nobody needs any more would be used all the same; a user's own file stays.
            if path not in self.files and MARK in path.read_text(encoding="utf-8"):
                path.unlink()


def draft(checked: Checked, folder: Path, command: str) -> Draft:
    """Write down a proposal as configuration files; nothing reaches the disk yet."""
    proposal = checked.proposal
    name = proposal.name
    files = {folder / "data" / f"{name}.yaml": data_text(checked, command)}
    if proposal.features:
        files[folder / "features" / f"{name}.yaml"] = features_text(proposal)
    if proposal.is_dated and proposal.table("transactions") is None:
        files[folder / "outcomes" / f"{name}.yaml"] = _outcomes_text()
    if experiment := experiment_text(checked):
        files[folder / "experiment" / f"{name}.yaml"] = experiment
    return Draft(name, folder, files)


def data_text(checked: Checked, command: str) -> str:
    """The data configuration."""
    proposal = checked.proposal
    lines = [
        f"{MARK}{_plain(command).removeprefix('patronage init')}",
        "# Look through it: comments tell what is a guess, and what else is thinkable. `# sure` columns are named so.",
    ]
    lines += [f"# {_plain(one)}" for one in (*proposal.remarks, *checked.facts)]
    lines += [f"# Not used: {_plain(f'{label}: {reason}')}." for label, reason in proposal.unused.items()]
    zone = "timezone: UTC # that moments with an offset are told in; such as Europe/Amsterdam"
    lines += [f"name: {proposal.name}", zone]
    for one in proposal.tables:
        lines += ["", *_table_lines(one)]
    return "\n".join(lines) + "\n"


def _table_lines(one: Mapped) -> list[str]:
    source = one.source
    rows = sum(file.n_rows for file in one.files)
    lines = [f"{one.table}: # {_plain(', '.join(file.label for file in one.files))}: {rows:,} rows"]
    lines += [f"  # {_plain(remark)}" for remark in one.files[0].remarks]
    lines += _origin_lines(one)
    for option in ("delimiter", "header", "encoding", "where", "timezone", "null_key", "invalid_value", "duplicates"):
        value = getattr(source, option)
        if value != getattr(_DEFAULT, option):
            lines.append(f"  {option}: {_scalar(value)}{_comment(one.comments.get(option, ''))}")
    for option in ("columns", "derive", "formats"):
        given: Mapping[str, str] = getattr(source, option)
        lines += [f"  {option}:"] if given else []
        for column, value in given.items():
            comment = one.comments.get(f"{option}.{column}", "" if option == "formats" else _said(one.match(column)))
            lines.append(f"    {_scalar(column)}: {_scalar(value)}{_comment(comment)}")
    if one.table == "transactions" and source.duplicates == "keep":
        lines.append("  # duplicates: drop # leaves out lines that equal another in every column")
    if one.extra:
        lines.append(f"  # Columns for features of your own: {_plain(', '.join(one.extra))}")
    return lines


def _origin_lines(one: Mapped) -> list[str]:
    """Where a table's rows come from."""
    source, lines = one.source, []
    if source.path is not None:
        path, comment = _scalar(source.path), ""
        if is_url(source.path) and without_password(source.path) != source.path:
            path, comment = f"${{oc.env:{DATABASE}}}", "may hold a password, which stays in the environment"
        elif len(one.files) > 1:
            comment = f"finds these {len(one.files)} files, and later ones of such a name"
        lines.append(f"  path: {path}{_comment(comment)}")
    if source.table is not None:
        lines.append(f"  table: {_scalar(source.table)}")
    if source.query is not None:
        if source.query.replace("\n", "").isprintable():
            lines += ["  query: |", *(f"    {line}" for line in _literal(source.query).split("\n"))]
        else:
            lines.append(f"  query: {_scalar(source.query)}")
        lines.append("  files:")
        lines += [f"    {_scalar(key)}: {_scalar(path)}" for key, path in source.files.items()]
    return lines


def _said(match: Match | None) -> str:
    """What is to be said about a mapped column."""
    if match is None:
        return ""
    told = match.confidence if match.confidence == "sure" else f"{match.confidence}: {match.reason}"
    return f"{told}; or {', '.join(match.alternatives)}" if match.alternatives else told


def features_text(proposal: Proposal) -> str:
    """Features of the columns of customers."""
    lines = [
        f"# @package features.{proposal.name}",
        MARK,
        "# One feature per useful column of customers. The options of an entry are explained in the shipped",
        "# features/rfm.yaml. role: basis forms segments, descriptor only describes them; scale: none, log,",
        "# yeo_johnson, ordinal, one_hot, binary. labels: what low and high values are called in the names of segments",
        "# and in the report; plain words read better than a column's name.",
    ]
    if proposal.left_out:
        left_out = [f"#   {_plain(f'{column}: {reason}')}" for column, reason in proposal.left_out.items()]
        lines += ["#", "# Left out:", *left_out]
    for one in proposal.features:
        lines += [
            "",
            f"{_scalar(one.name)}:{_comment(one.comment)}",
            "  relation: customers",
            f"  sql: {_scalar(one.sql)}",
        ]
        lines.append(f"  family: {one.family}")
        if one.role != "basis":
            lines.append(f"  role: {one.role}")
        if one.scale != "none":
            lines.append(f"  scale: {one.scale}")
        if one.levels:
            lines += ["  levels:", *(f"    - {_scalar(level)}" for level in one.levels)]
        if one.labels:
            lines.append("  labels:")
            lines += [f"    {side}: {_scalar(text)}" for side, text in one.labels.items()]
    return "\n".join(lines) + "\n"


def experiment_text(checked: Checked) -> str:
    """What training needs that its defaults do not say; empty where they do."""
    proposal, overrides, lines = checked.proposal, [], []
    sets = feature_sets(checked)
    if not proposal.is_dated or sets != [one for one in DEFAULT_SETS if one in sets]:
        overrides.append(f"  - override /features: [{', '.join(sets)}]")
    if not proposal.is_dated:
        overrides.append("  - override /representation: standard # nothing is dated, so nothing later to learn from")
        overrides.append("  - override /selection: separation # nor to judge by")
    elif proposal.table("transactions") is None:
        overrides.append(f"  - override /outcomes: {proposal.name} # there are no orders")
    if not checked.usual_windows and checked.span is not None:
        needed = checked.lookback_days + 2 * checked.outcome_days
        usual = LOOKBACK_DAYS + 2 * OUTCOME_DAYS
        lines += [
            f"# The data run from {checked.span[0]} to {checked.span[1]}; training needs lookback + 2 × outcome days:",
            f"# {needed} so, {usual} by default.",
            f"lookback_days: {checked.lookback_days}",
            f"outcome_days: {checked.outcome_days}",
        ]
    if not overrides and not lines:
        return ""
    head = [
        "# @package _global_",
        MARK,
        f"# What training on data={proposal.name} does otherwise than by default; it is used without being named.",
    ]
    return "\n".join([*head, *(["defaults:", *overrides] if overrides else []), *lines]) + "\n"


def feature_sets(checked: Checked) -> list[str]:
    """Feature sets that can be computed from what is there."""
    proposal = checked.proposal
    own = [proposal.name] if proposal.features else []
    if not proposal.is_dated:
        return own + (["psychographic"] if proposal.table("answers") is not None else [])
    transactions, products = proposal.table("transactions"), proposal.table("products")
    customers = proposal.table("customers")
    sets = ["rfm", "basket"] if transactions is not None else []
    known = {name for one in (transactions, products) if one is not None for name in _names(one)}
    if transactions is not None and {"category", "department", "brand"} & known:
        sets.append("affinity")
    if customers is not None:
        columns = _names(customers)
        sets += ["demographic"] if set(_DEMOGRAPHIC) & columns else []
        sets += ["geographic"] if set(_GEOGRAPHIC) & columns else []
        sets += ["influence"] if "followers" in columns else []
    for table, further in _SETS.items():
        named = table == "events" and customers is not None and bool(set(_ENGAGED) & _names(customers))
        if proposal.table(table) is not None or named:
            sets += [one for one in further if one != "engagement" or checked.lookback_days >= _ENGAGEMENT_DAYS]
    return sets + own


def _names(one: Mapped) -> set[str]:
    return {*one.source.columns, *one.source.derive, *(extra.lower() for extra in one.extra)}


def _outcomes_text() -> str:
    return f"""\
# @package outcomes
{MARK}
# There are no orders, so what segments should tell is how much customers do later. See the shipped
# outcomes/purchases.yaml.

events_later:
  relation: events
  sql: count(*)
  family: engagement
  empty: 0
  unit: events
"""


def _comment(text: str) -> str:
    return f" # {_plain(text)}" if text else ""


def _plain(text: str) -> str:
    """A text on one line, as a comment must be, of signs that YAML takes."""
    return "".join(sign if sign.isprintable() else "?" for sign in " ".join(text.split()))


def _literal(text: str) -> str:
    """A text in which ``${`` refers to no other option; backslashes before it stay as many as they are."""
    return re.sub(r"(\\*)\$\{", lambda found: found[1] * 2 + "\\${", text)


def _scalar(value: object) -> str:
    """A value as YAML, on one line."""
    style = None
    if isinstance(value, str):
        value = _literal(value)
        # The reader of configurations takes more for numbers than the writer knows of: 1e5.
        style = '"' if not value.isprintable() or re.fullmatch(_NUMERAL, value) else None
    text = yaml.safe_dump(value, allow_unicode=True, width=10_000, default_style=style)
    return text.strip().removesuffix("...").strip()
