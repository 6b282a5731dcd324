"""Days as whole numbers, YYYYMMDD, of the Gregorian calendar."""

WEEK, WEEKEND = 7, 5


def ordinal(day: int) -> int:
    """The number of a day: days since the first of March of the year 0, from where on a year's days before each month
    have a formula."""
    year, month = day // 10_000, day // 100 % 100
    year, month = (year, month - 3) if month > 2 else (year - 1, month + 9)
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * month + 2) // 5 + day % 100 - 1


def day_at(number: int) -> int:
    """The day of an ordinal (H. F. Fliegel and T. C. Van Flandern's kind of arithmetic, by 400 years)."""
    era, of_era = divmod(number, 146_097)
    year_of_era = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month = (5 * of_year + 2) // 153
    day = of_year - (153 * month + 2) // 5 + 1
    year = year_of_era + era * 400 + (month >= 10)
    return year * 10_000 + (month + 3 if month < 10 else month - 9) * 100 + day


MONDAY = -ordinal(20240101) % WEEK
"""Added to an ordinal it gives 0 for a Monday, modulo 7."""


def days_between(first: int, last: int) -> int:
    """The calendar days from one day to another, 0 for one that is before."""
    return max(0, ordinal(last) - ordinal(first))


def business_days(first: int, last: int) -> int:
    """The days from Monday to Friday after one day, up to and with another."""
    return sum((number + MONDAY) % WEEK < WEEKEND for number in range(ordinal(first) + 1, ordinal(last) + 1))


def later(day: int, days: int) -> int:
    """The day so many days later."""
    return day_at(ordinal(day) + days)
