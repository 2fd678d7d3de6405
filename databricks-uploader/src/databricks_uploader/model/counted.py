"""Numbers of things as a person is told them."""


def counted(number: int, one: str, more: str = "") -> str:
    """Return a number with its noun, and the verb where one follows: 1 row, 2,000 rows; `more` where no s will do."""
    return f"{number:,} {one if number == 1 else more or f'{one}s'}"
