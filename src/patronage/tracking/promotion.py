"""Who is in charge: the champion and its aliases, how a challenger takes over, and how that is undone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from patronage.challenge import ChallengeGates, failed_challenge
from patronage.champion import Champion
from patronage.errors import PatronageError
from patronage.journal import warn
from patronage.tracking.registry import CHALLENGER, load_model
from patronage.tracking.store import Tracking, TrackingError, pointed_at, pointed_at_existing

CHAMPION, PREVIOUS = "champion", "previous"
_ABSENT = "RESOURCE_DOES_NOT_EXIST"
PROMOTED_AT, ROLLED_BACK_AT, FORCED = "promoted_at", "rolled_back_at", "promoted_by_force"


class PromotionRefusedError(PatronageError):
    """A challenger does not pass the gates against the champion."""

    exit_status = 3


@dataclass(frozen=True)
class Promotion:
    """What a promotion, or its undoing, has changed.

    Attributes
    ----------
    version : str
        The champion now.
    former : str, optional
        The champion before; None if there was none.
    figures : mapping
        How the version compared with the champion before, where it was compared.
    forced : tuple of str
        The gates that were overruled, each in words.
    """

    version: str
    former: str | None
    figures: Mapping[str, float] = field(default_factory=dict)
    forced: tuple[str, ...] = ()


def find_champion(tracking: Tracking) -> Champion:
    """The model in charge, and the highest number of a segment that people may know.

    A champion whose package cannot be read is told of, and counts as one that nothing can be compared with.
    """
    if tracking.is_new():
        return Champion()
    name = tracking.registered_model
    with pointed_at(tracking) as mlflow:
        client = mlflow.MlflowClient()
        registered = _registered(mlflow, client, name)
        if registered is None:
            return Champion()
        last_number, version = _last_served(client, registered), registered.aliases.get(CHAMPION)
        _remember(client, registered, last_number)
    if version is None:
        return Champion(last_number=last_number)
    try:
        model, _ = load_model(tracking, f"models:/{name}/{version}")
    except PatronageError as error:
        warn(f"champion version {version} cannot be read, so nothing is carried over from it: {error}")
        return Champion(str(version), None, last_number)
    return Champion(str(version), model, max(last_number, model.last_number))


def promote(
    tracking: Tracking,
    alias_or_version: str = CHALLENGER,
    *,
    gates: ChallengeGates | None = None,
    force: bool = False,
) -> Promotion:
    """Make a version the champion; the former champion stays reachable as ``previous``.

    Parameters
    ----------
    tracking : Tracking
    alias_or_version : str
    gates : ChallengeGates, optional
        What it must not fall short of the champion by.
    force : bool
        Promote it whatever the gates say; which of them it fails is written on the version.

    Raises
    ------
    PromotionRefusedError
        It fails a gate, or was never compared with the champion.
    """
    name = tracking.registered_model
    with pointed_at_existing(tracking) as mlflow:
        client = mlflow.MlflowClient()
        version = _version(mlflow, client, tracking, alias_or_version)
        registered = client.get_registered_model(name)
        former = registered.aliases.get(CHAMPION)
        if former is not None and str(former) == str(version.version):
            return Promotion(str(version.version), str(former))
        last_number = _last_served(client, registered)
        figures, failed = _judged(client, registered, version, gates or ChallengeGates())
        if failed and not force:
            raise PromotionRefusedError(
                f"{name} version {version.version} does not become champion in place of version {former}: "
                f"{'; '.join(failed)}. Promote it all the same with --force."
            )
        if former is not None:
            client.set_registered_model_alias(name, PREVIOUS, former)
        client.set_registered_model_alias(name, CHAMPION, version.version)
        client.set_model_version_tag(name, version.version, PROMOTED_AT, _now())
        _remember(client, registered, max(last_number, _number(version)))
        if ROLLED_BACK_AT in version.tags:
            client.delete_model_version_tag(name, version.version, ROLLED_BACK_AT)
        if failed:
            client.set_model_version_tag(name, version.version, FORCED, "; ".join(failed))
        elif FORCED in version.tags:  # of an earlier promotion
            client.delete_model_version_tag(name, version.version, FORCED)
        return Promotion(str(version.version), None if former is None else str(former), figures, failed)


def why_refused(tracking: Tracking, version: str | None) -> tuple[str, ...]:
    """Tell why `promote` would refuse a version by its shipped limits; empty where it would not."""
    with pointed_at_existing(tracking) as mlflow:
        client = mlflow.MlflowClient()
        found = _version(mlflow, client, tracking, str(version))
        registered = client.get_registered_model(tracking.registered_model)
        return _judged(client, registered, found, ChallengeGates())[1]


def rollback(tracking: Tracking) -> Promotion:
    """Put the previous champion back in charge; the one that gives way is ``previous`` then, and marked.

    Raises
    ------
    TrackingError
        There is no previous champion, or it gave way by a rollback itself.
    """
    name = tracking.registered_model
    with pointed_at_existing(tracking) as mlflow:
        client = mlflow.MlflowClient()
        registered = _registered(mlflow, client, name)
        aliases = {} if registered is None else registered.aliases
        former, version = aliases.get(CHAMPION), aliases.get(PREVIOUS)
        if version is None or version == former:  # the same where a promotion was killed halfway
            raise TrackingError(
                f"registered model {name} has no previous champion in {tracking.shown_uri()}; "
                "there is nothing to go back to. Promote a version with patronage promote version=…"
            )
        if ROLLED_BACK_AT in client.get_model_version(name, str(version)).tags:
            raise TrackingError(
                f"{name} version {version} gave way by a rollback already, so there is nothing to go back to. "
                f"patronage promote version={version} --force puts it in charge again."
            )
        client.set_registered_model_alias(name, CHAMPION, version)
        if former is not None:
            client.set_registered_model_alias(name, PREVIOUS, former)
            client.set_model_version_tag(name, str(former), ROLLED_BACK_AT, _now())
        return Promotion(str(version), None if former is None else str(former))


def _judged(
    client: Any,  # noqa: ANN401
    registered: Any,  # noqa: ANN401
    version: Any,  # noqa: ANN401
    gates: ChallengeGates,
) -> tuple[dict[str, float], tuple[str, ...]]:
    """How a version compared with the champion, if there is one, and all that speaks against promoting it."""
    former = registered.aliases.get(CHAMPION)
    figures: dict[str, float] = {}
    failed: tuple[str, ...] = ()
    if former is not None:
        figures, failed = _compared(client.get_model_version(registered.name, str(former)), version, gates)
    ids_from, last_number = _number(version, "ids_from"), _last_served(client, registered)
    # Its new segments were numbered after ids_from, which others have gone beyond meanwhile.
    if not failed and PROMOTED_AT not in version.tags and ids_from < min(last_number, _number(version)):
        failed = ("a version in charge since it was trained may have given its new ids to others; train again",)
    return figures, failed


def _compared(former: Any, version: Any, gates: ChallengeGates) -> tuple[dict[str, float], tuple[str, ...]]:  # noqa: ANN401
    """How a version compared with the champion when it was trained, and the gates that it fails by that."""
    if ROLLED_BACK_AT in version.tags:
        figures = _figures(version) if version.tags.get("champion.version") == str(former.version) else {}
        return figures, (
            f"it was rolled back at {version.tags[ROLLED_BACK_AT]}", *failed_challenge(figures, gates),
        )  # fmt: skip
    if PROMOTED_AT in version.tags:  # it was in charge before, and what it gives was known
        return {}, ()
    if version.tags.get("data") != former.tags.get("data"):
        return {}, (
            f"it was trained on data={version.tags.get('data')}, the champion on data={former.tags.get('data')}; if "
            "both are needed, keep them apart by tracking.registered_model",
        )
    asked = version.tags.get("champion.version")
    if asked != str(former.version):
        other = f"with version {asked}" if asked else "with none"
        return {}, (f"it was compared {other} when it was trained, not with version {former.version}; train again",)
    figures = _figures(version)
    return figures, failed_challenge(figures, gates)


def _figures(version: Any) -> dict[str, float]:  # noqa: ANN401
    """How a version compared with the champion when it was trained, by its tags."""
    prefix = "champion."
    return {
        key.removeprefix(prefix): float(value)
        for key, value in version.tags.items()
        if key.startswith(prefix) and key != "champion.version"
    }


def _last_served(client: Any, registered: Any) -> int:  # noqa: ANN401
    """The highest number of a segment's id in any version that is or was in charge, deleted ones included."""
    served = {str(registered.aliases[alias]) for alias in (CHAMPION, PREVIOUS) if alias in registered.aliases}
    numbers = [
        _number(version)
        for version in client.search_model_versions(f"name = '{registered.name}'")
        if str(version.version) in served or PROMOTED_AT in version.tags
    ]
    return max([_whole(registered.tags.get("last_number")), *numbers])


def _remember(client: Any, registered: Any, last_number: int) -> None:  # noqa: ANN401
    """Write the highest number on the model itself, where it outlives versions that are deleted."""
    if last_number > _whole(registered.tags.get("last_number")):
        client.set_registered_model_tag(registered.name, "last_number", str(last_number))


def _number(version: Any, tag: str = "last_number") -> int:  # noqa: ANN401
    """A version's number by its tag; where that is missing its segments were the first, and numbered from 1."""
    return _whole(version.tags.get(tag), version.tags.get("n_segments") if tag == "last_number" else None)


def _whole(*texts: str | None) -> int:
    """The first that is a whole number, tags being anybody's to write; else 0."""
    return next((int(text) for text in texts if text is not None and text.isdecimal()), 0)


def _version(mlflow: Any, client: Any, tracking: Tracking, alias_or_version: str) -> Any:  # noqa: ANN401
    name = tracking.registered_model
    try:
        if alias_or_version.isdigit():
            return client.get_model_version(name, alias_or_version)
        return client.get_model_version_by_alias(name, alias_or_version)
    except mlflow.exceptions.MlflowException as error:
        if error.error_code not in (_ABSENT, "INVALID_PARAMETER_VALUE"):  # the latter is an unknown alias
            raise
        raise TrackingError(
            f"registered model {name} has no version {alias_or_version!r} in {tracking.shown_uri()}; "
            "train one first, or name another with version=…"
        ) from None


def _registered(mlflow: Any, client: Any, name: str) -> Any:  # noqa: ANN401
    """The registered model; None where there is none of that name."""
    try:
        return client.get_registered_model(name)
    except mlflow.exceptions.MlflowException as error:
        if error.error_code == _ABSENT:
            return None
        raise


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
