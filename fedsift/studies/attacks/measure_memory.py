"""What a method's states remember of the leavers' rows, and what is left for others, beside the retrained reference."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from fedsift.core.registration import registered
from fedsift.core.seeds import derive_seed
from fedsift.studies.attacks.evidence import NEWCOMERS, Evidence
from fedsift.studies.attacks.memory_metric import MemoryMetric, Values
from fedsift.studies.attacks.roc import ENDS, RESAMPLES
from fedsift.studies.attacks.subjects import AFTER, BEFORE, ORACLE, Subject
from fedsift.studies.recall import Recall

METRICS = registered("fedsift.studies.attacks.memory", MemoryMetric)


def memory(evidence: Evidence, subject: Subject, states: Mapping[str, Mapping[str, Recall]]) -> list[dict[str, Any]]:
    """A row of the result for each metric: its figure in each state, and how far that is from the oracle's.

    Args:
        evidence: what the states were asked.
        subject: the method.
        states: what is known of each.
    """
    return [
        _row(metric, subject, {state: metric.values(parts[metric.part]) for state, parts in states.items()}, evidence)
        for metric in METRICS.values()
        # Who never joins has no model of its own: what it has stands with the method that serves one to all.
        if (subject.one_model or metric.part != NEWCOMERS) and metric.has_all(states[ORACLE][metric.part])
    ]


def _row(metric: MemoryMetric, subject: Subject, values: Mapping[str, Values], evidence: Evidence) -> dict[str, Any]:
    size = len(values[ORACLE])
    draws = np.random.Philox(key=derive_seed(evidence.seed, "memory differences"))
    # All rows, then rows drawn with replacement, the same ones of all states.
    samples = [np.arange(size), *(draws.random_raw(size) % size for _ in range(RESAMPLES))]
    found = {
        state: np.array([metric.figure(each[rows], values[ORACLE][rows]) for rows in samples])
        for state, each in values.items()
    }
    name = metric.figure_name
    by_state: dict[str, Any] = {}
    for state, figures in found.items():
        value, low, high = _with_interval(figures)
        by_state[state] = {name: value, f"{name}_interval": [low, high]}
    difference = {state: {name: _with_interval(found[state] - found[ORACLE])} for state in (BEFORE, AFTER)}
    return {
        "method": subject.title,
        "observer": subject.observer,
        "metric": metric.name,
        "title": metric.title,
        "rises": metric.rises,
        **by_state,
        "difference": difference,
        "equals_oracle": bool(np.array_equal(values[AFTER], values[ORACLE])),
    }


def _with_interval(figures: Values) -> list[float]:
    """Of all rows, and the ends of the interval in which most of those of the samples lie."""
    value = float(figures[0])
    low, high = map(float, np.quantile(figures[1:], ENDS))
    return [value, min(low, value), max(high, value)]
