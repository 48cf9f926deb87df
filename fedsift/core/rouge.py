"""ROUGE-L: how much of a text stands in another, in the same order (Lin 2004, aclanthology.org/W04-1013)."""

import re

_WORD = re.compile(r"[a-z0-9]+")  # of a text in lower case


def rouge_l(text: str, reference: str) -> float:
    """The F measure of the longest common subsequence of words; 0 where a text has none.

    Words are as in Google's rouge_score, without its stemmer: runs of a to z and 0 to 9, in lower case.

    Args:
        text: what is scored.
        reference: what it should say.
    """
    words, wanted = _WORD.findall(text.lower()), _WORD.findall(reference.lower())
    longest = [0] * (len(wanted) + 1)  # of the words so far and of each beginning of the reference
    for word in words:
        before = 0  # `longest` of the word before, at the place before
        for place, other in enumerate(wanted, start=1):
            here = longest[place]
            longest[place] = before + 1 if word == other else max(here, longest[place - 1])
            before = here
    return 2 * longest[-1] / (len(words) + len(wanted)) if longest[-1] else 0.0
