"""The diagnosis as people see it: table, page, figure and terminal say the same, safely, at any width."""

from __future__ import annotations

import dataclasses
import math
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from patronage import terminal
from patronage.catalogue import Feature
from patronage.diagnosis import Diagnosis, diagnose
from patronage.diagnosis_page import diagnosis_frame, diagnosis_html, in_words
from patronage.distribution import number_in_words
from patronage.figures import distributions

N = 300
HOSTILE = "<script>alert('x')</script> & $x^2$"
VOID = {"meta"}


@pytest.fixture(scope="module")
def found():
    """Every verdict and kind: a twin, an empty one, an identifier, hostile names and levels."""
    rng = np.random.default_rng(0)
    x = rng.normal(10, 2, N)
    frame = pd.DataFrame(
        {
            "visits": x,
            "trips": 2 * x,
            "nothing": np.nan,
            "email": [f"secret{number}@example.org" for number in range(N)],
            "spend": rng.lognormal(3, 2, N) * 1e6,
            "town": rng.choice([HOSTILE, "south", "east"], N),
            "grade": rng.choice(["low", "high"], N),
            HOSTILE: rng.normal(size=N),
        }
    )
    scales = {"email": "one_hot", "town": "one_hot", "grade": "ordinal"}
    features = [
        Feature(
            name, "orders", "1", scale=scales.get(name, "none"), unit="$ <b>", role="basis",
            levels=("low", "middle", "high") if name == "grade" else (),
        )
        for name in frame
    ]  # fmt: skip
    return diagnose(frame, features)


EMPTY = Diagnosis((), 10)


class Page(HTMLParser):
    """Checks that tags are closed in the order they were opened, and collects what is seen."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.addresses, self.headings = [], [], [], []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        """A tag opens; some never close."""
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("href", "src")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        """The tag opened last closes first."""
        assert self.open.pop() == tag

    def handle_data(self, data):
        """Feature names stand in third headings."""
        if self.open and self.open[-1] == "h3":
            self.headings.append(data)


def _terminal(found, monkeypatch, capsys, width):
    """What the terminal shows at a width."""
    monkeypatch.setattr(terminal, "console", lambda: Console(width=width))
    terminal.diagnosis(found)
    return capsys.readouterr().out


def test_the_table_has_a_line_for_each_feature_in_order(found):
    """What needs attention comes first, with every figure of the diagnosis under its name."""
    frame = diagnosis_frame(found)
    assert list(frame.feature) == [one.name for one in found.ordered]
    assert list(frame.verdict[:3]) == ["drop"] * 3
    line = frame.set_index("feature").loc["visits"]
    visits = next(one for one in found.features if one.name == "visits")
    assert (line.twin, line.missing_share, line["skew"], line["median"]) == (
        visits.twin,
        visits.missing_share,
        visits.skew,
        visits.median,
    )
    assert line.distribution == visits.sparkline()
    assert set(vars(visits)) - set(frame.columns) == {"name", "sketch", "levels"}


def test_a_table_of_nothing_has_its_columns(found):
    """Without features the table is empty, not malformed."""
    assert list(diagnosis_frame(EMPTY).columns) == list(diagnosis_frame(found).columns)


def test_the_page_is_well_formed_and_needs_nothing_else(found):
    """Tags are balanced; nothing is fetched; every feature has its heading."""
    page = Page(diagnosis_html(found))
    assert page.addresses == []
    assert not {"script", "link", "img", "b"} & set(page.tags)
    assert page.headings == [one.name for one in found.ordered]
    Page(diagnosis_html(EMPTY))


def test_names_and_levels_are_escaped(found):
    """A name that looks like markup is shown as it is written."""
    page = diagnosis_html(found)
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 3  # the feature's heading, its drawing's label, a level


def test_no_identifier_is_shown(found):
    """The values of an identifier stand on no page, figure, table or line."""
    assert "secret" not in diagnosis_html(found)
    assert "secret" not in diagnosis_frame(found).to_csv()
    figure = distributions(found)
    assert not any("secret" in text.get_text() for axes in figure.axes for text in axes.texts)


def test_the_page_draws_a_bar_for_each_filled_bin(found):
    """Bars are as high as their counts, the highest over the whole height, an empty bin's nothing."""
    one = dataclasses.replace(found.features[0], sketch=(10, 0, 5))
    page = diagnosis_html(Diagnosis((one,), N))
    heights = [float(part.split('"')[0]) for part in page.split('" height="')[1:]]
    assert heights == [45.0, 0.0, 22.5]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (math.nan, "–"),
        (0.0, "0"),
        (-2.5, "−2.5"),
        (1234.5, "1,234"),
        (-6_821_603.2, "−6,821,603"),
        (1e12, "1e12"),
        (2.5e-7, "2.5e−07"),
    ],
)
def test_numbers_of_any_size_are_short(value, words):
    """A number fits its place."""
    assert number_in_words(value) == words


def test_verdicts_are_counted_in_words(found):
    """The summary adds up."""
    assert in_words(found) == "8 features of 300 customers: 3 to drop, 1 to transform, 4 to keep"


def _drawn(figure):
    canvas = BytesIO()
    figure.savefig(canvas, format="png", dpi=60)
    return canvas.getvalue()


def test_the_figure_has_a_panel_for_each_feature_in_order(found):
    """Panels follow the table; each has the feature's bars, its verdict and its reason."""
    figure = distributions(found)
    assert _drawn(figure).startswith(b"\x89PNG")
    for axes, one in zip(figure.axes, found.ordered, strict=True):
        assert axes.get_title(loc="left") == one.name.replace("$", r"\$")[:41]
        assert [bar.get_height() for bar in axes.patches] == list(one.sketch)
        assert any(text.get_text().startswith(f"{one.verdict}: ") for text in axes.texts)
    assert len({bar.get_facecolor() for axes in figure.axes for bar in axes.patches}) == 3


def test_the_figure_tells_what_it_leaves_out(found):
    """Of many features the most notable are drawn, and the others are counted by verdict."""
    figure = distributions(found, most=2)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [one.name for one in found.ordered[:2]]
    assert figure.get_suptitle().endswith("not shown: 1 to drop, 1 to transform, 4 to keep")
    assert "not shown" not in distributions(found, most=8).get_suptitle()


def test_a_figure_of_nothing_is_drawn():
    """Without features there is still a picture."""
    assert _drawn(distributions(EMPTY)).startswith(b"\x89PNG")


@pytest.mark.parametrize("width", [40, 80, 100, 120, 140, 200])
def test_the_terminal_keeps_to_its_width(found, monkeypatch, capsys, width):
    """No line of the table is longer than the window, and no feature, verdict or reason is lost."""
    shown = _terminal(found, monkeypatch, capsys, width)
    *table, summary, _ = shown.split("\n")
    assert max(map(len, table)) <= width
    assert summary == in_words(found)
    assert sum(line.count("drop –") for line in table) == 3
    for word in ("visits", "email", "grade"):
        assert word in shown


def test_a_narrow_terminal_has_fewer_figures(found, monkeypatch, capsys):
    """At 80 columns the verdict has the room; at 140 the figures stand beside it."""
    assert "distinct" not in _terminal(found, monkeypatch, capsys, 80).split("drop")[0]
    wide = _terminal(found, monkeypatch, capsys, 140)
    assert all(heading in wide for heading in ("missing", "distinct", "zero", "skew"))


def test_the_terminal_takes_no_name_for_markup(monkeypatch, capsys, found):
    """A name in brackets is printed as it is."""
    one = dataclasses.replace(found.features[0], name="share[red]", reason="[bold]")
    shown = _terminal(Diagnosis((one,), N), monkeypatch, capsys, 140)
    assert "share[red]" in shown
    assert "[bold]" in shown
