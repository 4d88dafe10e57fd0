"""Planted personas: all canonical tables of customers whose kind, and whose response to campaigns, is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from patronage.datasets.campaigns import campaign_table, extra_orders, plan_mailings, true_effects
from patronage.datasets.drawing import labels
from patronage.datasets.engagement import draw_answers, draw_contacts, draw_events
from patronage.datasets.people import Period, draw_people
from patronage.datasets.personas import NAMES, PROSPECT
from patronage.datasets.products import product_range
from patronage.datasets.profiles import draw_places, draw_profiles
from patronage.datasets.purchases import draw_channels, draw_lines, draw_orders, expected_order, transaction_table
from patronage.errors import InvalidConfigError
from patronage.tables import DataSource, TableSource
from patronage.writing import replacing

KINDS = ("parquet", "csv")
LEAST_CUSTOMERS, MOST_CUSTOMERS = 50, 9_999_999
LEAST_DAYS, MOST_DAYS = 120, 3_650
EARLIEST_LAST_DAY, LATEST_LAST_DAY = date(2000, 1, 1), date(2199, 12, 31)
MOST_PROSPECTS = 0.9
MOST_NOISE = 10.0


@dataclass(frozen=True)
class PlantedPersonas:
    """Tables, and the truth about them.

    Attributes
    ----------
    tables : mapping
        Canonical table → its rows. Texts of few different values, customer ids of the longer tables among them, are
        pandas categories.
    persona : Series of shape (n_customers,)
        Customer → persona; ``prospect`` for those who never bought. A category per customer.
    would_be : Series of shape (n_customers,)
        Customer → persona, where a prospect's is the one whose profile, events and answers it has.
    campaign_effect : DataFrame of shape (n_campaigns, n_personas)
        Expected revenue, net of returns, that a campaign causes per customer treated; complete
        `campaigns.EFFECT_DAYS` days after sending.
    campaign_margin : DataFrame of shape (n_campaigns, n_personas)
        The same of the margin: that revenue less the cost of the goods, before the campaign's own cost.
    """

    tables: Mapping[str, pd.DataFrame]
    persona: pd.Series
    would_be: pd.Series
    campaign_effect: pd.DataFrame
    campaign_margin: pd.DataFrame

    def write(self, folder: Path | str, kind: Literal["parquet", "csv"] = "parquet") -> DataSource:
        """Write each table to ``<folder>/<table>.<kind>``, whole or not at all.

        Returns
        -------
        DataSource
            For `tables.open_tables`.

        Raises
        ------
        InvalidConfigError
            ``kind`` is neither ``parquet`` nor ``csv``.
        """
        if kind not in KINDS:
            raise InvalidConfigError(f"kind must be one of {', '.join(KINDS)}; got {kind!r}.")
        sources = {}
        for name, frame in self.tables.items():
            path = Path(folder).resolve() / f"{name}.{kind}"
            with replacing(path) as fresh:
                if kind == "parquet":
                    frame.to_parquet(fresh, index=False)
                else:
                    frame.to_csv(fresh, index=False)
            sources[name] = TableSource(path=str(path))
        return DataSource("planted_personas", sources)


def planted_personas(
    n_customers: int = 1_000,
    *,
    seed: int = 0,
    days: int = 540,
    last_day: date = date(2024, 12, 31),
    noise: float = 1.0,
    prospect_share: float = 0.1,
    control_share: float = 0.2,
) -> PlantedPersonas:
    """Draw all canonical tables of customers of known personas (`personas.PERSONAS`).

    Behaviour, and so every outcome, follows the persona through the whole period, except where a customer leaves.
    Timing is a Poisson process with gamma-distributed individual rates (NBD), sizes and shares vary from customer to
    customer. The same arguments give the same tables; another ``n_customers`` gives other customers.

    Parameters
    ----------
    n_customers : int, default 1,000
        Prospects included.
    seed : int, default 0
    days : int, default 540
        Length of the period; nothing happens outside it but births and earlier sign-ups.
    last_day : date, default 2024-12-31
        With the default, Christmas lies in the last quarter alone, so what is learned from an earlier one misjudges
        occasion buyers, as in life; 2024-10-31 keeps the gift seasons out of the last 170 days.
    noise : float, default 1
        Spread of individuals around their persona: 0 leaves only the chance of each draw and makes profiles and
        answers typical; higher values make personas overlap more and more customers leave.
    prospect_share : float, default 0.1
        Share of customers without any purchase.
    control_share : float, default 0.2
        Probability that a customer chosen for a campaign is held out of it.

    Raises
    ------
    InvalidConfigError
        A parameter is out of its range.
    """
    _require_whole("n_customers", n_customers, LEAST_CUSTOMERS, MOST_CUSTOMERS)
    _require_whole("seed", seed, 0, 2**32 - 1)
    _require_whole("days", days, LEAST_DAYS, MOST_DAYS)
    _require_day("last_day", last_day)
    _require_number("noise", noise, MOST_NOISE)
    _require_number("prospect_share", prospect_share, MOST_PROSPECTS)
    _require_number("control_share", control_share, 1.0)

    # A stream of its own for each part: a change to one leaves the others' draws alone.
    of_people, of_profiles, of_mailings, of_orders, of_events, of_contacts, of_answers = np.random.default_rng(
        seed
    ).spawn(7)
    period = Period(last_day, days)
    people = draw_people(of_people, n_customers, days, noise, prospect_share)
    numbers = pd.Series(np.arange(1, n_customers + 1)).astype("str").str.zfill(7)
    ids = pd.Index("C" + numbers, name="customer_id")
    places = draw_places(of_profiles, people, noise)
    customers = draw_profiles(of_profiles, people, ids, places, period, noise)

    products = product_range()
    list_price, unit_cost = (np.rint(products[column].to_numpy() * 100) for column in ("list_price", "unit_cost"))
    mailings = plan_mailings(of_mailings, people, days, control_share)
    orders = draw_orders(of_orders, people, period, extra_orders(of_mailings, mailings))
    channel = draw_channels(of_orders, people, orders)
    lines = draw_lines(of_orders, people, orders, list_price, noise)
    paid = np.bincount(lines.order, weights=lines.list_price - lines.discount) / 100
    tables = {
        "customers": customers,
        "transactions": transaction_table(of_orders, ids, places, period, orders, channel, lines, products),
        "products": products,
        "events": draw_events(of_events, people, ids, period, orders, channel),
        "contacts": draw_contacts(of_contacts, people, ids, period),
        "campaigns": campaign_table(of_mailings, mailings, people, ids, period, orders, paid),
        "answers": draw_answers(of_answers, people, ids, period, noise),
    }
    effects = [true_effects(mailings, people, value) for value in expected_order(people, list_price, unit_cost, noise)]
    would_be = pd.Series(labels(people.persona, NAMES), index=ids, name="would_be")
    codes = np.where(people.is_prospect, len(NAMES), people.persona)
    persona = pd.Series(labels(codes, [*NAMES, PROSPECT]), index=ids, name="persona")
    return PlantedPersonas(tables, persona, would_be, *effects)


def _require_whole(name: str, value: object, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not least <= value <= most:
        raise InvalidConfigError(f"{name} must be a whole number from {least:,} to {most:,}; got {value!r}.")


def _require_number(name: str, value: object, most: float) -> None:
    # NaN is not between any two numbers.
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer) or not 0 <= value <= most:
        raise InvalidConfigError(f"{name} must be a number from 0 to {most:g}; got {value!r}.")


def _require_day(name: str, value: object) -> None:
    # A datetime is a date to Python, but has a time of day.
    if type(value) is not date or not EARLIEST_LAST_DAY <= value <= LATEST_LAST_DAY:
        raise InvalidConfigError(
            f"{name} must be a day (datetime.date) from {EARLIEST_LAST_DAY} to {LATEST_LAST_DAY}; got {value!r}."
        )
