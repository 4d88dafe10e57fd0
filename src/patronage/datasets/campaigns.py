"""Campaigns with a randomised control group, and what they truly cause."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from patronage.datasets.drawing import DAY_SECONDS, labels, moments_within
from patronage.datasets.people import People, Period
from patronage.datasets.personas import NAMES, PERSONAS
from patronage.datasets.purchases import RETURN_DAYS, Orders

OFFERS = (("coupon", "email"), ("new arrivals", "app"), ("gift catalogue", "post"), ("family weekend", "email"))
"""Offer and channel of the campaigns, in turn."""
SEND_COSTS = {"email": 0.03, "app": 0.01, "post": 1.1}
"""Money per customer treated."""

EVERY_DAYS = 45
RESPONSE_DAYS = 28
"""A campaign's extra orders, and responses, fall in so many days after the day it is sent."""
EFFECT_DAYS = 1 + RESPONSE_DAYS + RETURN_DAYS
"""Days, the day of sending included, after which a campaign's effect on revenue is complete."""
REACH = 0.4
"""Share of the customers known to the shop that a campaign is sent to or withheld from."""
SENT_AT_SECONDS = 9 * 3_600


@dataclass(frozen=True)
class Mailings:
    """Who was chosen for which campaign; arrays are of shape (n_chosen,) unless said otherwise.

    Attributes
    ----------
    day : ndarray of shape (n_campaigns,), int
        When each campaign is sent, in days since the period's first.
    campaign, customer : ndarray of int
        Positions; sorted by campaign, then customer.
    is_control : ndarray of bool
        Chosen, but nothing was sent.
    expected_orders : ndarray of float
        Mean number of orders that the campaign causes (or would cause, in the control group).
    """

    day: np.ndarray
    campaign: np.ndarray
    customer: np.ndarray
    is_control: np.ndarray
    expected_orders: np.ndarray


def plan_mailings(rng: np.random.Generator, people: People, n_days: int, control_share: float) -> Mailings:
    """Choose each campaign's customers at random among the buyers who have signed up, those who left included."""
    day = np.arange(EVERY_DAYS, n_days - EFFECT_DAYS + 1, EVERY_DAYS)
    chosen = [
        np.flatnonzero(~people.is_prospect & (people.first_day <= sent) & (rng.random(len(people)) < REACH))
        for sent in day
    ]
    campaign = np.repeat(np.arange(len(day), dtype=np.int16), [len(some) for some in chosen])
    customer = np.concatenate(chosen).astype(np.int32)
    uplift = np.array([[persona.uplift_orders.get(offer, 0.0) for persona in PERSONAS] for offer, _ in OFFERS])
    # A campaign brings nobody back who has left.
    still_there = day[campaign] < people.end_day[customer]
    return Mailings(
        day=day,
        campaign=campaign,
        customer=customer,
        is_control=rng.random(len(customer)) < control_share,
        expected_orders=uplift[campaign % len(OFFERS), people.persona[customer]]
        * people.uplift_factor[customer]
        * still_there,
    )


def extra_orders(rng: np.random.Generator, mailings: Mailings) -> tuple[np.ndarray, np.ndarray]:
    """Draw the orders that the campaigns cause, all by treated customers.

    Returns
    -------
    customer, moment : ndarray of shape (n_orders,), int
        Positions, and seconds since the period's first midnight, from the day after sending on.
    """
    caused = rng.poisson(np.where(mailings.is_control, 0.0, mailings.expected_orders))
    customer = np.repeat(mailings.customer, caused)
    sent = np.repeat(mailings.day[mailings.campaign], caused)
    return customer, moments_within(rng, sent + 1, sent + 1 + RESPONSE_DAYS)


def true_effects(mailings: Mailings, people: People, order_value: np.ndarray) -> pd.DataFrame:
    """Expected value, net of returns, that each campaign causes per customer treated.

    The mean, over those chosen, of the expected number of extra orders × the expected value of the customer's orders;
    `EFFECT_DAYS` after sending it has all come in.

    Parameters
    ----------
    order_value : ndarray of shape (n_customers,)
        Expected revenue, or margin, of an order of each customer.

    Returns
    -------
    DataFrame of shape (n_campaigns, n_personas)
        Money; 0 for a persona of which nobody was chosen.
    """
    n = len(mailings.day), len(PERSONAS)
    cell = mailings.campaign.astype(np.int64) * n[1] + people.persona[mailings.customer]
    value = mailings.expected_orders * order_value[mailings.customer]
    total, counts = (np.bincount(cell, weights, n[0] * n[1]) for weights in (value, None))
    effects = (total / np.maximum(counts, 1)).reshape(n)
    return pd.DataFrame(effects, index=pd.Index(_names(mailings), name="campaign_id"), columns=pd.Index(NAMES))


def campaign_table(
    rng: np.random.Generator,
    mailings: Mailings,
    people: People,
    ids: pd.Index,
    period: Period,
    orders: Orders,
    revenue: np.ndarray,
) -> pd.DataFrame:
    """Tell who responded: treated customers, by their first order after the campaign.

    An order that the campaign caused is a response; one that would have been made anyway counts as one with the
    persona's ``response_share``. So responses flatter campaigns, as they do in life; only controls tell the effect.

    Parameters
    ----------
    revenue : ndarray of shape (n_orders,)
        What was paid for each order.

    Returns
    -------
    DataFrame of shape (n_chosen, 9)
        ``revenue`` is that of the order responded with, so that it is known at ``responded_at``.
    """
    span = (period.n_days + 1) * DAY_SECONDS
    keys = orders.customer.astype(np.int64) * span + orders.moment
    sent = mailings.day[mailings.campaign] * DAY_SECONDS + SENT_AT_SECONDS
    until = (mailings.day[mailings.campaign] + 1 + RESPONSE_DAYS) * DAY_SECONDS
    wanted = mailings.customer.astype(np.int64) * span
    # The first order later than the sending; one beyond the last is some other customer's.
    first = np.minimum(np.searchsorted(keys, wanted + sent, side="right"), len(keys) - 1)
    ordered = (keys[first] > wanted + sent) & (keys[first] < wanted + until)
    counts = rng.random(len(first)) < people.of_persona("response_share")[mailings.customer]
    responded = ordered & ~mailings.is_control & (orders.caused[first] | counts)
    offers, channels = zip(*OFFERS, strict=True)
    kind = mailings.campaign % len(OFFERS)
    return pd.DataFrame(
        {
            "customer_id": labels(mailings.customer, ids),
            "campaign_id": labels(mailings.campaign, _names(mailings)),
            "sent_at": period.moments(sent),
            "channel": labels(kind, channels),
            "offer": labels(kind, offers),
            "is_control": mailings.is_control,
            "cost": np.where(mailings.is_control, 0.0, np.array([SEND_COSTS[channel] for channel in channels])[kind]),
            "responded_at": pd.Series(period.moments(orders.moment[first])).where(responded),
            "revenue": np.where(responded, revenue[first], np.nan),
        }
    )


def _names(mailings: Mailings) -> list[str]:
    return [f"M{number:02d}" for number in range(1, len(mailings.day) + 1)]
