"""What customers do besides buying: events, service contacts and survey answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from patronage.datasets.drawing import labels, moments_within, pick, varied_size
from patronage.datasets.people import MONTH_DAYS, People, Period, typical_of
from patronage.datasets.personas import EVENT_TYPES, parameter
from patronage.datasets.purchases import FIRST_ONLINE, Orders

EVENT_CHANNELS = ("web", "app", "email")
DEVICES = ("mobile", "desktop", "tablet")
EVENT_REFERRERS = ("direct", "search", "social", "email", "advertisement")

APP_SHARE, DESKTOP_SHARE = 0.6, 0.8
"""Of mobile events, in the app; of others, at a desktop."""

_BUYERS_ONLY = ("referral", "review")
_BY_EMAIL = ("open", "click", "newsletter")
_VALUE_MEANS = {"visit": 5.0, "cart_add": 1.5, "abandonment": 2.0, "webinar": 35.0}
"""Means of ``value``: pages seen, items put in or left, minutes attended. A review's is 1 to 5 stars."""

REASONS = ("question", "delivery", "complaint", "invoice", "technical")
_REASON_WEIGHTS = np.array([[6, 3, 1, 1, 1], [1, 3, 5, 2, 4]], dtype=float)
"""Of contacts of little and of much effort."""
_MUCH_EFFORT = 6

PROSPECT_CONTACTS = 0.2
"""Prospects get in touch so many times as often as buyers of their persona."""

RESPONDENT_SHARE = 0.5
ANSWERED_SHARE = 0.9


@dataclass(frozen=True)
class Question:
    """A survey question.

    Attributes
    ----------
    text, topic : str
    agreement : tuple of float, in the order of `PERSONAS`
        Mean on a Likert scale of 1 to 5, or the probability of yes.
    """

    text: str
    topic: str
    agreement: tuple[float, ...]

    @property
    def is_likert(self) -> bool:
        """Whether it is answered on a scale of 1 to 5, and not by yes or no."""
        return max(self.agreement) > 1


QUESTIONS = (
    Question("A low price matters most to me", "benefit", (2.0, 3.2, 4.7, 2.4, 3.5, 3.3, 3.6)),
    Question("I gladly pay for good service", "benefit", (4.6, 2.4, 1.6, 3.4, 3.0, 4.0, 2.8)),
    Question("I stay with the brand that I know", "benefit", (3.4, 2.2, 1.8, 4.7, 2.8, 3.0, 3.2)),
    Question("An order must be done in a minute", "benefit", (1.9, 4.6, 3.0, 3.2, 3.2, 2.4, 3.9)),
    Question("I enjoy giving presents", "lifestyle", (4.7, 3.2, 2.8, 3.0, 3.0, 2.8, 3.4)),
    Question("I follow brands on social networks", "lifestyle", (0.05, 0.9, 0.4, 0.25, 0.25, 0.15, 0.35)),
    Question("Children live in my household", "lifestyle", (0.08, 0.06, 0.35, 0.25, 0.3, 0.15, 0.93)),
    Question("I often need help with what I bought", "lifestyle", (0.3, 0.1, 0.15, 0.08, 0.3, 0.85, 0.12)),
    Question("What I buy should be made fairly", "values", (3.4, 4.1, 2.3, 3.7, 3.1, 2.9, 3.3)),
    Question("I prefer shops of my region", "values", (4.3, 2.2, 2.5, 3.5, 2.8, 3.2, 3.4)),
)
"""The survey. Nobody is asked everything: an answer is there with probability `ANSWERED_SHARE`."""


def draw_events(
    rng: np.random.Generator, people: People, ids: pd.Index, period: Period, orders: Orders, order_channel: np.ndarray
) -> pd.DataFrame:
    """Draw events of the active days, by type, and after them a checkout for each online order.

    Prospects make no review and no referral. ``order_channel`` is of shape (n_orders,), the result of shape
    (n_events, 7).
    """
    months = (people.end_day - people.first_day) / MONTH_DAYS
    rates = people.of_persona("events_per_month")
    types, customers = [], []
    for code, event_type in enumerate(EVENT_TYPES):
        silent = people.is_prospect if event_type in _BUYERS_ONLY else False
        counts = rng.poisson(np.where(silent, 0.0, rates[:, code] * people.events_factor * months))
        customers.append(np.repeat(np.arange(len(people), dtype=np.int32), counts))
        types.append(np.full(len(customers[-1]), code, dtype=np.int8))
    customer = np.concatenate(customers)
    moment = moments_within(rng, people.first_day[customer], people.end_day[customer])
    online = order_channel >= FIRST_ONLINE
    by_app = np.concatenate([rng.random(len(customer)) < APP_SHARE, order_channel[online] > FIRST_ONLINE])
    types.append(np.full(int(online.sum()), len(EVENT_TYPES), dtype=np.int8))
    kind, customer = np.concatenate(types), np.concatenate([customer, orders.customer[online]])
    moment = np.concatenate([moment, orders.moment[online]])
    n = len(kind)
    checkout = kind == len(EVENT_TYPES)
    # Who orders in the app holds a telephone.
    mobile = np.where(checkout & by_app, True, rng.random(n) < people.mobile_share[customer])
    email = np.isin(kind, [EVENT_TYPES.index(name) for name in _BY_EMAIL])
    channel = np.where(email, 2, by_app & mobile).astype(np.int8)
    device = np.where(mobile, 0, np.where(rng.random(n) < DESKTOP_SHARE, 1, 2)).astype(np.int8)
    # Where a visit came from; other events come from within.
    visit = kind == EVENT_TYPES.index("visit")
    referrer = np.full(n, -1, dtype=np.int8)
    referrer[visit] = pick(rng, _referrer_weights(), people.persona[customer[visit]])
    return pd.DataFrame(
        {
            "customer_id": labels(customer, ids),
            "occurred_at": period.moments(moment),
            "event_type": labels(kind, (*EVENT_TYPES, "checkout")),
            "channel": labels(channel, EVENT_CHANNELS),
            "device": labels(device, DEVICES),
            "referrer": labels(referrer, EVENT_REFERRERS),
            "value": _values(rng, kind),
        },
        copy=False,
    )


def _referrer_weights() -> np.ndarray:
    """Where visits come from goes with what brought the persona to the shop; shape (n_personas, n_referrers)."""
    store, search, social, friend, catalogue, portal = parameter("acquisition").T
    email = 5 * parameter("opt_in_share")
    return np.column_stack([1 + store + friend + catalogue, search, social, email, portal])


def _values(rng: np.random.Generator, kind: np.ndarray) -> np.ndarray:
    values = np.full(len(kind), np.nan, dtype=np.float32)
    for name, mean in _VALUE_MEANS.items():
        rows = kind == EVENT_TYPES.index(name)
        values[rows] = 1 + rng.poisson(mean - 1, int(rows.sum()))
    rows = kind == EVENT_TYPES.index("review")
    values[rows] = 1 + rng.binomial(4, 0.75, int(rows.sum()))
    return values


def draw_contacts(rng: np.random.Generator, people: People, ids: pd.Index, period: Period) -> pd.DataFrame:
    """Draw service contacts of the active days, of shape (n_contacts, 5)."""
    months = (people.end_day - people.first_day) / MONTH_DAYS
    rate = people.of_persona("contacts_per_month") * np.where(people.is_prospect, PROSPECT_CONTACTS, 1.0)
    counts = rng.poisson(rate * people.contacts_factor * months)
    customer = np.repeat(np.arange(len(people), dtype=np.int32), counts)
    n = len(customer)
    effort = np.clip(np.rint(people.of_persona("contact_effort")[customer] + 1.5 * rng.standard_normal(n)), 1, 10)
    reason = pick(rng, _REASON_WEIGHTS, (effort >= _MUCH_EFFORT).astype(np.int8))
    cost = people.of_persona("contact_cost")[customer] * varied_size(rng, n, 0.4)
    return pd.DataFrame(
        {
            "customer_id": labels(customer, ids),
            "occurred_at": period.moments(moments_within(rng, people.first_day[customer], people.end_day[customer])),
            "effort": effort.astype(np.int8),
            "cost": np.round(cost, 2),
            "reason": labels(reason, REASONS),
        }
    )


def draw_answers(rng: np.random.Generator, people: People, ids: pd.Index, period: Period, noise: float) -> pd.DataFrame:
    """Draw a survey of part of the customers, of shape (n_answers, 5); each answers on one day, as its persona does.

    ``noise`` raises how often an answer is another persona's, its spread, and each customer's leaning to agree.
    """
    respondents = np.flatnonzero(rng.random(len(people)) < RESPONDENT_SHARE)
    moment = moments_within(rng, people.first_day, np.full(len(people), period.n_days))
    leaning = 0.3 * noise * rng.standard_normal(len(people))
    names = ("1", "2", "3", "4", "5", "no", "yes")
    parts = []
    for number, question in enumerate(QUESTIONS):
        asked = respondents[rng.random(len(respondents)) < ANSWERED_SHARE]
        mean = np.array(question.agreement)[typical_of(rng, people, noise)[asked]]
        if question.is_likert:
            spread = 0.5 + 0.4 * noise
            likert = mean + leaning[asked] + spread * rng.standard_normal(len(asked))
            answer = np.clip(np.rint(likert), 1, 5).astype(np.int8) - 1
        else:
            answer = 5 + (rng.random(len(asked)) < mean).astype(np.int8)
        parts.append((asked.astype(np.int32), np.full(len(asked), number, dtype=np.int8), answer))
    customer, question_number, answer = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return pd.DataFrame(
        {
            "customer_id": labels(customer, ids),
            "question": labels(question_number, [question.text for question in QUESTIONS]),
            "answer": labels(answer, names),
            "answered_at": period.moments(moment[customer]),
            "topic": labels(question_number, [question.topic for question in QUESTIONS]),
        }
    )
