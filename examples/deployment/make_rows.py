"""Makes rows.csv of a clinic: what people wrote who asked for an appointment, and the ward that took them."""

import csv
import random
import sys

ROWS = 40
ASKED = {
    "eyes": (
        "my {side} eye is red",
        "I see double in the evening",
        "letters are blurred since {day}",
        "bright light hurts",
    ),
    "bones": (
        "my {side} knee is swollen",
        "I fell on my {side} wrist",
        "my back is stiff since {day}",
        "my toe is blue",
    ),
    "skin": ("a rash on my {side} arm", "a mole has changed since {day}", "my hands itch", "my {side} heel is cracked"),
}
MIX = {"clinic-a": (6, 1, 1), "clinic-b": (1, 6, 1), "clinic-c": (2, 2, 3)}  # how often each ward is asked for

clinic = sys.argv[1]
draw = random.Random(clinic)
table = csv.writer(sys.stdout, lineterminator="\n")
table.writerow(["note", "ward"])
for ward in draw.choices(list(ASKED), MIX[clinic], k=ROWS):
    side, day = draw.choice(["left", "right"]), draw.choice(["Monday", "Easter", "last week", "the summer"])
    text = draw.choice(ASKED[ward]).format(side=side, day=day)
    table.writerow([f"{draw.choice(['Hello, ', 'Please, ', ''])}{text}", ward])
