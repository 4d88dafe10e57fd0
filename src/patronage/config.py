"""Configuration: Hydra composes YAML, typed schemas catch wrong keys, and frozen values go to the stages."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException
from yaml import YAMLError

from patronage.catalogue import Expand, Feature
from patronage.clusterers import Clusterer
from patronage.embedding import Embedding
from patronage.errors import InvalidConfigError, PatronageError
from patronage.naming import check_names
from patronage.observation import MIN_CUSTOMERS
from patronage.overrides import as_text, combinations, parsed, set_weights, split_weights, swept_keys
from patronage.playbook import Playbook, read_playbook
from patronage.recipe import RepresentationChoice
from patronage.schema import SCHEMAS, FeatureSchema
from patronage.segments import RESERVED_NAMES
from patronage.selection import Gates, Policy
from patronage.sweep import Job
from patronage.tables import CANONICAL, DataSource, TableSource, check_options
from patronage.tracking import Tracking
from patronage.training import Training
from patronage.wording import read_wording

_LARGEST = 100_000
_MISSPELT = 0.8
_GROUPS = ("data", "features", "outcomes", "representation", "clusterer", "selection", "playbook", "tracking")


def config_folder() -> Path:
    """The configuration's folder: the installed package's, or else the checkout's."""
    packaged = Path(__file__).parent / "conf"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "conf"


def compose_config(command: str, overrides: Sequence[str], config_dir: str | None = None) -> dict[str, Any]:
    """Compose the configuration of a command.

    Parameters
    ----------
    command : str
        A key of ``SCHEMAS``.
    overrides : sequence of str
        Hydra overrides; values that Hydra's grammar cannot read are quoted for it.
    config_dir : str, optional
        A folder with the user's own configuration files, searched as well. Default: ``conf`` in the working directory,
        where there is one.

    Raises
    ------
    InvalidConfigError
        A key or option does not exist, or a value has the wrong type.
    """
    store = ConfigStore.instance()
    for name, schema in SCHEMAS.items():
        store.store(name=f"{name}_schema", node=schema)
    if command == "features":  # it takes every option of training, so that an experiment means the same features
        store.store(name="train_schema", node=SCHEMAS[command])
    config_dir = config_dir if config_dir is not None else _own_folder()
    weights, others = split_weights(overrides)
    given = [parsed(override, command=command) for override in others]
    late = [override for override in given if override.get_key_element().lstrip("+~").startswith("features.")]
    wanted = [_as_hydra_takes_it(one, command) for one in given if one not in late and not _asks_for_no_experiment(one)]
    wanted += _experiment_of_data(command, given, config_dir)
    if config_dir is not None:
        if not Path(config_dir).is_dir():
            raise InvalidConfigError(f"--config-dir {config_dir}: no such folder.")
        folder = as_text(f"file://{Path(config_dir).resolve()}")
        wanted.append(f"hydra.searchpath=[{folder}]")
    try:
        with initialize_config_dir(str(config_folder().resolve()), version_base="1.3"):
            config = compose(command, wanted)
        _type_features(config, late)
        if weights:
            if "selection" not in config:
                raise InvalidConfigError(f"{weights[0]}: patronage {command} has no option selection.")
            config.selection.weights = set_weights(config.selection.weights, weights)
        # Hydra's + may add keys that no schema knows; a merge into the schema does not.
        untyped = OmegaConf.create(OmegaConf.to_container(config))
        known = OmegaConf.merge(OmegaConf.structured(SCHEMAS[command]), untyped)
        plain = OmegaConf.to_container(known, resolve=True, throw_on_missing=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise InvalidConfigError(_in_one_line(error, overrides, config_dir)) from None
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{mark.name}, line {mark.line + 1}" if mark is not None else "a configuration file"
        raise InvalidConfigError(f"{place}: no valid YAML ({getattr(error, 'problem', error)}).") from None
    except ValueError as error:
        # OmegaConf says so little when a mapping is expected and something else stands there.
        raise InvalidConfigError(
            f"a configuration file has another shape than expected ({str(error).splitlines()[0]}); "
            "a feature file begins with the line `# @package features.<name>`."
        ) from None
    assert isinstance(plain, dict)  # noqa: S101
    return {str(key): value for key, value in plain.items()}


def _own_folder() -> str | None:
    """The folder ``conf`` of the working directory, where `patronage init` puts what it finds."""
    own = Path("conf")
    return "conf" if (own / "data").is_dir() and own.resolve() != config_folder().resolve() else None


def _asks_for_no_experiment(override: Override) -> bool:
    """Whether it is experiment=null, which Hydra does not take for a group."""
    return override.get_key_element() == "experiment" and override.value() is None


def _as_hydra_takes_it(override: Override, command: str) -> str:
    """The override itself; but null, which Hydra takes for no group, is told or turned into what it means."""
    key = override.get_key_element()
    if command == "report" and key in ("data", "playbook") and override.value() is None:
        return f"~{key}"  # as it is anyway
    if key in _GROUPS and override.value() is None and not override.is_delete():
        if key == "outcomes":
            return "~outcomes"  # nothing later is measured
        known = ", ".join(sorted(path.stem for path in (config_folder() / key).glob("*.yaml")))
        raise InvalidConfigError(f"{key}=null: training needs one; name it, such as {known}.")
    return str(override.input_line)


def _experiment_of_data(command: str, given: Sequence[Override], config_dir: str | None) -> list[str]:
    """The experiment that bears the data's name, where there is one and no other is asked for."""
    named = {override.get_key_element(): override.value() for override in given}
    if command not in ("train", "features") or "experiment" in named:
        return []
    folders = [config_folder(), *([Path(config_dir)] if config_dir is not None else [])]
    there = any((folder / "experiment" / f"{named.get('data')}.yaml").is_file() for folder in folders)
    return [f"experiment={named['data']}"] if there else []


def _type_features(config: DictConfig, overrides: Sequence[Override]) -> None:
    """Give every feature its schema, then apply the overrides that reach into features.

    OmegaConf types a mapping's values, but not those of a mapping in a mapping; without this a feature's option that
    its file leaves out could not be overridden, and a misspelt one in a file would go unnoticed.
    """
    _merge_feature_schema(config)
    for override in overrides:
        key = override.get_key_element().lstrip("+~")
        parent, _, last = key.rpartition(".")
        if override.is_delete():
            node = OmegaConf.select(config, parent)
            if node is None or last not in node:
                raise InvalidConfigError(f"~{key}: there is nothing of that name to leave out.")
            with open_dict(node):
                del node[last]
        else:
            try:
                OmegaConf.update(config, key, override.value(), force_add=override.is_add())
            except (AssertionError, AttributeError):
                whole = "{by: …, top: …}" if ".expand." in key else "{…}"
                raise InvalidConfigError(f"{key}: {parent} is not set; give it as a whole, {parent}={whole}.") from None
    _merge_feature_schema(config)  # of features that an override has added


def _merge_feature_schema(config: DictConfig) -> None:
    for name in map(str, list(config.get("features", {}))):
        entries = config.features[name]
        if not isinstance(entries, DictConfig) or entries._is_none():  # noqa: SLF001
            raise InvalidConfigError(f"features.{name} holds no features; leave the set out of features=[…] instead.")
        if not any(isinstance(entry, DictConfig) and "relation" in entry for entry in entries.values()):
            # An experiment changes features of a set that was not chosen this time.
            with open_dict(config.features):
                del config.features[name]
            continue
        for key, entry in entries.items():
            feature = str(key)
            try:
                config.features[name][feature] = OmegaConf.merge(OmegaConf.structured(FeatureSchema), entry)
            except OmegaConfBaseException as error:
                raise InvalidConfigError(f"features.{name}.{feature}: {_in_one_line(error, ())}") from None


def _in_one_line(error: BaseException, overrides: Sequence[str], config_dir: str | None = None) -> str:
    """Say in one line what Hydra says in many, with the known names that come nearest."""
    missing = re.search(r"Could not (?:load|find) '([\w./-]+)/([\w.-]+)'", str(error))
    if missing is not None:
        group, name = missing.groups()
        folders = [config_folder(), *([Path(config_dir)] if config_dir is not None else [])]
        known = sorted({path.stem for folder in folders for path in (folder / group).glob("*.yaml")})
        return f"there is no {group} {name!r}; {_nearest(name, known)}"
    cause = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else error
    source = next((given for given in overrides if given in str(error)), "")
    if isinstance(cause, ConfigKeyError | ConfigAttributeError):
        key = str(cause.full_key or cause.key)
        source = source or next((given for given in overrides if given.lstrip("+~").startswith(key)), "")
        parent = cause.parent_node
        known = [str(name) for name in parent] if isinstance(parent, DictConfig) and not parent._is_none() else []  # noqa: SLF001
        return f"{source + ': ' if source else ''}there is no option {key!r}; {_nearest(key.rpartition('.')[2], known)}"
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    # "In 'data/mine': … raised while composing config:" is followed by what was raised.
    text = " ".join(lines[:2] if lines and lines[0].endswith(":") else lines[:1]) or type(cause).__name__
    where = source or str(getattr(cause, "full_key", None) or "")
    return f"{where}: {text}" if where and where not in text else text


def _nearest(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    if near:
        return f"did you mean {near[0]}?"
    return f"known: {', '.join(known)}." if known else "see --help and --show-config."


def training(config: Mapping[str, Any]) -> Training:
    """Values for `train.train`."""
    selection, tried = config["selection"], clusterers(config["clusterer"])
    return Training(
        data=data_source(config["data"]),
        features=features(config["features"]),
        outcomes=tuple(_feature(name, entry) for name, entry in config["outcomes"].items()),
        lookback_days=positive("lookback_days", config["lookback_days"]),
        outcome_days=positive("outcome_days", config["outcome_days"]),
        as_of=day("as_of", config["as_of"]),
        representation=RepresentationChoice(config["representation"]["kind"], config["representation"]["parameters"]),
        clusterers=tried,
        policy=Policy(selection["weights"], selection["tolerance"], Gates(**selection["gates"])),
        fit_rows=_fit_rows(config["fit_rows"], max(one.most_segments for one in tried)),
        n_refits=positive("stability_refits", config["stability_refits"]),
        min_confidence=probability("min_confidence", config["min_confidence"]),
        min_prospect_confidence=probability("min_prospect_confidence", config["min_prospect_confidence"]),
        seed=_seed(config["seed"]),
        workers=positive("workers", config["workers"]),
        names=_names(config["names"]),
        wording=read_wording(config["language"]),
        playbook=_playbook(config["playbook"]) if config["report"] else None,
        output=Path(config["output"]).resolve(),
        tracking=Tracking(**config["tracking"]),
        config=config,
    )


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep consists of.

    Attributes
    ----------
    jobs : tuple of Job
        One whose options cannot be composed holds the reason.
    n_parallel : int
        Jobs at a time.
    name : str
        Of the sweep's run in MLflow.
    quiet : bool
    """

    jobs: tuple[Job, ...]
    n_parallel: int
    name: str
    quiet: bool


def sweep_plan(overrides: Sequence[str], config_dir: str | None = None) -> SweepPlan:
    """Values for `sweep.sweep`: compose the configuration of every job.

    Raises
    ------
    InvalidConfigError
        The sweep cannot be taken apart, or none of its jobs can be composed.
    """
    config_dir = config_dir if config_dir is not None else _own_folder()
    folders = [config_folder(), *([Path(config_dir)] if config_dir is not None else [])]
    jobs, first = [], None
    for number, one in enumerate(combinations(overrides, folders), 1):
        try:
            config = compose_config("train", one.overrides, config_dir)
            jobs.append(Job(number, one.shown, training(config)))
            first = first or config
        except PatronageError as error:
            jobs.append(Job(number, one.shown, None, str(error)))
    if first is None:
        raise InvalidConfigError(jobs[0].fault)
    keys = ", ".join(swept_keys(overrides))
    return SweepPlan(
        tuple(jobs),
        positive("sweep_jobs", first["sweep_jobs"]),
        f"sweep over {keys}" if keys else "sweep",
        first["quiet"],
    )


def data_source(config: Mapping[str, Any]) -> DataSource:
    """Values for `tables.open_tables`."""
    given = {name: config[name] for name in CANONICAL if config.get(name) is not None}
    tables = {name: TableSource(**table) for name, table in given.items()}
    for name, table in tables.items():
        check_options(name, table)
    return DataSource(config["name"], tables, config["timezone"])


def features(config: Mapping[str, Mapping[str, Any]]) -> tuple[Feature, ...]:
    """All declared features; a name that two files declare comes twice, for `features.learn_catalogue` to refuse."""
    return tuple(_feature(name, entry) for entries in config.values() for name, entry in entries.items())


def _feature(name: str, entry: Mapping[str, Any]) -> Feature:
    expand = entry["expand"]
    return Feature(
        **{
            **entry,
            "name": name,
            "levels": tuple(entry["levels"]),
            "expand": None if expand is None else Expand(**expand),
        }
    )


def playbook(config: Mapping[str, Any], of_training: Mapping[str, Any] | None) -> Playbook:
    """The playbook of a report: the one that is named, else that of the training with the rules given changed.

    Without a training whose playbook is known, the shipped one stands for it.
    """
    if "most_actions" in config:
        return _playbook(config)
    of_training = of_training or _shipped_playbook()
    rules = {name: dict(rule) if rule else rule for name, rule in of_training["rules"].items()}
    for name, rule in config.get("rules", {}).items():
        rules[name] = None if rule is None else {**(rules.get(name) or {}), **rule}
    return _playbook({**of_training, **config, "rules": rules})


def _playbook(config: Mapping[str, Any]) -> Playbook:
    read = read_playbook(config)
    off = [name for name, rule in config["rules"].items() if rule is None]
    known = _shipped_playbook()["rules"] if off else {}
    for name in off:
        near = difflib.get_close_matches(name, [one.id for one in read.rules], 1, _MISSPELT)
        if name not in known and near:
            raise InvalidConfigError(f"playbook.rules.{name}=null: there is no such rule; did you mean {near[0]}?")
    return read


def _shipped_playbook() -> dict[str, Any]:
    shipped: dict[str, Any] = yaml.safe_load(
        (config_folder() / "playbook" / "default.yaml").read_text(encoding="utf-8")
    )
    return shipped


def clusterers(config: Mapping[str, Mapping[str, Any]]) -> tuple[Clusterer, ...]:
    """The clusterers to try."""
    if not config:
        raise InvalidConfigError("clusterer names none; at least one is needed, such as clusterer=[kmeans].")
    return tuple(
        Clusterer(
            name,
            entry["_target_"],
            entry["parameters"],
            entry["grid"],
            entry["noise"],
            tuple(entry["features"]),
            _embedding(f"clusterer.{name}.embedding", entry["embedding"]),
            entry["neighbour_tolerance"],
        )
        for name, entry in config.items()
    )


def _embedding(option: str, entry: Mapping[str, Any]) -> Embedding | None:
    if not entry:
        return None
    known = [one.name for one in fields(Embedding)]
    if unknown := sorted(set(entry) - set(known)):
        raise InvalidConfigError(f"{option} has no parameter {unknown[0]!r}; it has {', '.join(known)}.")
    return Embedding(**entry)


def day(option: str, text: str | None) -> date | None:
    """A day such as 2017-10-01."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidConfigError(f"{option} must be a day such as 2017-10-01; got {text!r}.") from None


def positive(option: str, number: int) -> int:
    """A whole number from 1 on."""
    if not 1 <= number <= _LARGEST:
        raise InvalidConfigError(f"{option} must be from 1 to {_LARGEST:,}; got {number}.")
    return number


def probability(option: str, number: float) -> float:
    """A number from 0 to 1."""
    if not 0 <= number <= 1:
        raise InvalidConfigError(f"{option} must be from 0 to 1; got {number:g}.")
    return number


def _names(given: Mapping[str, str]) -> Mapping[str, str]:
    check_names(given, RESERVED_NAMES.values())
    return given


def _fit_rows(number: int | None, most_segments: int) -> int | None:
    least = max(MIN_CUSTOMERS, most_segments)
    if number is not None and number < least:
        raise InvalidConfigError(
            f"fit_rows must be at least {least} (up to {most_segments} segments are asked for), or null for all "
            f"customers; got {number}."
        )
    return number


def _seed(number: int) -> int:
    if not 0 <= number < 2**32:
        raise InvalidConfigError(f"seed must be from 0 to {2**32 - 1}; got {number}.")
    return number
