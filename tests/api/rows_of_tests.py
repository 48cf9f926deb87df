"""A module of a user's own."""


def clients() -> dict[str, list[tuple[str, str]]]:
    return {
        f"client {client}": [(f"Q: q{row}?\nA:", f" {chr(97 + client) * 3}{row}") for row in range(3)]
        for client in range(8)
    }
