"""Words: message files of a language, and what is wrong with one's own."""

from __future__ import annotations

import string
from pathlib import Path

import pytest

from patronage.errors import InvalidConfigError
from patronage.wording import languages, read_wording


def test_english_is_there() -> None:
    """The shipped language needs no folder."""
    assert "en" in languages()
    assert read_wording().language == "en"


@pytest.mark.parametrize("language", languages())
def test_every_message_of_every_language_can_be_formatted(language: str) -> None:
    """No shipped message has a brace that is not closed, or asks for a value by position."""
    for key, text in read_wording(language).messages.items():
        names = [name for _, name, _, _ in string.Formatter().parse(text) if name is not None]
        assert all(names), key


def test_numbers_that_are_counted_have_their_thousands_apart() -> None:
    """One, some, and 1,906 customers; what is no whole number keeps its decimals."""
    say = read_wording()
    assert [say.counted("report.customers", n) for n in (1, 12, 1906)] == [
        "1 customer",
        "12 customers",
        "1,906 customers",
    ]
    assert say.counted("report.days", 2.5) == "2.5 days"  # type: ignore[arg-type] # days have a decimal


def test_a_folder_of_ones_own_says_what_it_says_and_the_rest_in_english(tmp_path: Path) -> None:
    """A translation may be begun with one message."""
    english = read_wording()
    key, text = next((key, text) for key, text in english.messages.items() if "{" not in text)
    file, _, rest = key.partition(".")
    nested = rest.split(".")
    lines = "".join(f"{'  ' * depth}{name}:\n" for depth, name in enumerate(nested[:-1]))
    own = tmp_path / "da"
    own.mkdir()
    (own / f"{file}.yaml").write_text(f"{lines}{'  ' * (len(nested) - 1)}{nested[-1]}: Dansk\n", encoding="utf-8")
    danish = read_wording(str(own))
    assert danish.language == "da"
    assert danish(key) == "Dansk"
    assert text != "Dansk"
    assert len(danish.messages) == len(english.messages)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("no_such_message: Hej\n", "there is no message names.no_such_message"),
        ("[1, 2]\n", "expected a text"),
        ("a: [1\n", "is no YAML"),
    ],
)
def test_a_faulty_file_is_told_by_its_message(tmp_path: Path, content: str, told: str) -> None:
    """What is wrong with a translation is known before any work is done."""
    (tmp_path / "names.yaml").write_text(content, encoding="utf-8")
    with pytest.raises(InvalidConfigError, match=told):
        read_wording(str(tmp_path))


def test_a_message_may_not_ask_for_values_that_are_not_there(tmp_path: Path) -> None:
    """A misspelt value would fail only when the report is written."""
    key = next(key for key, text in read_wording().messages.items() if key.count(".") == 1)
    file, _, name = key.partition(".")
    (tmp_path / f"{file}.yaml").write_text(f"{name}: 'x {{unheard_of}}'\n", encoding="utf-8")
    with pytest.raises(InvalidConfigError, match="there is no value unheard_of"):
        read_wording(str(tmp_path))


def test_an_unknown_language_names_those_that_are_there() -> None:
    """Neither a language nor a folder."""
    with pytest.raises(InvalidConfigError, match=r"language=xx: expected one of en, or a folder of message files"):
        read_wording("xx")


def test_a_value_has_the_form_that_english_gives_it(tmp_path: Path) -> None:
    """A share said as a word, or in a width that another value tells, would fail only when the report is written."""
    key, text = next((key, text) for key, text in read_wording().messages.items() if "{" in text and ":" not in text)
    name = next(name for _, name, _, _ in string.Formatter().parse(text) if name)
    file, _, rest = key.partition(".")
    *above, last = rest.split(".")
    lines = "".join(f"{'  ' * depth}{one}:\n" for depth, one in enumerate(above))
    for form in (":.1f", ":{width}", "!r"):
        said = f"{lines}{'  ' * len(above)}{last}: 'x {{{name}{form}}}'\n"
        (tmp_path / f"{file}.yaml").write_text(said, encoding="utf-8")
        with pytest.raises(InvalidConfigError, match="is another form than English has"):
            read_wording(str(tmp_path))
