"""Makes tickets.csv: what customers wrote to forty small shops, and which desk answered.

Each shop has its own goods and its own mix of desks; how customers put things is the same everywhere.
"""

import csv
import itertools
import random
import sys

TICKETS = 20  # a shop
TOWNS = ("Bergen", "Cork", "Ghent", "Porto", "Turku")
GOODS = ("bicycle", "camera", "guitar", "kettle", "lamp", "printer", "sofa", "tent")
SAID = {
    "billing": (
        "I was charged twice for the {good}",
        "the invoice for the {good} shows the wrong address",
        "my card was declined although there is money on it",
        "can I pay the {good} in three instalments",
        "the discount code was not taken off the bill",
        "I need a receipt with VAT for my accountant",
        "the amount on my statement is higher than the price of the {good}",
        "please send the invoice again as a PDF",
    ),
    "delivery": (
        "the parcel with the {good} has not arrived",
        "tracking has said in transit for nine days",
        "the courier left the {good} with a neighbour I do not know",
        "can the {good} be sent to another address",
        "when will my {good} be shipped",
        "the driver rang at the wrong door and drove away",
        "I ordered express and the parcel is late",
        "the box was open and half of it was missing when it arrived",
    ),
    "returns": (
        "I want to send the {good} back, it is the wrong size",
        "how do I return the {good}",
        "I have not had my refund for the {good} that I sent back",
        "the colour is not as in the picture, I would like to exchange it",
        "is there a return label for the {good}",
        "I changed my mind about the {good}, can I give it back",
        "the exchange that you promised was never sent",
        "how long do I have to return a present",
    ),
    "technical": (
        "the {good} broke after two days",
        "I cannot log in to my account",
        "the {good} makes a grinding noise",
        "a screw for the {good} is missing and the manual does not help",
        "the website shows an error when I open the basket",
        "the battery of the {good} does not charge",
        "how do I reset the {good} to its factory settings",
        "the app crashes when I scan the code of the {good}",
    ),
}
BEFORE = ("", "Hello, ", "Good morning, ", "Hi there, ", "Dear team, ", "To whom it may concern: ")
AFTER = ("", " Thank you.", " Please help.", " This is urgent.", " Kind regards", " I am a bit annoyed.")


def tickets(seed: int) -> list[dict[str, str]]:
    """The rows of the table."""
    draw = random.Random(seed)
    rows = []
    for town, good in itertools.product(TOWNS, GOODS):
        mix = [draw.gammavariate(1.0, 1.0) for _ in SAID]
        for desk in draw.choices(list(SAID), mix, k=TICKETS):
            text = draw.choice(SAID[desk]).format(good=good)
            message = f"{draw.choice(BEFORE)}{text}.{draw.choice(AFTER)}"
            message = message[0].upper() + message[1:]
            rows.append({"shop": f"{town} {good}s", "message": message, "desk": desk})
    return rows


if __name__ == "__main__":
    table = csv.DictWriter(sys.stdout, ["shop", "message", "desk"], lineterminator="\n")
    table.writeheader()
    table.writerows(tickets(seed=0))
