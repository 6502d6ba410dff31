import pytest

from gateway.imaging.wording import age_in_words, age_years, hundredths


@pytest.mark.parametrize(
    ("age", "years"),
    [
        ("045Y", 45),
        ("62", 62),
        ("018M", 1),
        ("011M", 0),
        ("104W", 2),
        ("800D", 2),
        *((age, None) for age in ("", "Y", "old", "-1Y", "0451Y")),
    ],
)
def test_years_are_read_from_an_age(age, years):
    assert age_years(age) == years


@pytest.mark.parametrize(
    ("age", "words"), [("045Y", "45 years"), ("001M", "1 month"), ("62", "62"), ("", ""), ("old", "old")]
)
def test_an_age_is_spelled_out(age, words):
    assert age_in_words(age) == words


@pytest.mark.parametrize(
    ("confidence", "printed"), [(0.4996, "0.49"), (0.5, "0.50"), (0.29, "0.29"), (1.0, "1.00"), (0.0, "0.00")]
)
def test_no_absent_finding_reads_as_the_threshold(confidence, printed):
    assert hundredths(confidence) == printed
