"""The planted personas: every parameter of how they buy, browse, complain and answer, in one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

EVENT_TYPES = (
    "visit",
    "cart_add",
    "abandonment",
    "open",
    "click",
    "webinar",
    "trial",
    "newsletter",
    "account",
    "referral",
    "review",
)

DEPARTMENTS = ("Grocery", "Household", "Children", "Fashion", "Electronics", "Beauty", "Gifts", "Services")

ACQUISITION_CHANNELS = ("store", "search", "social", "referral", "catalogue", "price portal")


@dataclass(frozen=True)
class Persona:
    """A kind of customer. Shares are probabilities; rates are means over customers, in the active period.

    Attributes
    ----------
    name : str
    share : float
        Share of the buyers; sums to 1 over the personas.
    orders_per_month : float
        Mean over a whole year.
    lines_per_order, quantity_per_line : float
        Means, at least 1.
    gift_season_factor, weekend_factor : float
        How many times as often orders fall on a day of a gift season, or of a weekend, as on others.
    regularity : float
        Share of orders that keep an even rhythm; the others fall at random.
    churn_per_year : float
        Rate of leaving for good, at ``noise=1``.
    stops : bool
        Whether every one of them has stopped buying in the period.
    departments : tuple of float, in the order of `DEPARTMENTS`
        Weights of what lines are bought from.
    loyalty : float
        Share of lines of the customer's one favourite category and brand.
    private_share, premium_share : float
        Shares of lines of the own label, and of the dearer variant.
    promotion_share, coupon_share, return_share : float
        Shares of lines at a promotion, of orders with a coupon, and of lines sent back.
    offline_share, phone_share : float
        Share of orders in a store or by phone, and share of those by phone.
    mobile_share : float
        Share of online orders and events on a mobile device.
    events_per_month : tuple of float, in the order of `EVENT_TYPES`
    contacts_per_month, contact_effort, contact_cost : float
        Service contacts: rate, mean effort (1 to 10) and mean cost (money).
    response_share : float
        Share of treated customers' next orders that count as responses although the campaign did not cause them.
    uplift_orders : mapping
        Offer → mean number of extra orders that a treated customer makes because of it; 0 where absent.
    age_years, household_size : float
        Means.
    education_level : float
        Mean position among the levels, from 0.
    income, followers : float
        Medians; income is money per year.
    female_share, urban_share, opt_in_share : float
    acquisition : tuple of float, in the order of `ACQUISITION_CHANNELS`
        Weights.
    """

    name: str
    share: float
    orders_per_month: float
    lines_per_order: float
    quantity_per_line: float
    departments: tuple[float, ...]
    events_per_month: tuple[float, ...]
    acquisition: tuple[float, ...]
    age_years: float
    household_size: float
    income: float
    education_level: float
    followers: float
    female_share: float
    urban_share: float
    opt_in_share: float
    offline_share: float
    phone_share: float
    mobile_share: float
    contacts_per_month: float
    contact_effort: float
    contact_cost: float
    response_share: float
    churn_per_year: float
    promotion_share: float = 0.1
    coupon_share: float = 0.04
    return_share: float = 0.0
    loyalty: float = 0.0
    private_share: float = 0.2
    premium_share: float = 0.4
    gift_season_factor: float = 1.0
    weekend_factor: float = 1.0
    regularity: float = 0.0
    stops: bool = False
    uplift_orders: Mapping[str, float] = field(default_factory=dict)


PERSONAS = (
    # Shops in a store or by phone before feasts, and pays for wrapping and delivery.
    Persona(
        name="occasion_buyer",
        share=0.14,
        orders_per_month=0.45,
        lines_per_order=2.6,
        quantity_per_line=1.1,
        departments=(0, 1, 0, 1, 0, 1, 10, 7),
        events_per_month=(0.15, 0.03, 0.02, 0.15, 0.02, 0.02, 0, 0.05, 0.01, 0.02, 0.01),
        acquisition=(6, 1, 0, 2, 6, 0),
        age_years=66,
        household_size=1.8,
        income=52_000,
        education_level=1.5,
        followers=15,
        female_share=0.6,
        urban_share=0.3,
        opt_in_share=0.3,
        offline_share=0.93,
        phone_share=0.35,
        mobile_share=0.15,
        contacts_per_month=0.12,
        contact_effort=3.0,
        contact_cost=4.0,
        response_share=0.1,
        churn_per_year=0.1,
        premium_share=0.75,
        gift_season_factor=9.0,
        uplift_orders={"gift catalogue": 0.35},
    ),
    # Small orders, often, by phone screen; follows, is followed, and writes reviews.
    Persona(
        name="young_digital",
        share=0.18,
        orders_per_month=2.4,
        lines_per_order=1.25,
        quantity_per_line=1.05,
        departments=(1, 0, 0, 6, 2, 7, 0, 0),
        events_per_month=(3.0, 0.9, 0.4, 0.8, 0.5, 0.05, 0.08, 0.1, 0.15, 0.2, 0.35),
        acquisition=(0, 3, 8, 3, 0, 1),
        age_years=25,
        household_size=1.6,
        income=24_000,
        education_level=2.2,
        followers=900,
        female_share=0.55,
        urban_share=0.85,
        opt_in_share=0.6,
        offline_share=0.03,
        phone_share=0.05,
        mobile_share=0.9,
        contacts_per_month=0.1,
        contact_effort=3.5,
        contact_cost=2.0,
        response_share=0.3,
        churn_per_year=0.2,
        promotion_share=0.12,
        coupon_share=0.08,
        premium_share=0.3,
        uplift_orders={"new arrivals": 0.5},
    ),
    # Buys at a discount or not at all, and sends much back.
    Persona(
        name="bargain_hunter",
        share=0.16,
        orders_per_month=1.0,
        lines_per_order=2.6,
        quantity_per_line=1.4,
        departments=(2, 3, 1, 6, 2, 2, 1, 0),
        events_per_month=(1.3, 0.8, 0.6, 0.9, 0.35, 0, 0.06, 0.25, 0.05, 0.02, 0.04),
        acquisition=(1, 3, 1, 1, 1, 9),
        age_years=43,
        household_size=2.4,
        income=28_000,
        education_level=1.2,
        followers=60,
        female_share=0.55,
        urban_share=0.55,
        opt_in_share=0.85,
        offline_share=0.3,
        phone_share=0.02,
        mobile_share=0.5,
        contacts_per_month=0.2,
        contact_effort=4.0,
        contact_cost=3.0,
        response_share=0.4,
        churn_per_year=0.25,
        promotion_share=0.65,
        coupon_share=0.7,
        return_share=0.14,
        private_share=0.5,
        premium_share=0.2,
        uplift_orders={"coupon": 0.6},
    ),
    # The same brand of the same category, month after month; answers every campaign, and would have bought anyway.
    Persona(
        name="loyal_regular",
        share=0.18,
        orders_per_month=1.5,
        lines_per_order=2.0,
        quantity_per_line=1.6,
        departments=(3, 4, 0, 0, 0, 5, 0, 0),
        events_per_month=(0.5, 0.1, 0.03, 0.6, 0.2, 0.03, 0.01, 0.2, 0.03, 0.15, 0.05),
        acquisition=(3, 2, 1, 6, 2, 0),
        age_years=51,
        household_size=2.2,
        income=52_000,
        education_level=1.8,
        followers=50,
        female_share=0.52,
        urban_share=0.5,
        opt_in_share=0.75,
        offline_share=0.45,
        phone_share=0.05,
        mobile_share=0.45,
        contacts_per_month=0.08,
        contact_effort=2.0,
        contact_cost=3.0,
        response_share=0.7,
        churn_per_year=0.06,
        loyalty=0.85,
        private_share=0.25,
        premium_share=0.55,
        regularity=0.9,
    ),
    # Bought like others once, and stopped long ago.
    Persona(
        name="lapsed",
        share=0.14,
        orders_per_month=1.1,
        lines_per_order=2.0,
        quantity_per_line=1.3,
        departments=(2, 3, 1, 3, 2, 3, 1, 0.3),
        events_per_month=(0.5, 0.1, 0.1, 0.3, 0.05, 0, 0.03, 0.05, 0.02, 0.01, 0.02),
        acquisition=(2, 4, 2, 1, 2, 3),
        age_years=46,
        household_size=2.2,
        income=38_000,
        education_level=1.5,
        followers=60,
        female_share=0.5,
        urban_share=0.5,
        opt_in_share=0.35,
        offline_share=0.35,
        phone_share=0.05,
        mobile_share=0.4,
        contacts_per_month=0.2,
        contact_effort=5.5,
        contact_cost=4.0,
        response_share=0.05,
        churn_per_year=0.0,
        promotion_share=0.2,
        coupon_share=0.1,
        stops=True,
    ),
    # Buys a little, and costs more in service than it brings.
    Persona(
        name="costly_service",
        share=0.06,
        orders_per_month=0.8,
        lines_per_order=1.6,
        quantity_per_line=1.2,
        departments=(0, 2, 0, 2, 6, 1, 0, 1),
        events_per_month=(0.8, 0.15, 0.15, 0.3, 0.05, 0.05, 0.15, 0.05, 0.3, 0.01, 0.12),
        acquisition=(2, 5, 1, 1, 3, 3),
        age_years=57,
        household_size=1.9,
        income=34_000,
        education_level=1.3,
        followers=40,
        female_share=0.45,
        urban_share=0.5,
        opt_in_share=0.45,
        offline_share=0.3,
        phone_share=0.5,
        mobile_share=0.3,
        contacts_per_month=2.2,
        contact_effort=8.0,
        contact_cost=14.0,
        response_share=0.1,
        churn_per_year=0.15,
    ),
    # Full trolleys for many mouths, at the weekend.
    Persona(
        name="big_basket_family",
        share=0.14,
        orders_per_month=1.3,
        lines_per_order=6.0,
        quantity_per_line=2.2,
        departments=(8, 5, 7, 1, 0, 1, 0, 0),
        events_per_month=(0.9, 0.5, 0.1, 0.4, 0.15, 0.02, 0.03, 0.1, 0.04, 0.06, 0.04),
        acquisition=(5, 2, 2, 3, 2, 1),
        age_years=39,
        household_size=4.3,
        income=68_000,
        education_level=2.0,
        followers=120,
        female_share=0.6,
        urban_share=0.3,
        opt_in_share=0.65,
        offline_share=0.6,
        phone_share=0.02,
        mobile_share=0.6,
        contacts_per_month=0.12,
        contact_effort=3.5,
        contact_cost=3.0,
        response_share=0.3,
        churn_per_year=0.08,
        promotion_share=0.15,
        coupon_share=0.12,
        private_share=0.4,
        premium_share=0.3,
        weekend_factor=3.0,
        uplift_orders={"family weekend": 0.4},
    ),
)
"""The kinds of buyers. Only bargain hunters return goods; nobody's demand follows ``favourite_colour``."""

NAMES = tuple(persona.name for persona in PERSONAS)

PROSPECT = "prospect"
"""Stands for the persona of those who never bought; their own is what they would be."""


def parameter(name: str) -> np.ndarray:
    """One parameter of every persona, of shape (n_personas,), or (n_personas, n_values) where it is a tuple."""
    return np.array([getattr(persona, name) for persona in PERSONAS], dtype=float)
