"""Personas: each segment's typical customer as a paragraph and a few facts; at least five customers are behind each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from patronage.likeness import FEWEST, NOTABLE, TOLD, Likeness
from patronage.naming import readable_value
from patronage.phrases import known
from patronage.profiles import Profiles
from patronage.wording import Wording

_STRONG = 0.6
_SENTENCES = 6
_BOUGHT_BY = 0.2
_FACTS = 6
_OPINIONS = ("psychographic",)
_CHANGED = 0.15
_NEXT_TO_NOTHING = 0.05
_NEWCOMERS = 0.5


@dataclass(frozen=True)
class Persona:
    """A segment's typical customer.

    Attributes
    ----------
    segment_id : str
    headline : str
        A handful of words; no two segments have the same.
    portrait : str
        One paragraph.
    facts : tuple of (str, str)
        Label and value, for a card: six at most.
    n_customers : int
        The fewest customers that are behind any statement; 0 where there were too few for any.
    """

    segment_id: str
    headline: str
    portrait: str
    facts: tuple[tuple[str, str], ...]
    n_customers: int


def personas(profiles: Profiles, wording: Wording) -> tuple[Persona, ...]:
    """Draw the typical customer of every segment but the reserved ones, in the order of ids.

    A portrait is made of what is typical (the median, or the most frequent value, of the medoid and its neighbours) and
    of what is notable about the segment; figures are rounded to two digits. Sensitive traits are left out, unless the
    segments are formed on them.
    """
    segments = profiles.segments
    drawn = [
        _Portrait(Likeness(profiles, line, wording)).persona()
        for _, line in segments[~segments["reserved"].astype(bool)].iterrows()
    ]
    return _told_apart(drawn, dict(zip(segments["segment_id"], segments["segment_name"], strict=True)), wording)


def _told_apart(drawn: Sequence[Persona], names: Mapping[str, str], wording: Wording) -> tuple[Persona, ...]:
    """Namesakes go by the first trait in which their segments' names differ, and by all of them where none does."""
    further: dict[str, str] = {}
    for headline in dict.fromkeys(one.headline for one in drawn):
        alike = [one.segment_id for one in drawn if one.headline == headline]
        if len(alike) == 1:
            continue
        traits = [names[one].split(wording("names.between")) for one in alike]
        told = [names[one] for one in alike]
        for position in zip(*traits, strict=False):
            if len({trait.casefold() for trait in position}) == len(alike):
                told = list(position)
                break
        further |= dict(zip(alike, told, strict=True))
    return tuple(
        replace(
            one,
            headline=wording("personas.headline.further", headline=one.headline, label=_lower(further[one.segment_id])),
        )
        if one.segment_id in further
        else one
        for one in drawn
    )


@dataclass(frozen=True)
class _Said:
    """A sentence, and how much it tells of the segment."""

    strength: float
    text: str


class _Portrait:
    """How what is known of a segment's typical customer is said."""

    def __init__(self, of: Likeness) -> None:
        self.of = of
        self.say = of.say
        self.phrases = of.phrases

    def persona(self) -> Persona:
        """The portrait as it stands."""
        if self.of.behind[0] < FEWEST:
            return Persona(self.of.id, self.say("personas.headline.plain"), self.say("personas.too_few"), (), 0)
        opening = [text for text in (self._opening(), self._money()) if text]
        told = [said for slot in self._slots for said in slot(self)]
        strongest = sorted(range(len(told)), key=lambda one: -told[one].strength)[: _SENTENCES - len(opening)]
        portrait = " ".join([*opening, *(told[one].text for one in sorted(strongest))])
        facts = tuple(self._facts())[:_FACTS]
        return Persona(self.of.id, self._headline(), portrait or self.say("personas.plain"), facts, min(self.of.behind))

    # The sentences.

    def _opening(self) -> str:
        visits, last = self.of.visits(), self.of.last_visit()
        if visits is not None:
            often = self.phrases.often(visits.amount) if visits.amount > 0 else self.say("phrases.often.rarely")
            if last is None:
                key = "often" if visits.effect >= NOTABLE else "seldom" if visits.effect <= -NOTABLE else "visits"
                return self.say(f"personas.opening.{key}", often=often)
            # Once in two months is not seldom where others come once a year.
            rare = visits.amount < 1 and visits.effect < NOTABLE
            key = "frequent" if visits.amount >= 3.4 else "rare" if rare else "regular"  # noqa: PLR2004
            if visits.amount > 0 and last.amount > max(30.0, 3 * 30.4 / visits.amount):
                key = "lapsed"
            return self.say(f"personas.opening.{key}", often=often, ago=self.phrases.ago(last.amount))
        labels = self.of.labels(_OPINIONS, 3, role="basis")
        if labels:
            return self.say("personas.opening.answers", labels=self.phrases.listed(labels))
        labels = self.of.labels(self.of.families, 3, role="basis", skip=frozenset())
        return self.say("personas.opening.labels", labels=self.phrases.listed(labels)) if labels else ""

    def _money(self) -> str:
        spend = self.of.spend()
        if spend is None:
            return ""
        amount, of_all = spend.amount, spend.of_all
        if amount <= 0:
            return self.say("personas.money.nothing")
        ratio = "" if of_all is None else self.phrases.ratio(amount, of_all)
        # Compared only where the difference from all is more than chance, or there is none to tell.
        near = not ratio or ratio == self.say("phrases.ratio.same")
        key = "same" if near else "high" if of_all is not None and amount > of_all else "low"
        basket = self.of.basket()
        end = "no_basket" if basket is None else "basket"
        whose = self.say("personas.money.mean" if spend.is_mean else "personas.money.typical")
        first = self.say(f"personas.money.{key}", spend=self.phrases.money(amount), ratio=ratio, whose=whose)
        return first + self.say(f"personas.money.{end}", basket=self.phrases.money(basket or 0.0))

    def _categories(self) -> Iterator[_Said]:
        table = self.of.profiles.categories
        table = table[(table["segment_id"] == self.of.id) & (table["n_buyers"] >= FEWEST)]
        for least, key, strength in ((1.5, "favourites", 0.9), (1.1, "more", 0.45)):
            clear = (table["lift"] >= least) & (table["p_holm"] < 0.05)  # noqa: PLR2004
            found = table[clear & (table["buyers_share"] >= _BOUGHT_BY)].head(3)
            if len(found):
                yield self._said_of_categories(key, strength, found)
                return
        # They buy nothing more often than others: then what their money goes to, if many of them buy it.
        often = table[(table["buyers_share"] >= _BOUGHT_BY) & (table["spend_share"] > table["spend_share_all"])]
        staples = often.sort_values("spend_share", ascending=False, kind="stable").head(3)
        if len(staples):
            yield self._said_of_categories("staples", 0.75, staples)

    def _said_of_categories(self, key: str, strength: float, found: pd.DataFrame) -> _Said:
        self.of.behind.append(int(found["n_buyers"].min()))
        names = [readable_value(str(one), self.of.say) for one in found["category"]]
        return _Said(strength, self.say(f"personas.categories.{key}", categories=self.phrases.listed(names)))

    def _breadth(self) -> Iterator[_Said]:
        effect, n = self.of.effect("category_breadth"), self.of.typical("category_breadth")
        if n is None or abs(effect) < NOTABLE:
            return
        key = ("wide" if effect > 0 else "narrow") + ("" if abs(effect) >= _STRONG else "_plain")
        yield _Said(0.6 * abs(effect), self.say(f"personas.breadth.{key}", n=self.phrases.number(n)))

    def _basket(self) -> Iterator[_Said]:
        effect, n = self.of.effect("products_per_order"), self.of.typical("products_per_order")
        if n is None or abs(effect) < NOTABLE:
            return
        products = self.say.counted("personas.products", max(1, round(n)), in_words=self.phrases.word(max(1, round(n))))
        key = "full" if effect > 0 else "single"
        yield _Said(abs(effect), self.say(f"personas.basket.{key}", n=self.phrases.number(n), n_products=products))

    def _price(self) -> Iterator[_Said]:
        effect, share = self.of.effect("coupon_order_share"), self.of.typical("coupon_order_share")
        if share is not None and abs(effect) >= NOTABLE:
            key = "coupons" if effect > 0 and share >= 0.08 else "some_coupons" if effect > 0 else "no_coupons"  # noqa: PLR2004
            of_many = self.phrases.of_many(share, self.say("personas.things.orders"))
            yield _Said(abs(effect), self.say(f"personas.price.{key}", of_many=of_many))
        for feature, high, low in (
            ("discount_share", "offers", "no_offers"),
            ("private_label_share", "private", "branded"),
        ):
            effect, share = self.of.effect(feature), self.of.typical(feature)
            if share is not None and abs(effect) >= NOTABLE:
                key = high if effect > 0 else low
                yield _Said(abs(effect), self.say(f"personas.price.{key}", share=self.phrases.share(share)))

    def _when(self) -> Iterator[_Said]:
        effect = self.of.effect("weekend_share")
        if abs(effect) >= NOTABLE:
            yield _Said(abs(effect), self.say("personas.when.weekend" if effect > 0 else "personas.when.weekday"))
        for feature, key in (
            ("evening_share", "evening"),
            ("online_share", "online"),
            ("store_share", "store"),
            ("phone_share", "phone"),
        ):
            effect = self.of.effect(feature)
            if effect >= NOTABLE:
                yield _Said(effect, self.say(f"personas.when.{key}"))
        lift, month = self.of.figure("peak_month_lift"), self.of.figure("peak_month")
        timing = self.of.profiles.timing
        own = timing[(timing["segment_id"] == self.of.id) & (timing["clock"] == "month")]
        # Of customers who come less and less the first month looks like a season.
        steady = abs(self._change()[1]) <= _CHANGED
        if steady and lift is not None and month is not None and lift >= 1.3:  # noqa: PLR2004
            share = own.loc[own["unit"] == month, "share"]
            if len(share) and share.iloc[0] >= 0.15:  # noqa: PLR2004
                text = self.say(
                    "personas.when.month", month=self.phrases.month(int(month)), share=self.phrases.share(share.iloc[0])
                )
                yield _Said(min(lift - 0.7, 1.5), text)

    def _trend(self) -> Iterator[_Said]:
        customers = self.say("personas.things.customers")
        single, new, overdue = (self.of.figure(name) for name in ("single_order_share", "new_share", "overdue_share"))
        if single is not None and single >= 0.4:  # noqa: PLR2004
            key = "single" if self._newcomers() else "single_again"
            yield _Said(1.0, self.say(f"personas.trend.{key}", of_many=self.phrases.of_many(single, customers)))
        if new is not None and new >= 0.4:  # noqa: PLR2004
            yield _Said(0.8, self.say("personas.trend.new", of_many=self.phrases.of_many(new, customers)))
        own, beside, of_all = self._change()
        if abs(beside) >= _CHANGED:
            clear = own * beside > 0 and abs(own) >= _NEXT_TO_NOTHING
            key = ("rising" if clear else "holding") if beside > 0 else ("falling" if clear else "lagging")
            key += "_alone" if clear and own * of_all < 0 else ""
            text = self.say(f"personas.trend.{key}", share=self.phrases.share(abs(own)))
            yield _Said(min(1.2, 0.4 + abs(beside)), text)
        if overdue is not None and overdue >= 0.45:  # noqa: PLR2004
            yield _Said(0.7, self.say("personas.trend.overdue", of_many=self.phrases.of_many(overdue, customers)))

    def _change(self) -> tuple[float, float, float]:
        """Change of spend, how that stands to all customers', and theirs; 0 where it is unknown.

        Where all spend 60 % more, as before Christmas, a segment that spends 60 % more stands where it stood.
        """
        own, of_all = self.of.change_beside_all() or (0.0, 0.0)
        return own, (1 + own) / (1 + of_all) - 1 if of_all > -1 else 0.0, of_all

    def _newcomers(self) -> bool:
        """Whether one order in the time looked at may be the first ever."""
        new = self.of.figure("new_share")
        return new is None or new >= _NEWCOMERS

    def _service(self) -> Iterator[_Said]:
        n, n_all = self.of.figure("contacts_per_customer"), self.of.typical_of_all("contacts_per_customer")
        if n is not None and n_all is not None and n_all > 0:
            if n >= 1.3 * n_all and n >= 2:  # noqa: PLR2004
                yield _Said(0.8, self.say("personas.service.much", n=self.phrases.word(round(n))))
            elif n <= 0.5 * n_all:
                yield _Said(0.4, self.say("personas.service.none"))
        effort, effort_all = self.of.figure("effort_mean"), self.of.typical_of_all("effort_mean")
        if effort is not None and effort_all is not None and effort >= 1.2 * effort_all:
            yield _Said(0.8, self.say("personas.service.hard"))
        if self.of.effect("returned_share") >= NOTABLE:
            yield _Said(self.of.effect("returned_share"), self.say("personas.service.returns"))

    def _campaign(self) -> Iterator[_Said]:
        rate, of_all = self.of.figure("response_rate"), self.of.typical_of_all("response_rate")
        if rate is None or of_all is None:
            return
        if of_all > 0 and rate >= 1.3 * of_all:
            of_many = self.phrases.of_many(rate, self.say("personas.things.campaigns"))
            yield _Said(min(1.2, 0.3 * rate / of_all), self.say("personas.campaign.answers", of_many=of_many))
        elif rate < 0.5 * of_all and rate < 0.05:  # noqa: PLR2004
            yield _Said(0.65, self.say("personas.campaign.ignores"))

    def _opinion(self) -> Iterator[_Said]:
        said = self.of.labels(_OPINIONS, 4, role="basis")
        if said and self.of.visits() is not None:
            shares = self.of.share_who_say(said[0])
            if shares is None:
                yield _Said(1.5, self.say("personas.opinion.says", labels=self.phrases.listed(said)))
            else:
                share, of_all = (self.phrases.share(one) for one in shares)
                yield _Said(1.5, self.say("personas.opinion.share", label=said[0], share=share, share_all=of_all))
                if said[1:]:
                    yield _Said(1.4, self.say("personas.opinion.further", labels=self.phrases.listed(said[1:])))
        benefits = self.of.labels(("benefit",), 3)
        if benefits:
            yield _Said(1.2, self.say("personas.opinion.benefits", labels=self.phrases.listed(benefits)))

    def _home(self) -> Iterator[_Said]:
        size, children = self.of.typical("household_size"), self.of.typical("children")
        income = self.of.typical("income_per_year")
        strength = max(0.3, abs(self.of.effect("household_size")), abs(self.of.effect("children")))
        if size is not None and size >= 1:
            n = round(size)
            key = "alone" if n == 1 else "family" if children is not None and children >= 1 else "household"
            yield _Said(strength, self.say(f"personas.home.{key}", n=self.phrases.word(n)))
        effect = abs(self.of.effect("income_per_year"))
        if income is not None and effect >= NOTABLE:
            yield _Said(effect, self.say("personas.home.income", income=self.phrases.money(income)))

    def _further(self) -> Iterator[_Said]:
        families = (*_OPINIONS, "influence", "engagement", "intent", "occasion", "geographic", "demographic")
        told = frozenset({*TOLD, "visits_per_year", "household_size", "children", "income_per_year", "response_share"})
        labels = [
            label
            for label in self.of.labels(families, 8, skip=told | {"treated_response_share"})
            if label not in self.of.labels(_OPINIONS, 99, role="basis")
        ]
        if labels:
            yield _Said(0.65, self.say("personas.closing.further", labels=self.phrases.listed(labels[:3])))

    _slots: tuple[Callable[[_Portrait], Iterator[_Said]], ...] = (
        _categories,
        _breadth,
        _basket,
        _price,
        _when,
        _service,
        _campaign,
        _opinion,
        _home,
        _further,
        _trend,
    )

    # Headline and card.

    def _headline(self) -> str:
        single, habits = self.of.figure("single_order_share") or 0.0, self._behaviour()
        if habits is not None:
            spend, visits, days = habits
            for key, fits in (
                ("first_timer", single >= 0.5 and self._newcomers()),  # noqa: PLR2004
                ("one_order", single >= 0.5),  # noqa: PLR2004
                ("passer_by", spend <= -1 and days >= _STRONG),
                ("fading", days >= _STRONG and spend > -NOTABLE),
                ("devoted", spend >= 1 and visits >= _STRONG),
                ("regular", spend >= NOTABLE and visits >= NOTABLE),
                ("big_rare", spend >= NOTABLE),
                ("top_up", visits >= NOTABLE),
                ("occasional", spend <= -NOTABLE),
            ):
                if fits:
                    return self.say(f"personas.headline.{key}")
            return self.say("personas.headline.middle")
        labels = self.of.labels(_OPINIONS, 1, role="basis")
        if labels:
            return self.say("personas.headline.says", label=labels[0])
        labels = self.of.labels(self.of.families, 1, skip=frozenset())
        return self.say("personas.headline.label", label=labels[0]) if labels else self.say("personas.headline.plain")

    def _behaviour(self) -> tuple[float, float, float] | None:
        """How spend, visits and days since the last stand to all customers'; None where no orders are dated."""
        spend, visits, last = self.of.spend(), self.of.visits(), self.of.last_visit()
        marked = {"orders_per_month", "spend_per_month"} <= set(self.of.marks.index)
        if spend is None or visits is None or not (marked or known(self.of.months)):
            return None
        effects = [
            self.of.effect(feature) if feature in self.of.marks.index else 0.0 if habit is None else habit.effect
            for feature, habit in (("spend_per_month", spend), ("orders_per_month", visits), ("recency_days", last))
        ]
        return effects[0], effects[1], effects[2]

    def _facts(self) -> Iterator[tuple[str, str]]:
        for key, value in (*self._habits(), *self._traits()):
            if value:
                yield self.say(f"personas.fact.{key}"), value[:1].upper() + value[1:]

    def _habits(self) -> Iterator[tuple[str, str]]:
        visits, last, spend, basket = self.of.visits(), self.of.last_visit(), self.of.spend(), self.of.basket()
        rate = self.of.figure("response_rate")
        yield "visits", self.phrases.often(visits.amount) if visits is not None and visits.amount > 0 else ""
        yield "last", "" if last is None else self.phrases.ago(last.amount)
        yield "spend", self.phrases.money(spend.amount) if spend is not None and spend.amount > 0 else ""
        yield "basket", "" if basket is None else self.phrases.money(basket)
        yield "response", "" if rate is None else self.phrases.share(rate)

    def _traits(self) -> Iterator[tuple[str, str]]:
        for families, key in ((_OPINIONS, "says"), (("benefit",), "seeks")):
            labels = self.of.labels(families, 3, role="basis")
            yield key, self.phrases.listed(labels) if labels else ""
        size = self.of.typical("household_size")
        yield "household", "" if size is None else self.phrases.number(round(size))
        labels = self.of.labels(self.of.families, 3, role="descriptor")
        yield "does", self.phrases.listed(labels) if labels else ""
        yield "size", f"{int(self.of.line['n_customers']):,}"


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:]
