"""The report: one page that needs nothing else, says what the tables say, and can be read by anybody anywhere."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from patronage.actions import Action
from patronage.diagnosis_page import diagnosis_frame
from patronage.distribution import percent
from patronage.leaderboard import leaderboard_frame
from patronage.personas import Persona
from patronage.profiles.tables import ALL
from patronage.report import Report, report_figures, report_html
from patronage.report.numbers import Numbers
from patronage.report.overview import head_of
from patronage.report.segment_cards import cards_of
from patronage.selection import select
from patronage.wording import read_wording
from tests.browser import browser, chromium
from tests.hand_made_profiles import CATEGORIES, hand_made_profiles
from tests.leaderboards import CHOICES, POLICY
from tests.test_diagnosis_page import EMPTY

HOSTILE = "<script>alert(1)</script>"
LONG = "Buyers of things with very long names, on weekends and alone"
CASES = {
    "shop": {},
    "one segment": {"n_segments": 1},
    "twenty segments": {
        "n_segments": 20, "n_features": 60, "n_positions": 2_000,
        "names": (LONG, "週末に野菜を買うお客様", "Крупные заказы"),
    },
    "no money": {"money": False},
    "survey": {"dates": False},
    "losses": {"losses": True},
    "hostile": {
        "names": (f"{HOSTILE} & $x^2$", '"><img src=x onerror=alert(1)>'), "categories": (HOSTILE, "</svg>", "a'b\""),
    },
}  # fmt: skip
VOID = {"meta", "img"}
WORDING = read_wording()


class Page(HTMLParser):
    """A page taken apart: checks on the way that tags are closed in the order they were opened."""

    def __init__(self, page):
        super().__init__()
        self.open, self.elements, self.tables, self.text, self.levels = [], [], {}, [], []
        self.cell = None
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        """A tag opens; some never close."""
        told = dict(attrs)
        assert len(told) == len(attrs), f"{tag} says something twice"
        self.elements.append((tag, told))
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if tag == "table":
            self.rows, self.caption = [], ""
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        """Shapes of drawings have no content."""
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        """The tag opened last closes first."""
        assert self.open.pop() == tag
        if tag == "table":
            self.tables[self.caption] = self.rows

    def handle_data(self, data):
        """Text belongs to the cell or the caption it stands in."""
        if "style" not in self.open:
            self.text.append(data)
        if self.open and "caption" in self.open:
            self.caption += data
        elif "td" in self.open or "th" in self.open:
            self.rows[-1][-1] = " ".join(f"{self.rows[-1][-1]} {data}".split())

    @property
    def words(self):
        """All that can be read."""
        return " ".join(" ".join(self.text).split())


def _persona(segment_id, name):
    facts = (("Visits", "every week"), ("Town", name))
    return Persona(segment_id, f"The regular: {name}", f"Somebody of {name}.", facts, 12)


def _action(segment_id, rank, title):
    return Action(
        segment_id, rank, "retain", "retain", title, "Answer them first.", "They spend much (value 260, of all 111).",
        {"value_per_customer": (260.0, 111.0)}, 14.0, "Every two weeks", "e-mail", "12% responded",
        "Say what is new." if rank == 1 else "Say what goes with it.", "first in line",
    )  # fmt: skip


@cache
def report_of(case):
    """The report of a case; all parts that its profiles allow."""
    profiles = hand_made_profiles(**CASES[case])
    own = profiles.segments[~profiles.segments["reserved"]]
    judged = case not in ("survey", "no money")
    rows, rivals = CHOICES["many"]
    return Report(
        profiles,
        [_persona(one.segment_id, one.segment_name) for one in own.itertuples()],
        [_action(one, *what) for one in own["segment_id"] for what in ((2, "Offer more"), (1, "Keep them"))],
        leaderboard_frame(select(rows, POLICY), rivals) if judged else None,
        diagnosis_frame(EMPTY),
        {"choice_of_k": b"\x89PNG", "of_my_own": b"\x89PNG"},
        {"candidate": "kmeans k=8", "why": "chosen: the best", "version": "7"}
        | {"limits": {"min_share": 0.03, "ari": 0.7}}
        | ({"confirm": {"kept": 0.86, "kept_low": 0.83, "kept_high": 0.89, "kept_baseline": 0.8}} if judged else {}),
    )  # fmt: skip


@cache
def html_of(case):
    """The page of a case."""
    return report_html(report_of(case), WORDING)


@cache
def page_of(case):
    """The page of a case, taken apart."""
    return Page(html_of(case))


def _number(text):
    return float(text.replace("−", "-").replace("+", "").replace(",", "").rstrip("%"))


def test_the_largest_report_is_small_and_made_quickly():
    """Twenty segments of sixty features are less than 5 MB, and done in less than 15 seconds."""
    report_of("twenty segments")
    began = time.monotonic()
    assert len(html_of("twenty segments").encode()) < 5_000_000
    assert time.monotonic() - began < 15


@pytest.mark.parametrize("case", CASES)
def test_a_page_needs_nothing_else(case):
    """Nothing is fetched and nothing runs: addresses lead within the page or hold their data; its policy says so."""
    elements = page_of(case).elements
    tags = {tag for tag, _ in elements}
    assert not tags & {"script", "link", "iframe", "object", "embed", "base", "form"}
    ids = {told["id"] for _, told in elements if "id" in told}
    for tag, told in elements:
        assert not [name for name in told if name.startswith("on")]
        for name in ("href", "src", "xlink:href", "action", "srcset"):
            address = told.get(name, "")
            assert not address or address.startswith("data:image/png;base64,") or address.removeprefix("#") in ids, tag
    assert set(re.findall(r"url\(([^)]{3})", html_of(case))) <= {f"#{name}" for name in ("si", "ca", "ma")}
    (policy,) = [told["content"] for _, told in elements if told.get("http-equiv") == "Content-Security-Policy"]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


@pytest.mark.parametrize("case", CASES)
def test_a_page_is_well_made(case):
    """One first heading, no level left out, ids once, tables with headings, a language, pictures with names."""
    page = page_of(case)
    assert page.elements[0] == ("html", {"lang": "en"})
    assert page.levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(page.levels, page.levels[1:], strict=False))
    ids = [told["id"] for _, told in page.elements if "id" in told]
    assert len(ids) == len(set(ids))
    assert {"main", "nav", "header"} <= {tag for tag, _ in page.elements}
    assert all(told.get("alt") for tag, told in page.elements if tag == "img")
    assert all(told.get("aria-label") for tag, told in page.elements if tag == "svg")
    assert all(told.get("scope") in ("col", "row") for tag, told in page.elements if tag == "th")
    assert sum(tag == "table" for tag, _ in page.elements) == sum(tag == "thead" for tag, _ in page.elements)
    assert all(page.tables)  # none without a caption
    for rows in page.tables.values():
        assert {len(row) for row in rows} == {len(rows[0])}
    named = [told["aria-labelledby"] for _, told in page.elements if "aria-labelledby" in told]
    assert set(named) <= set(ids)


def test_the_same_report_gives_the_same_page():
    """Nothing on the page depends on when, or after what, it was made."""
    assert report_html(report_of("one segment"), WORDING) == html_of("one segment")


def test_making_a_report_changes_no_table():
    """The tables are as they were."""
    html_of("shop")
    for name, table in hand_made_profiles().tables.items():
        pd.testing.assert_frame_equal(report_of("shop").profiles.tables[name], table)


def test_nothing_from_data_becomes_markup():
    """A segment or a category may be called like a script: it is read as text, in drawings too."""
    page = html_of("hostile")
    assert "<script" not in page
    assert "<img src=x" not in page
    assert page_of("hostile").words.count(HOSTILE) > 20
    assert all(tag != "img" or told["src"].startswith("data:") for tag, told in page_of("hostile").elements)


def test_segments_at_a_glance_are_those_of_the_table():
    """Every segment has its line, by priority, with its size, value, interval, share and first action."""
    rows = page_of("shop").tables["All segments with size, value, priority and first action"][1:]
    table = report_of("shop").profiles.segments
    assert [row[0].split()[0] for row in rows] == ["S01", "S02", "S03", "S04", "S05", "Dormant"]
    for row, (_, line) in zip(rows[:-1], table.iterrows(), strict=False):
        assert row[0] == f"{line['segment_id']} {line['segment_name']}"
        share, customers = row[1].split()
        assert (_number(share), _number(customers)) == (
            pytest.approx(100 * line["share"], abs=0.5),
            line["n_customers"],
        )
        value, low, _, high = row[2].split()
        for told, column in ((value, "value_per_customer"), (low, "value_low"), (high, "value_high")):
            assert _number(told) == pytest.approx(line[column], rel=0.005)
        assert _number(row[3]) == pytest.approx(100 * line["value_share"], abs=0.5)
        assert (row[4], row[5]) == (str(line["priority"])[0], "Keep them")
    assert rows[-1][0] == "Dormant no order within the lookback; not counted in shares of customers"
    assert rows[-1][1:] == ["75", "–", "–", "–", "–"]


def test_differences_are_those_of_the_table():
    """The table behind the bars has every difference of the segment; the heat map has every cell."""
    page, table = page_of("shop"), report_of("shop").profiles.differentiators
    for segment_id, own in table.groupby("segment_id"):
        rows = next(
            rows for caption, rows in page.tables.items() if caption.startswith(f"All differences of {segment_id}")
        )
        assert [_number(row[1]) for row in rows[1:]] == pytest.approx(own["effect"].to_list(), abs=0.0051)
        assert [row[7] == "forms segments" for row in rows[1:]] == (own["role"] == "basis").to_list()
    rows = page.tables["Difference from all customers, by feature and segment"]
    assert rows[0] == ["feature", *sorted(table["segment_id"].unique())]
    effects = table.pivot_table(index=["feature", "level"], columns="segment_id", values="effect").to_numpy()
    told = np.array([[_number(cell) for cell in row[1:]] for row in rows[1:]])
    assert np.sort(told, axis=0) == pytest.approx(np.sort(effects, axis=0), abs=0.051)
    assert {row[0][0] for row in rows[1:]} == {"●", "○"}


def test_bars_are_notable_differences_on_one_scale():
    """A card shows the strongest notable ones: right of the middle is more, the longest is half a track."""
    table = report_of("shop").profiles.differentiators
    table = table[table["notable"]]
    words = page_of("shop").words
    for card in cards_of(report_of("shop"), Numbers(WORDING, "EUR")):
        own = table[table["segment_id"] == card.id].head(8)
        assert [one.label for one in card.effects] == own["label"].to_list()
        assert [one.forms for one in card.effects] == (own["role"] == "basis").to_list()
        assert [one.more for one in card.effects] == (own["effect"] > 0).to_list()
        assert [one.width for one in card.effects] == pytest.approx(
            (50 * own["effect"].abs() / table["effect"].abs().max()).to_list()
        )
        assert all(one.low == 50 if one.more else one.low + one.width == pytest.approx(50) for one in card.effects)
        assert all(f"{one.size} {one.own} (all {one.all})" in words for one in card.effects)


def test_what_segments_buy_is_that_of_the_tables():
    """Categories, offers, channels, times and service say the figures of their tables."""
    words, profiles = page_of("shop").words, report_of("shop").profiles
    own = profiles.categories[profiles.categories["segment_id"] == "S01"]
    for line in own.itertuples():
        assert f"{line.category} ×{line.lift:.1f} {line.buyers_share:.0%} buy it, others" in words
    assert "Fruit & vegetables → then Wine 45% of its buyers take both (×2.1); 33 customers not yet" in words
    assert "store 64%, all 64%" in words
    assert "e-mail 12% responded (9.0% to 15%)" in words
    assert "delivery 60%, all 60% · 4.2 EUR each · effort 3.0 of 10" in words
    times = page_of("shop").tables["Times of orders of S01 High spend, wide range"][1:]
    for segment_id, column in (("S01", 1), (ALL, 2)):
        shares = profiles.timing.loc[profiles.timing["segment_id"] == segment_id, "share"]
        assert [_number(row[column]) for row in times] == pytest.approx((100 * shares).to_list(), abs=0.5)


def test_of_two_categories_that_go_together_one_direction_is_told():
    """Who buys wine is offered coffee or the other way round: twice the same pair would take another's place."""
    profiles = hand_made_profiles(1)
    there = profiles.cross_sell.head(1)
    back = there.assign(bought=there["offered"], offered=there["bought"])
    both = Report(type(profiles)(**{**profiles.tables, "cross_sell": pd.concat([there, back])}, about=profiles.about))
    assert Page(report_html(both, WORDING)).words.count("buyers take both") == 1


def test_the_value_of_customers_is_that_of_the_curve():
    """The key figure, the sentence and the table of the capture curve are read off it."""
    curve = report_of("shop").profiles.capture
    held = curve.loc[curve["share_customers"].sub(0.2).abs().idxmin(), "share_value"]
    words = page_of("shop").words
    assert f"The best 20% of the customers hold {held:.0%} of the profit" in words
    assert f"of it from the best 20% of customers {held:.0%}" in words
    rows = page_of("shop").tables["Share of value held by the best customers"][1:]
    for share, alone, together in rows:
        at = curve["share_customers"].sub(_number(share) / 100).abs().idxmin()
        assert _number(alone) == pytest.approx(100 * curve.loc[at, "share_value"], abs=0.51)
        assert _number(together) == pytest.approx(100 * curve.loc[at, "segment_share_value"], abs=0.51)


def test_a_segment_that_is_not_worth_it_says_why_and_what_to_do():
    """The criterion that fails, the merge that would lose least, and the caution at the head."""
    words = page_of("shop").words
    assert "1 segment is not worth a campaign of its own: S05." in words
    assert "Not worth a campaign of its own: it is not substantial. Merged with S04 Online bargains, 3.0% of" in words
    assert words.count("Not worth it") == 1
    assert words.count("Measurable : yes") == 5
    assert words.count("? Worth it") == 4


def test_a_verdict_is_no_greener_than_what_is_known():
    """Where a criterion is not known the verdict says which, and is not coloured as one of which all is known."""
    words = page_of("survey").words
    assert words.count("Reachable : not known") == 5
    assert words.count("? Worth it, as far as is known; not known whether reachable") == 4
    verdicts = {case: re.findall(r"own\? <span class=\"(\w+)\">", html_of(case)) for case in ("shop", "survey")}
    assert verdicts == {"shop": [*["good"] * 4, "bad"], "survey": [*["partly"] * 4, "bad"]}


def test_shares_are_of_the_customers_told_at_the_head():
    """Headline and card tell of how many of the customers described a segment consists; dormant ones are apart."""
    segments = report_of("shop").profiles.segments
    own = segments[~segments["reserved"]]
    n, words = own["n_customers"].sum(), page_of("shop").words
    assert f"customers described {n:,}" in words
    share = percent(own["n_customers"].iloc[0] / n)
    assert f"is {share} of the customers" in words
    assert f"{own['n_customers'].iloc[0]:,} customers, {share} of all" in words


def test_thousands_are_told_in_one_way():
    """A count of four digits or more has its comma wherever it stands, on cards and in offers as in tables."""
    made = report_of("shop")
    segments = made.profiles.segments
    many = segments.assign(n_customers=segments["n_customers"] * 10, n_prospects=1906)
    offers = made.profiles.cross_sell.assign(n_open=2345)
    profiles = replace(made.profiles, segments=many, cross_sell=offers)
    words = Page(report_html(replace(made, profiles=profiles), WORDING)).words
    told = many["n_customers"][~many["reserved"]]
    assert f"{told.iloc[0]:,} customers," in words
    assert "and 1,906 prospects" in words
    assert "2,345 customers not yet" in words
    assert not re.findall(r"(?<![\d.,])[1-9]\d{3,}(?![\d.-])", re.sub(r"\b20\d\d-\d\d-\d\d\b", "", words))


def test_sensitive_traits_are_audited():
    """Every trait with its association, who differs most, and the flag also in the head."""
    rows = page_of("shop").tables["Association of segments with sensitive traits"][1:]
    assert rows[0][:4] == ["age years", "treats groups differently", "0.34", "S01 High spend, wide range: 61 (all 44)"]
    assert rows[1][:4] == ["gender", "no strong difference", "0.04", "S05 Long away: 56% female (all 52%)"]
    assert "Segments differ in a sensitive trait, age years:" in page_of("shop").words


def test_actions_stand_by_rank_and_what_they_share_is_said_once():
    """The first is the most important; rhythm, channel and service level, the same for both, are not repeated."""
    words = page_of("one segment").words
    assert words.index("Keep them Answer") < words.index("Offer more Answer")
    assert words.count("Every two weeks") == 1
    assert words.count("e-mail (12% responded)") == 1
    assert words.count("Say what is new.") == words.count("Say what goes with it.") == 1
    assert "Because They spend much (value 260, of all 111)." in words


def test_the_choice_is_that_of_the_leaderboard():
    """The best candidates and baselines of as many segments are shown, all lines behind them; pictures are within."""
    tables = [rows for caption, rows in page_of("shop").tables.items() if caption.startswith("Candidates and")]
    board = report_of("shop").leaderboard
    assert len(tables[-1]) == 1 + len(board)
    assert [row[0] for row in tables[-1][1:]] == board["candidate"].to_list()
    kept = [_number(row[3].split()[0]) for row in tables[-1][1:]]
    assert kept == pytest.approx(board["kept"].to_list(), abs=0.0006)
    assert "smallest segment at least 3.0% of customers; agreement of refits at least 0.70" in page_of("shop").words
    pictures = [told["alt"] for tag, told in page_of("shop").elements if tag == "img"]
    assert len(pictures) == 2
    assert pictures[1] == "Chart: of my own"


def test_what_is_not_known_is_left_out_and_that_is_said():
    """Without money there is no value anywhere; without dates no habits; without a run no leaderboard."""
    for case, said, absent in (
        (
            "no money",
            "There are no transactions with revenue",
            ("profit per customer", "Size and value", "Capture curve"),
        ),
        (
            "survey",
            "no orders with dates",
            ("profit per customer", "Habits", "When they buy", "Channels", "days up to"),
        ),
    ):
        words = page_of(case).words
        assert said in words
        assert not [one for one in absent if one in words]
        assert "how it was chosen stands with the training run" in words
    assert not [one for one in ("nan", "None", "NaN", "inf") if re.search(rf"\b{one}\b", page_of("survey").words)]


def test_gains_and_losses_together_have_no_shares():
    """Where segments lose, the answer tells amounts; where all together lose, no share of value is told."""
    words = page_of("losses").words
    assert "one of them is worth 260 EUR, the average customer" in words
    assert "2 segments lose money: S04, S05." in words
    assert "customers cost more than they bring" in words
    everything = hand_made_profiles(losses=True)
    poor = everything.segments.assign(value_total=-everything.segments["value_total"].abs())
    lost = Page(report_html(Report(type(everything)(**{**everything.tables, "segments": poor}, about={})), WORDING))
    assert "Who holds the value" not in lost.words
    assert {row[3] for row in lost.tables["All segments with size, value, priority and first action"][1:]} == {"–"}


def test_a_baseline_that_is_better_is_told_first():
    """A reader must not miss that a simple rule does better, or may."""
    for confirm, said in (
        ({"kept": 0.7, "kept_baseline": 0.8, "lift": -0.1, "lift_low": -0.2, "lift_high": -0.05}, "keeps 80% of the"),
        ({"kept": 0.7, "kept_baseline": 0.69, "lift": 0.01, "lift_low": -0.02, "lift_high": 0.04}, "may be chance"),
    ):
        cautions = head_of(Report(hand_made_profiles(), about={"confirm": confirm}), Numbers(WORDING)).cautions
        assert said in cautions[0]
        assert "not worth a campaign" in cautions[1]


def test_every_figure_is_also_a_picture():
    """The charts of the page, and a card per persona, can be had as figures; those without data are left out."""
    assert list(report_figures(report_of("shop"), WORDING)) == [
        "size_by_value", "capture", "separation", "heat_map", "differentiators",
        *(f"persona_S{number:02d}" for number in range(1, 6)),
    ]  # fmt: skip
    assert not {"size_by_value", "capture"} & set(report_figures(report_of("survey"), WORDING))


def _luminance(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    light = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * light[0] + 0.7152 * light[1] + 0.0722 * light[2]


def _contrast(one, other):
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_colours_can_be_read_in_light_and_dark():
    """Text has a contrast of 4.5 on whatever it stands on, the heat map's strongest cells included (WCAG AA)."""
    schemes = re.findall(r"--ground: .*?--warm: #\w+;", html_of("shop"), flags=re.DOTALL)
    assert len(schemes) == 3  # light, dark, and print when the reader's screen is dark
    assert schemes[0].split() == schemes[2].split()
    for scheme in schemes:
        colour = dict(re.findall(r"--([\w-]+): (#\w{6}|[\d ]+);", scheme))
        for ground in ("ground", "panel", "warm"):
            for ink in ("ink", "soft", "good", "bad"):
                assert _contrast(colour[ink], colour[ground]) >= 4.5, (ink, ground)
        for side in ("blue-rgb", "orange-rgb"):
            above = [int(part) for part in colour[side].split()]
            below = [int(colour["ground"][place : place + 2], 16) for place in (1, 3, 5)]
            mixed = [round(0.62 * a + 0.38 * b) for a, b in zip(above, below, strict=True)]
            assert _contrast(colour["ink"], "#{:02x}{:02x}{:02x}".format(*mixed)) >= 4.5, side


@pytest.mark.parametrize(
    ("number", "told"),
    [(float("nan"), "–"), (0.0, "0"), (1253.4, "1,253"), (12_300_000, "12.3 million"), (-4.5e10, "−45 billion")],
)
def test_numbers_are_told_in_few_letters(number, told):
    """Thousands are grouped, millions are words, minus is a minus, and what is not known is a dash."""
    assert Numbers(WORDING).plain(number) == told


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("roi", 2.5, "2.5 per 1 spent"), ("spend_change", -0.123, "−12.3%"), ("spend_change", 0.0, "0.0%"),
        ("recency_days_median", 1.0, "1 day ago"), ("gap_days_median", 7.5, "7.5 days"), ("jaccard", 0.876, "0.88"),
        ("n_customers", 1234, "1,234"), ("value_per_customer", 99.5, "99.5 EUR"), ("loss_share", 0.02, "2.0%"),
        ("main_channel", "store", "store"), ("roi", None, "–"), ("main_channel", "", "–"),
    ],
)  # fmt: skip
def test_figures_of_segments_are_told_by_what_they_are(column, value, told):
    """Shares are percent, money has its unit, days are days."""
    assert Numbers(WORDING, "EUR").of_column(column, value) == told


def test_a_browser_shows_pages_without_errors_and_nothing_beyond_a_phones_width(tmp_path):
    """At 360 pixels nothing is wider than the screen, whatever the names are; and the console stays empty."""
    command = chromium()
    if command is None:
        pytest.skip("no Chromium here to open the report with")
    with browser(command) as page:
        for case, width in (("twenty segments", 360), ("hostile", 360), ("shop", 1280)):
            (tmp_path / "page.html").write_text(html_of(case), encoding="utf-8")
            page.open((tmp_path / "page.html").as_uri(), width=width)
            last = WORDING("report.section.reading")
            assert last in page.wait_for(last), case
            assert page.evaluate("document.documentElement.scrollWidth") <= width, case
            assert page.evaluate("document.querySelectorAll('svg').length") > 5, case
            assert not page.errors, case


def test_the_words_of_the_report_are_all_messages():
    """No category of the tests' own stands in the code; a report in other words has other words."""
    assert CATEGORIES[0] in page_of("shop").words
    other = type(WORDING)("nl", {**WORDING.messages, "report.section.glance": "In één oogopslag"})
    page = Page(report_html(Report(hand_made_profiles(1)), other))
    assert page.elements[0] == ("html", {"lang": "nl"})
    assert "In één oogopslag" in page.words
    assert WORDING("report.section.glance") not in page.words
