"""Numbers for people."""


def three_digits(value: float) -> str:
    """A number with three digits that count, or all those before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
