"""Features out of a customers table: one per useful column, with the reason where a column is left out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from patronage.features.relations import NO, YES
from patronage.proposal.facts import Column, File
from patronage.proposal.matching import PROFILE
from patronage.proposal.vocabulary import CODES, COLUMNS, PART, PERSONAL, RESULTS, fit, words
from patronage.special import is_sensitive, special_category
from patronage.tables import quote
from patronage.tables.sql import quote_text

MOST_MISSING = 0.95
SKEWED = 1.0
"""From this skewness on, amounts are put on a log scale."""

BATTERY = 5
"""So many questions with the same answers are a battery: they form segments, and everything else describes them."""

_BATTERY_SHARE = 0.4
_MOST_CODES = 20
_FEW_LEVELS = 10
_YES = frozenset({*YES, "j", "1", "1.0"})
_NO = frozenset({*NO, "0", "0.0"})
_NUMBER = r"[+-]?\d+(?:\.\d+)?"
_BAND = r"\d[\d.,]*\s*[kKmM]?\s*(?:-|–|to|bis|tot|til)\s*\d|[<>≤≥+]|(?i:under|over|below|above|less|more|up to)"
_FIRST = r"(?i)^\s*(?:<|≤|under|below|less|up to|minder|onder|unter|bis|op til)"
_LAST = r"(?i)^\s*(?:>|≥|over|above|more|meer|boven|über)|\+\s*$"
_SCALES: tuple[tuple[str, ...], ...] = (
    ("never", "rarely", "sometimes", "often", "very often", "always"),
    ("never", "less than once a year", "once a year", "twice a year", "every six months", "every three months",
     "once a quarter", "every two months", "once a month", "every month", "twice a month", "every two weeks",
     "once a week", "every week", "more than once a week", "twice a week", "daily", "every day"),
    ("very low", "low", "medium", "high", "very high"),
    ("extra small", "small", "medium", "large", "extra large"),
    ("xs", "s", "m", "l", "xl", "xxl"),
    ("strongly disagree", "disagree", "neutral", "agree", "strongly agree"),
    ("strongly disagree", "somewhat disagree", "neither agree nor disagree", "somewhat agree", "strongly agree"),
    ("very dissatisfied", "dissatisfied", "neutral", "satisfied", "very satisfied"),
    ("nooit", "zelden", "soms", "vaak", "altijd"),
    ("aldrig", "sjældent", "nogle gange", "ofte", "altid"),
    ("nie", "selten", "manchmal", "oft", "immer"),
    ("jamais", "rarement", "parfois", "souvent", "toujours"),
    ("никогда", "редко", "иногда", "часто", "всегда"),
    ("laag", "midden", "hoog"),
    ("lav", "mellem", "høj"),
    ("niedrig", "mittel", "hoch"),
)  # fmt: skip
_GEOGRAPHIC = ("country", "region", "postcode")
_GEOGRAPHIC_WORDS = ("city", "town", "zone", "area", "district", "province", "state", "stad", "plaats", "stadt")


@dataclass(frozen=True)
class OwnFeature:
    """A feature of a column of customers, as `catalogue.Feature` declares it, and what is to be said about the guess.

    Attributes
    ----------
    name, sql, family, role, scale : str
    column : str
        The user's column.
    comment : str
        What was guessed, and what else is thinkable.
    labels : mapping
    levels : tuple of str
        Of an ordinal feature, lowest first.
    """

    name: str
    column: str
    sql: str
    family: str
    role: str
    scale: str
    comment: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    levels: tuple[str, ...] = ()


def own_features(
    file: File, used: Collection[str], *, with_behaviour: bool, taken: Collection[str] = ()
) -> tuple[tuple[OwnFeature, ...], dict[str, str]]:
    """One feature per useful column of customers, and the others with the reason why they are left out.

    Parameters
    ----------
    file : File
    used : collection of str
        Columns that are used otherwise.
    with_behaviour : bool
        Whether other tables tell what customers do: then these features only describe segments.
    taken : collection of str
        Names that features must not have.
    """
    features: list[OwnFeature] = []
    left_out: dict[str, str] = {}
    names = {"customer_id", "customer_status", *taken}
    lower = {one.lower() for one in used}
    for column in file.columns:
        if column.name.lower() in lower:
            continue
        reason = _why_not(column)
        if reason:
            left_out[column.name] = reason
            continue
        feature = _feature(column, _fresh(column.name, names))
        names.add(feature.name)
        features.append(feature)
    if with_behaviour:
        return tuple(_describing(feature) for feature in features), left_out
    return tuple(_with_roles(file, features)), left_out


def midpoints(column: Column) -> str:
    """SQL that takes the middle of bands such as 25-34 or 65+; empty where the texts are no bands."""
    if column.holds != "text" or not column.levels or not any(re.search(_BAND, one) for one in column.levels):
        return ""
    middles = {level: middle for level in column.levels if (middle := _middle(level)) is not None}
    if len(middles) * 10 < len(column.levels) * 8 or len(set(middles.values())) < len(middles):
        return ""
    whens = " ".join(
        f"WHEN {quote_text(level)} THEN {middle:g}" for level, middle in sorted(middles.items(), key=lambda one: one[1])
    )
    return f"CASE trim({quote(column.name)}) {whens} END"


def _middle(level: str) -> float | None:
    """The middle of a band; of open bands a guess on their side."""
    found = re.findall(r"(\d+(?:[.,]\d+)?)\s*([kKmM]?)", level.replace(" ", " "))
    numbers = [float(number.replace(",", ".")) * {"k": 1e3, "m": 1e6}.get(unit.lower(), 1) for number, unit in found]
    if len(numbers) == 2 and numbers[0] <= numbers[1]:  # noqa: PLR2004 - from … to
        if found[0][1] == "" and found[1][1] != "":  # 15-24K: both in thousands
            numbers[0] *= {"k": 1e3, "m": 1e6}[found[1][1].lower()]
        return (numbers[0] + numbers[1]) / 2
    if len(numbers) != 1:
        return None
    if re.search(_FIRST, level):
        return numbers[0] / 2
    # Of "5+" children or persons most have five; of "65+" or "250K+" the middle lies further on.
    return numbers[0] * 1.1 if re.search(_LAST, level) and numbers[0] > _FEW_LEVELS else numbers[0]


def _why_not(column: Column) -> str:
    """Why a column is no feature; empty if it can be one."""
    category = special_category(column.name)
    named_id = column.name.lower() == "id" or any(fit(column.name, COLUMNS[one]) for one in ("customer_id", "order_id"))
    is_id = column.is_unique and column.n_rows > _FEW_LEVELS and (column.holds == "text" or named_id)
    reasons = (
        ("empty", column.n_values == 0),
        (f"empty for {column.missing / column.n_rows:.0%} of the customers",
         column.missing > MOST_MISSING * column.n_rows),
        ("the same for everyone", column.n_distinct == 1 and column.missing == 0),
        (f"tells of {category}, special personal data", category is not None),
        ("a row number", column.is_row_number),
        ("tells who somebody is", fit(column.name, PERSONAL) >= PART - 0.1 and column.n_distinct > _FEW_LEVELS),
        ("an identifier", is_id),
        ("a date", column.holds == "time"),
        ("neither a number nor a text", column.holds == "other"),
        (f"text of {column.n_distinct:,} different values", column.holds == "text" and not column.levels),
    )  # fmt: skip
    return next((reason for reason, applies in reasons if applies), "")


def _feature(column: Column, name: str) -> OwnFeature:
    quoted, spoken = quote(column.name), _spoken(column.name)
    feature = OwnFeature(name, column.name, quoted, _family(column.name), "basis", "none")
    amounts = {"low": f"low {spoken}", "high": f"high {spoken}"}
    answers = {level.lower() for level in column.levels}
    if column.holds == "flag" or (len(answers) == 2 and answers <= _YES | _NO):  # noqa: PLR2004 - yes and no
        sql = f"{quoted}::INT" if column.holds == "flag" else _yes_no(column)
        return replace(feature, sql=sql, scale="binary", labels={"low": f"not {spoken}", "high": spoken})
    if column.holds == "number":
        return _number(feature, column, amounts)
    if _is_score(column.levels):
        sql = f"try_cast(regexp_extract({quoted}, '{_NUMBER}') AS DOUBLE)"
        return replace(feature, sql=sql, labels=amounts, comment="the number in the answer")
    if levels := ordered(column.levels):
        comment = "levels from lowest to highest, a guess from their words"
        return replace(feature, sql=f"trim({quoted})", scale="ordinal", levels=levels, labels=amounts, comment=comment)
    return replace(feature, sql=f"nullif(trim({quoted}), '')", scale="one_hot")


def _number(feature: OwnFeature, column: Column, labels: Mapping[str, str]) -> OwnFeature:
    """A column of numbers: codes, skewed amounts, or others."""
    if _is_code(column):
        comment = f"{column.n_distinct} whole numbers, taken for codes; if they are amounts: scale: none"
        return replace(feature, sql=f"{feature.sql}::VARCHAR", scale="one_hot", comment=comment)
    sql = f"try_cast({feature.sql} AS DOUBLE)" if column.is_text else feature.sql
    skewed = column.low is not None and column.low >= 0 and column.skew > SKEWED and (column.high or 0) > 1
    return replace(
        feature, sql=sql, scale="log" if skewed and column.n_distinct > _FEW_LEVELS else "none", labels=labels
    )


def _yes_no(column: Column) -> str:
    if column.holds == "number" and not column.is_text:
        return quote(column.name)
    value = f"lower(trim({quote(column.name)}::VARCHAR))"
    given = {level.lower() for level in column.levels}
    cases = [
        f"WHEN {value} = {quote_text(level)} THEN {score}"
        for words_, score in ((_YES, 1), (_NO, 0))
        for level in sorted(given & words_)
    ]
    return f"CASE {' '.join(cases)} END"


def ordered(levels: tuple[str, ...]) -> tuple[str, ...]:
    """Levels from lowest to highest, where their words or numbers tell; else none.

    >>> ordered(("high", "low", "medium")), ordered(("65+", "19-24", "25-34")), ordered(("red", "blue"))
    (('low', 'medium', 'high'), ('19-24', '25-34', '65+'), ())
    """
    known = [level.lower() for level in levels]
    for scale in _SCALES:
        if len(levels) > 2 and set(known) <= set(scale):  # noqa: PLR2004 - two words may be anything
            return tuple(sorted(levels, key=lambda level: scale.index(level.lower())))
    if len(levels) > 2 and any(re.search(_BAND, level) for level in levels):  # noqa: PLR2004
        middles = [_middle(level) for level in levels]
        if None not in middles and len(set(middles)) == len(levels):
            return tuple(sorted(levels, key=lambda level: (_middle(level) or 0.0, bool(re.search(_LAST, level)))))
    return ()


def _is_score(levels: tuple[str, ...]) -> bool:
    """Whether every answer has one number, and some are nothing else: "I hate it!-5", "-4" … "+5"."""
    numbers = [re.findall(_NUMBER, level) for level in levels]
    bare = any(re.fullmatch(_NUMBER, level) for level in levels)
    different = {float(found[0]) for found in numbers if len(found) == 1}
    return bare and all(len(found) == 1 for found in numbers) and len(different) == len(levels) > 2  # noqa: PLR2004


def _is_code(column: Column) -> bool:
    coded = column.whole and (column.low or 0) >= 0 and 1 < column.n_distinct <= _MOST_CODES
    # The last word tells: "store" is one, "store purchases" are not.
    return coded and words(column.name)[-1:] != () and words(column.name)[-1] in CODES


def _family(name: str) -> str:
    geographic = any(fit(name, COLUMNS[one]) for one in _GEOGRAPHIC) or set(words(name)) & set(_GEOGRAPHIC_WORDS)
    if geographic:
        return "geographic"
    return "demographic" if _is_profile(name) else "behaviour"


def _is_profile(name: str) -> bool:
    """Whether a column tells who customers are, not what they do."""
    return is_sensitive(name) or any(fit(name, COLUMNS[one]) >= PART - 0.1 for one in (*PROFILE, "postcode"))


def _with_roles(file: File, features: list[OwnFeature]) -> list[OwnFeature]:
    """What forms segments: a battery of questions, or else what customers do, or else all that is there."""
    results = [feature.name for feature in features if fit(feature.column, RESULTS)]
    battery = _battery(file, [feature for feature in features if feature.name not in results])
    doing = [
        feature.name
        for feature in features
        if feature.scale in ("none", "log", "binary") and feature.family == "behaviour" and feature.name not in results
    ]
    behaviour = battery or (doing if len(doing) > 1 else [])
    formed = []
    for feature in features:
        if is_sensitive(feature.column):
            comment = "age or gender: describes segments; to form them too: role: basis"
            formed.append(replace(_describing(feature), role="sensitive", comment=comment))
        elif feature.name in results:
            comment = "sounds like a result: describes segments; to form them too: role: basis"
            formed.append(replace(feature, role="descriptor", comment=comment))
        elif behaviour and feature.name not in behaviour:
            formed.append(_describing(feature))
        else:
            formed.append(replace(feature, family="psychographic") if battery else feature)
    return formed


def _battery(file: File, features: list[OwnFeature]) -> list[str]:
    """Names of the features that are one battery of questions; none where there is no such."""

    def kind(feature: OwnFeature) -> tuple[object, ...] | None:
        column = file.column(feature.column)
        if column is None or is_sensitive(feature.column) or _is_profile(feature.column):
            return None
        if feature.scale == "binary":
            return ("binary",)
        few = column.holds == "number" and column.whole and 2 < column.n_distinct <= _FEW_LEVELS  # noqa: PLR2004
        return ("scale", column.low, column.high) if few and feature.scale == "none" else None

    kinds = {feature.name: found for feature in features if (found := kind(feature)) is not None}
    most = Counter(kinds.values()).most_common(1)
    if not most or most[0][1] < BATTERY or most[0][1] < _BATTERY_SHARE * len(features):
        return []
    return [name for name, found in kinds.items() if found == most[0][0]]


def _describing(feature: OwnFeature) -> OwnFeature:
    """A feature that describes segments and does not form them."""
    role = "sensitive" if is_sensitive(feature.column) else "descriptor"
    told = "; ".join(part for part in (feature.comment, "describes segments; to form them too: role: basis") if part)
    return replace(feature, role=role, comment=told)


def _fresh(column: str, names: Collection[str]) -> str:
    """A name for a feature that nothing else has."""
    plain = "_".join(words(column)) or "column"
    plain = f"n_{plain}" if plain[0].isdigit() else plain
    name, number = plain, 2
    while name in names:
        name, number = f"{plain}_{number}", number + 1
    return name


def _spoken(name: str) -> str:
    """A column's name as words of its own language."""
    apart = re.sub(r"(?<=[^\W\d_A-ZА-Я])(?=[A-ZА-Я])|(?<=[^\W\d_])(?=\d)", " ", name)
    return " ".join(re.findall(r"[^\W_]+", apart)).lower()
