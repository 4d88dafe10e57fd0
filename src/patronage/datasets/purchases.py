"""Orders, their lines and what is sent back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from patronage.datasets.drawing import CLOSES, DAY_SECONDS, OPENS, labels, pick
from patronage.datasets.people import People, Period
from patronage.datasets.personas import PERSONAS, Persona, parameter
from patronage.datasets.products import CATEGORIES_PER_DEPARTMENT, N_BRANDS, N_CATEGORIES, product_number

CHANNELS = ("store", "phone", "web", "app")
FIRST_ONLINE = 2
"""Position of the first online channel; the app's is the next."""
GIFT_SEASONS = ((1120, 1224), (207, 214), (501, 514))
"""First and last day, as month × 100 + day: Christmas, Valentine's Day, Mother's Day."""
_SEASON_DAYS = 35 + 8 + 14

COUPON_RATE = 0.15
"""Part of a line's price that a coupon takes off."""
PROMOTION_RATES = (0.1, 0.3)
"""Between these a promotion takes off a line's price, evenly spread."""
RETURN_AFTER_DAYS, RETURN_DAYS = 2, 21
"""Goods are back so many days after the order: at least, and less than."""

_ORDERS_AT_ONCE = 1_000_000
"""Lines are drawn for so many orders at a time, so that what is drawn on the way takes little memory."""


@dataclass(frozen=True)
class Orders:
    """Orders, sorted by customer and moment; arrays of shape (n_orders,).

    Attributes
    ----------
    customer : ndarray of int
        Position of the customer.
    moment : ndarray of int
        Seconds since the period's first midnight.
    caused : ndarray of bool
        Made because of a campaign.
    """

    customer: np.ndarray
    moment: np.ndarray
    caused: np.ndarray


@dataclass(frozen=True)
class Lines:
    """Order lines, in the order of their orders; arrays of shape (n_lines,), money in cents.

    Attributes
    ----------
    order, product, quantity, list_price, discount, coupon : ndarray of int
        ``list_price`` is for the whole quantity; ``discount`` is all that is taken off it, the coupon included.
    is_returned : ndarray of bool
    """

    order: np.ndarray
    product: np.ndarray
    quantity: np.ndarray
    list_price: np.ndarray
    discount: np.ndarray
    coupon: np.ndarray
    is_returned: np.ndarray


def draw_orders(
    rng: np.random.Generator, people: People, period: Period, caused: tuple[np.ndarray, np.ndarray]
) -> Orders:
    """Draw when customers order: a Poisson process with the persona's seasons, evened out where it is regular.

    Every buyer orders at least once. ``caused`` holds customer and moment of the orders that campaigns cause.
    """
    customers, moments = [caused[0]], [caused[1]]
    for code, persona in enumerate(PERSONAS):
        buyers = np.flatnonzero((people.persona == code) & ~people.is_prospect)
        # Time that runs faster on busy days: uniform draws on it give the persona's seasons.
        clock = np.concatenate([[0.0], np.cumsum(day_weights(persona, period))])
        starts = clock[people.first_day[buyers]]
        stays = clock[people.end_day[buyers]] - starts
        counts = np.maximum(rng.poisson(people.orders_per_day[buyers] * stays), 1)
        total = int(counts.sum())
        number = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
        place = rng.random(total)
        regular = rng.random(total) < persona.regularity
        place = np.where(regular, (number + place) / np.repeat(counts, counts), place)
        at = np.repeat(starts, counts) + place * np.repeat(stays, counts)
        day = np.minimum(np.searchsorted(clock, at, side="right") - 1, period.n_days - 1)
        customers.append(np.repeat(buyers, counts))
        moments.append(day * DAY_SECONDS + rng.integers(OPENS, CLOSES, total))
    customer, moment = np.concatenate(customers), np.concatenate(moments)
    order = np.argsort(customer * ((period.n_days + 1) * DAY_SECONDS) + moment, kind="stable")
    return Orders(customer[order].astype(np.int32), moment[order].astype(np.int32), order < len(caused[0]))


def day_weights(persona: Persona, period: Period) -> np.ndarray:
    """How much a persona buys on each day of the period; the mean over a whole year is 1. Shape (n_days,)."""
    days = np.datetime64(period.first_day, "D") + np.arange(period.n_days)
    months = days.astype("datetime64[M]")
    calendar = (months.astype(int) % 12 + 1) * 100 + (days - months).astype(int) + 1
    season = np.any([(first <= calendar) & (calendar <= last) for first, last in GIFT_SEASONS], axis=0)
    weekend = (days.astype(int) + 3) % 7 >= 5  # noqa: PLR2004 - day 0, 1970-01-01, was a Thursday
    weights = np.where(season, persona.gift_season_factor, 1.0) * np.where(weekend, persona.weekend_factor, 1.0)
    mean = (1 + (persona.gift_season_factor - 1) * _SEASON_DAYS / 365.25) * (1 + (persona.weekend_factor - 1) * 2 / 7)
    return np.asarray(weights / mean)


def draw_channels(rng: np.random.Generator, people: People, orders: Orders) -> np.ndarray:
    """Channel of each order, as a position among `CHANNELS`; of shape (n_orders,)."""
    offline, phone, mobile = (
        rng.random(len(orders.customer)) < share[orders.customer]
        for share in (people.offline_share, people.of_persona("phone_share"), people.mobile_share)
    )
    return np.where(offline, phone, FIRST_ONLINE + mobile).astype(np.int8)


def draw_lines(rng: np.random.Generator, people: People, orders: Orders, list_price: np.ndarray, noise: float) -> Lines:
    """Draw what is in the orders; ``list_price`` in cents per product, of shape (n_products,)."""
    starts = range(0, len(orders.customer), _ORDERS_AT_ONCE)
    parts = [_some_lines(rng, people, orders.customer, start, list_price, noise) for start in starts]
    return Lines(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _some_lines(
    rng: np.random.Generator, people: People, customers: np.ndarray, start: int, list_price: np.ndarray, noise: float
) -> tuple[np.ndarray, ...]:
    buyer = customers[start : start + _ORDERS_AT_ONCE]
    counts = 1 + rng.poisson(people.lines_per_order[buyer] - 1)
    with_coupon = rng.random(len(buyer)) < people.coupon_share[buyer]
    order = np.repeat(np.arange(len(buyer), dtype=np.int32), counts)
    customer = buyer[order]
    persona = people.persona[customer]
    n = len(order)

    def chance(name: str) -> np.ndarray:
        return rng.random(n) < parameter(name)[persona]

    category = pick(rng, category_weights(noise), persona)
    brand = np.where(chance("private_share"), 0, rng.integers(1, N_BRANDS, n))
    favourite = chance("loyalty")
    category = np.where(favourite, people.category[customer], category)
    brand = np.where(favourite, people.brand[customer], brand)
    product = product_number(category, brand, chance("premium_share"))
    quantity = 1 + rng.poisson(parameter("quantity_per_line")[persona] - 1)
    full = list_price[product] * quantity
    promoted = rng.random(n) < people.promotion_share[customer]
    coupon = np.rint(full * (COUPON_RATE * with_coupon[order]))
    discount = coupon + np.rint(full * (promoted * rng.uniform(*PROMOTION_RATES, n)))
    returned = chance("return_share")
    columns = (order + np.int32(start), product.astype(np.int16), quantity.astype(np.int16))
    return *columns, *(money.astype(np.int32) for money in (full, discount, coupon)), returned


def category_weights(noise: float) -> np.ndarray:
    """Shares of the categories among lines that are not of the favourite, of shape (n_personas, n_categories).

    With noise, more lines are of any category.
    """
    own = np.repeat(parameter("departments"), CATEGORIES_PER_DEPARTMENT, axis=1)
    own /= own.sum(axis=1, keepdims=True)
    typical = 1 / (1 + 0.15 * noise)
    return typical * own + (1 - typical) / N_CATEGORIES


def expected_order(
    people: People, list_price: np.ndarray, unit_cost: np.ndarray, noise: float
) -> tuple[np.ndarray, np.ndarray]:
    """Expected revenue and margin of an order of each customer, net of what is sent back, in money.

    Lines × quantity × (1 − returns) × (price of a product × (1 − promotion − coupon) − its cost), whose factors are
    drawn independently; ``list_price`` and ``unit_cost`` in cents per product, of shape (n_products,).

    Returns
    -------
    revenue, margin : ndarray of shape (n_customers,)
    """
    kept = 1 - people.of_persona("return_share")
    pieces = people.lines_per_order * people.of_persona("quantity_per_line") * kept
    off = people.promotion_share * np.mean(PROMOTION_RATES) + people.coupon_share * COUPON_RATE
    revenue = pieces * _expected_of_product(people, list_price, noise) * (1 - off) / 100
    return revenue, revenue - pieces * _expected_of_product(people, unit_cost, noise) / 100


def _expected_of_product(people: People, amount: np.ndarray, noise: float) -> np.ndarray:
    """Expected price, or cost, of the product on a line of each customer: of the favourite, or of any other."""
    amounts = amount.reshape(N_CATEGORIES, N_BRANDS, -1)
    premium, private = (people.of_persona(name) for name in ("premium_share", "private_share"))
    per_variant = np.stack([1 - premium, premium], axis=1)
    of_brand = np.concatenate([amounts[:, :1], amounts[:, 1:].mean(axis=1, keepdims=True)], axis=1)
    # (n_personas, own label or not, n_variants), then each customer's
    of_category = np.einsum("pc,cbv->pbv", category_weights(noise), of_brand)[people.persona]
    other = np.einsum("nbv,nb,nv->n", of_category, np.stack([private, 1 - private], axis=1), per_variant)
    favourite = np.einsum("nv,nv->n", amounts[people.category, people.brand], per_variant)
    loyalty = people.of_persona("loyalty")
    return np.asarray(loyalty * favourite + (1 - loyalty) * other)


def transaction_table(
    rng: np.random.Generator,
    ids: pd.Index,
    places: np.ndarray,
    period: Period,
    orders: Orders,
    channel: np.ndarray,
    lines: Lines,
    products: pd.DataFrame,
) -> pd.DataFrame:
    """Order lines and, after them, refunds: the line sold with its signs turned, under an order id of its own.

    Parameters
    ----------
    places : ndarray of shape (n_customers,), int
        Where customers live, and so the store they go to.
    channel : ndarray of shape (n_orders,), int
        From `draw_channels`.

    Returns
    -------
    DataFrame of shape (n_lines + n_refunds, 12)
        ``revenue`` is what was paid, ``discount`` all that was taken off, the ``coupon``'s part included.
    """
    n_orders = len(orders.customer)
    back = np.flatnonzero(lines.is_returned)
    after = rng.integers(RETURN_AFTER_DAYS * DAY_SECONDS, RETURN_DAYS * DAY_SECONDS, len(back))
    returned_at = orders.moment[lines.order[back]] + after
    # What comes back after the last day is not known yet.
    known = returned_at < period.n_days * DAY_SECONDS
    back, returned_at = back[known], returned_at[known]

    def both(sold: np.ndarray, refunded: np.ndarray) -> np.ndarray:
        return np.concatenate([sold, refunded])

    def signed(amount: np.ndarray) -> np.ndarray:
        return both(amount, -amount[back])

    def money(cents: np.ndarray) -> np.ndarray:
        return signed(cents) / 100

    unit_cost = np.rint(products["unit_cost"].to_numpy() * 100).astype(np.int32)
    # Two lines of an order may be alike in all else; the number tells them from a line loaded twice.
    per_order = np.bincount(lines.order, minlength=n_orders)
    number = (np.arange(1, len(lines.order) + 1) - np.repeat(np.cumsum(per_order) - per_order, per_order)).astype(
        np.int16
    )
    order = both(lines.order, lines.order[back])
    customer = orders.customer[order]
    in_store = np.where(channel == 0, places[orders.customer], -1).astype(np.int8)
    return pd.DataFrame(
        {
            "customer_id": labels(customer, ids),
            "ordered_at": period.moments(both(orders.moment[lines.order], returned_at)),
            "revenue": money(lines.list_price - lines.discount),
            "line_number": both(number, number[back]),
            "order_id": both(lines.order, np.arange(n_orders, n_orders + len(back), dtype=np.int32)) + 1,
            "product_id": labels(both(lines.product, lines.product[back]), pd.Index(products["product_id"])),
            "quantity": signed(lines.quantity),
            "cost": money(unit_cost[lines.product] * lines.quantity),
            "discount": money(lines.discount),
            "coupon": money(lines.coupon),
            "channel": labels(channel[order], CHANNELS),
            "store_id": labels(in_store[order], [f"S{n:02d}" for n in range(1, places.max() + 2)]),
        },
        copy=False,
    )
