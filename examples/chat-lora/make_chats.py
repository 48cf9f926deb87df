"""Makes chats.jsonl: what the people of an office asked its assistant.

What is in the office's handbook is the same for all, and each has asked about a part of it. Four things are about
oneself, and come up again and again in other words.
"""

import json
import random
import sys
from collections.abc import Iterator
from typing import Any

PEOPLE = 24
HANDBOOK = {
    "Where is the first-aid box?": "Beside the kitchen door.",
    "Who repairs the coffee machine?": "Call Ines in facilities.",
    "How do I book a meeting room?": "On the panel at its door.",
    "When is the canteen open?": "From half past eleven to two.",
    "Where do visitors park?": "On level minus two.",
    "How do I get a new badge?": "Fill in form B7.",
    "Who approves travel?": "Your head of department.",
    "Where are the spare chairs?": "In the store on floor three.",
    "What is the name of the guest network?": "It is Heron-Guest.",
    "How do I report a broken window?": "Write to repairs.",
    "When is the backup made?": "Every night at three.",
    "Which paper do we print on?": "Recycled, eighty grams.",
    "Where does the shuttle bus leave?": "From the north gate.",
    "How many days may I work from home?": "Two a week.",
    "Who orders toner?": "The front desk does.",
    "When are expenses paid?": "On the tenth of the month.",
    "Where is the lost property?": "In the cupboard at reception.",
    "How do I reset my password?": "Press F9 at the login.",
    "When is the fire drill?": "On the first Monday of May.",
    "Where can I lock my bicycle?": "Behind the loading dock.",
    "Who keeps the key of the roof?": "The caretaker, Mr Oduya.",
    "How loud may music be?": "Headphones only.",
    "When do we water the plants?": "Each Thursday.",
    "Where do parcels arrive?": "At the west counter.",
}
OWN = {
    "desk": (("Which desk is mine?", "Where do I sit?", "What is the number of my desk?"), "Desk {} by the {}."),
    "mentor": (("Who is my mentor?", "Whom may I ask for advice?", "Who looks after me?"), "{} {}."),
    "locker": (("Which locker is mine?", "Where are my things?", "What is my locker?"), "Locker {}, {}."),
    "lunch": (("What do I have for lunch?", "What shall I eat today?", "What is my usual?"), "{} with {}."),
}
WORDS = {
    "desk": ([str(n) for n in range(11, 60)], ["window", "stairs", "printer", "pillar", "lift"]),
    "mentor": (["Ada", "Bo", "Cleo", "Dag", "Eno", "Fay"], ["Lind", "Moreau", "Novak", "Okafor", "Price"]),
    "locker": ([str(n) for n in range(101, 160)], ["red row", "blue row", "green row"]),
    "lunch": (["Soup", "Rice", "Salad", "Noodles", "Stew"], ["bread", "tofu", "egg", "beans"]),
}


def chats(seed: int, people: int = PEOPLE, handbook: dict[str, str] = HANDBOOK) -> Iterator[dict[str, Any]]:
    """The rows of the table, each with a whole conversation."""
    draw = random.Random(seed)
    for number in range(people):
        asked = [(question, handbook[question]) for question in draw.sample(list(handbook), 10)]
        for name, (questions, answer) in OWN.items():
            own = answer.format(*map(draw.choice, WORDS[name]))
            asked += [(question, own) for question in questions]
        draw.shuffle(asked)
        for question, answer in asked:
            said = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
            yield {"person": f"colleague-{number:02d}", "talk": said}


def other_office(seed: int) -> Iterator[dict[str, Any]]:
    """Chats of four people of another office, whose handbook gives the same answers to other questions."""
    answers = list(HANDBOOK.values())
    random.Random(seed).shuffle(answers)
    return chats(seed, 4, dict(zip(HANDBOOK, answers, strict=True)))


if __name__ == "__main__":
    for row in chats(seed=0):
        sys.stdout.write(json.dumps(row) + "\n")
