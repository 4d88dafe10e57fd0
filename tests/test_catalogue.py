"""What a declared feature may be, how it expands, and that a catalogue survives being stored."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patronage.catalogue import FAMILIES, RELATIONS, ROLES, SCALES, Catalogue, Expand, Feature, expand_feature
from patronage.errors import InvalidConfigError
from tests.conftest import declared

SHARE = Feature(
    name="share",
    relation="lines",
    sql="sum(revenue) FILTER (WHERE {match})",
    family="affinity",
    role="descriptor",
    scale="log",
    empty=0.0,
    labels={"low": "little {value}", "high": "much {value}"},
    unit="share of spend",
    expand=Expand("category", 3),
    required=True,
)


@pytest.mark.parametrize(
    ("option", "allowed"), [("family", FAMILIES), ("role", ROLES), ("scale", SCALES), ("relation", RELATIONS)]
)
def test_an_option_outside_its_list_is_an_error(option: str, allowed: tuple[str, ...]) -> None:
    """The message names the feature, the option, all that is allowed and what came."""
    given_options: dict[str, Any] = {"name": "spend", "relation": "orders", "sql": "count(*)", option: "wrong"}
    with pytest.raises(InvalidConfigError) as caught:
        Feature(**given_options)
    assert str(caught.value) == f"feature spend: {option} must be one of {', '.join(allowed)}; got 'wrong'."


def test_an_ordinal_feature_needs_levels() -> None:
    """Without levels there is no order."""
    with pytest.raises(
        InvalidConfigError, match=r"^feature age: scale=ordinal needs levels, lowest first; got none\.$"
    ):
        Feature("age", "customers", "age", scale="ordinal")


@pytest.mark.parametrize(
    "options", [{"sql": "count(*)", "expand": Expand("category", 2)}, {"sql": "count(*) FILTER (WHERE {match})"}]
)
def test_expand_and_match_belong_together(options: dict[str, Any]) -> None:
    """An expansion that the expression ignores, or a {match} without one, is an error."""
    with pytest.raises(InvalidConfigError, match=r"^feature n: expand and \{match\} in sql belong together\.$"):
        Feature("n", "lines", **options)


@pytest.mark.parametrize("top", [0, -1])
def test_an_expansion_has_at_least_one_value(top: int) -> None:
    """No value would be no feature."""
    with pytest.raises(InvalidConfigError, match=rf"^expand by category: top must be at least 1; got {top}\.$"):
        Expand("category", top)


def test_text_features_are_those_of_categories() -> None:
    """Ordinal and one-hot features come out as text, all others as numbers."""
    made = {s: Feature("f", "customers", "x", scale=s, levels=("a",) if s == "ordinal" else ()) for s in SCALES}
    assert {scale for scale, feature in made.items() if feature.is_text} == {"ordinal", "one_hot"}


def test_a_feature_without_expansion_stays_itself() -> None:
    """Nothing to expand gives the feature back."""
    feature = Feature("n", "orders", "count(*)")
    assert expand_feature(feature, ["a", "b"]) == [feature]


def test_an_expanded_feature_keeps_its_declaration() -> None:
    """Each value's feature has all options of the declared one, its own name, condition and words."""
    wine = expand_feature(SHARE, ["Wine", "BREAD"])[0]
    assert wine == Feature(
        name="share_wine",
        relation="lines",
        sql="""sum(revenue) FILTER (WHERE "category"::VARCHAR = 'Wine')""",
        family="affinity",
        role="descriptor",
        scale="log",
        empty=0.0,
        labels={"low": "little wine", "high": "much wine"},
        unit="share of spend",
        required=True,
    )


def test_other_comes_last() -> None:
    """Values not in the vocabulary share one feature of their own."""
    assert [feature.name for feature in expand_feature(SHARE, ["Wine", "BREAD"])] == [
        "share_wine",
        "share_bread",
        "share_other",
    ]


def test_names_that_would_collide_are_numbered() -> None:
    """Values that differ in signs or case alone, or that are called other, get names of their own."""
    values = ["Red Wine", "red-wine", "RED/WINE", "other", "Other", "%%", "Crème brûlée"]
    assert [feature.name for feature in expand_feature(SHARE, values)] == [
        "share_red_wine",
        "share_red_wine_2",
        "share_red_wine_3",
        "share_other",
        "share_other_2",
        "share_value",
        "share_crème_brûlée",
        "share_other_3",
    ]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text(max_size=12), min_size=1, max_size=12, unique=True))
def test_expanded_names_differ_whatever_the_values(values: list[str]) -> None:
    """Any values give one feature each and one for the rest, with names that SQL can tell apart."""
    names = [feature.name.lower() for feature in expand_feature(SHARE, values)]
    assert len(set(names)) == len(values) + 1


def test_a_value_that_looks_like_a_placeholder_is_left_alone() -> None:
    """A category named {match} or {value} is a value like any other."""
    made = expand_feature(SHARE, ["{match}", "{value}"])
    assert made[0].sql == """sum(revenue) FILTER (WHERE "category"::VARCHAR = '{match}')"""
    assert made[1].labels["high"] == "much {value}"


def test_the_basis_is_what_segments_are_formed_on() -> None:
    """Descriptors and sensitive features are not among the basis."""
    catalogue = Catalogue(tuple(Feature(role, "orders", "count(*)", role=role) for role in ROLES))
    assert [feature.name for feature in catalogue.basis] == ["basis"]
    assert catalogue.names == list(ROLES)


def test_age_forms_no_segments_unless_asked() -> None:
    """The shipped demographic features describe; none of them is clustered on."""
    shipped = {feature.name: feature.role for feature in declared("demographic")}
    sensitive = {name for name, role in shipped.items() if role == "sensitive"}
    assert sensitive == {"age_years", "gender", "life_stage"}
    assert {role for name, role in shipped.items() if name not in sensitive} == {"descriptor"}


def test_a_catalogue_survives_json() -> None:
    """What a packaged model stores is exactly what training used."""
    features = (*expand_feature(SHARE, ["a", "b\"'"]), *declared("rfm", "demographic"))
    catalogue = Catalogue(features, {"margin": "no column"}, {"share": ("a", "b\"'")})
    assert Catalogue.from_dict(json.loads(json.dumps(catalogue.to_dict()))) == catalogue
