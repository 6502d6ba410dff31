"""Ages and confidences as people read them."""

import math
import re

_PER_YEAR = {"Y": 1, "M": 12, "W": 52, "D": 365}
_UNITS = {"Y": "year", "M": "month", "W": "week", "D": "day"}


def age_years(age: str) -> int | None:
    """Give whole years from an Age String (PS3.5 §6.2 AS) or a bare number; None if it is neither."""
    parts = re.fullmatch(r"\s*([0-9]{1,3})([YMWD]?)\s*", age.upper())
    return int(parts[1]) // _PER_YEAR[parts[2] or "Y"] if parts else None


def age_in_words(age: str) -> str:
    """Spell an Age String out, such as 45 years; anything else stays as it is."""
    parts = re.fullmatch(r"([0-9]{3})([YMWD])", age)
    if not parts:
        return age
    return f"{int(parts[1])} {_UNITS[parts[2]]}{'' if int(parts[1]) == 1 else 's'}"


def age_between(birth_date: str, study_date: str) -> str:
    """Derive NNNY from two dates YYYYMMDD; "" if either is missing, malformed or out of order."""
    dates = birth_date.strip(), study_date.strip()
    if not all(re.fullmatch("[0-9]{8}", date) for date in dates):
        return ""
    years = (int(dates[1]) - int(dates[0])) // 10000  # the calendar's order is the numbers' order
    return f"{years:03d}Y" if 0 <= years <= 150 else ""


def hundredths(confidence: float) -> str:
    """Print a confidence with two decimals, cut off: 0.4996 is absent and must not read 0.50."""
    return f"{math.floor(confidence * 100 + 1e-6) / 100:.2f}"
