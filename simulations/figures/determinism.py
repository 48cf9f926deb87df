"""What a source of randomness in a rerun does: planted at rising strength, before and after quantisation.

Each rerun goes to a server, which removes the client or refuses to, and then merges again whom it removed.
"""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedsift.core.contribution import Contribution, UploadTerms
from fedsift.core.errors import Refused, counted
from fedsift.core.quantisation import highest_level
from fedsift.core.seeds import derive_seed
from fedsift.core.server_state import ServerState
from fedsift.data.loading import load_dataset
from fedsift.studies.reproduction.experiment import Experiment, Kind, Result, verdict
from fedsift.studies.reproduction.figure_style import Figure, legend, panel_of, plot
from fedsift.studies.reproduction.merges import Trainings
from fedsift.studies.training_cache import TrainingCache

Levels = NDArray[Any]  # a client's quantised magnitudes, shape (n,)

_STRENGTHS = ("1e-9", "1e-8", "1e-7", "1e-6", "1e-5", "1e-4", "1e-3")
_NOISE = {f"noise of {strength} on M0": float(strength) for strength in _STRENGTHS}
_NOTHING, _ORDER, _LEFT_OUT, _LEVEL = "nothing", "another order of rows", "a row left out", "one level of one entry"
_BITS = (2, 16)
_AS_TUNED = "as tuned"
_CHANGED, _REFUSED, _UPLOADS = "entries changed", "reruns refused", "uploads changed"


def measure(cache: TrainingCache) -> Result:
    """Train all clients again with each plant, and let each rerun ask for its removal."""
    tuned = cache.sign_fixed(cache.clients)
    reruns = _reruns(cache)
    as_tuned = {
        planted: float(np.mean([np.mean(tuned(each) != again(each)) for each in cache.clients]))
        for planted, again in reruns.items()
    }
    rows = []
    for bits in _BITS:
        server = _Server(cache, bits, tuned)
        for planted, again in reruns.items():
            levels = ((client_id, server.terms.grid.quantise(again(client_id))) for client_id in cache.clients)
            rows.append({"planted": planted, "bits": bits, **server.asked(levels)})
        rows.append({"planted": _LEVEL, "bits": bits, **server.asked(server.smallest_changes(cache.config.seed))})
    strengths, series = list(_NOISE.values()), []
    for panel in (_CHANGED, _REFUSED):
        for bits in _BITS:
            y = [row[panel] for row in rows if row["bits"] == bits and row["planted"] in _NOISE]
            series.append({"panel": panel, "name": f"{bits} bits", "x": strengths, "y": y})
    changed = [as_tuned[planted] for planted in _NOISE]
    series.append({"panel": _CHANGED, "name": _AS_TUNED, "x": strengths, "y": changed})
    return {"series": series, "reruns": rows, _AS_TUNED: as_tuned}


def _reruns(cache: TrainingCache) -> dict[str, Trainings]:
    """The way to the magnitudes of the clients' reruns, by what was planted."""
    dataset = load_dataset(cache.config)
    rows = {client_id: list(dataset.train_examples(client_id)) for client_id in cache.clients}
    return {
        _NOTHING: cache.sign_fixed(cache.clients, name="rerun"),
        _ORDER: _on_other_rows(cache, _ORDER, {client_id: each[::-1] for client_id, each in rows.items()}),
        _LEFT_OUT: _on_other_rows(cache, _LEFT_OUT, {name: each[1:] or each * 2 for name, each in rows.items()}),
    } | {
        planted: cache.sign_fixed(cache.clients, name=f"noise-{strength:g}", noise=strength)
        for planted, strength in _NOISE.items()
    }


def _on_other_rows(cache: TrainingCache, planted: str, rows: dict[str, list[Any]]) -> Trainings:
    cache.add_clients({f"{client_id}, {planted}": each for client_id, each in rows.items()})
    trained = cache.sign_fixed([f"{client_id}, {planted}" for client_id in rows])
    return lambda client_id: trained(f"{client_id}, {planted}")


class _Server:
    """A server that has merged all clients, under a grid of so many bits."""

    def __init__(self, cache: TrainingCache, bits: int, tuned: Trainings) -> None:
        config = dataclasses.replace(cache.config, levels=highest_level(bits))
        self.terms = UploadTerms(cache.layout.digest, cache.size, config.sign_seed, config.grid)
        self._merged = {client_id: config.grid.quantise(tuned(client_id)) for client_id in cache.clients}
        self._state = ServerState.create(None, self.terms, len(cache.clients))
        for client_id, levels in self._merged.items():
            self._state.merge(client_id, self._upload(levels))

    def asked(self, reruns: Iterable[tuple[str, Levels]]) -> dict[str, Any]:
        """Ask for removals: how many reruns changed the upload, how many were refused, and how many were wrong.

        Wrong is a changed upload that is removed, or one without a change that is not.
        """
        shares, refused, wrong = [], 0, 0
        for client_id, levels in reruns:
            share = float(np.mean(levels != self._merged[client_id]))
            removed = self._removes(client_id, levels)
            shares.append(share)
            refused += not removed
            wrong += removed == (share > 0)
        return {
            _CHANGED: float(np.mean(shares)),
            _REFUSED: refused / len(shares),
            "reruns": len(shares),
            _UPLOADS: sum(share > 0 for share in shares),
            "wrong": wrong,
        }

    def smallest_changes(self, seed: int) -> Iterator[tuple[str, Levels]]:
        """Each client's levels with one of them, drawn at random, off by one."""
        for client_id, levels in self._merged.items():
            entry = derive_seed(seed, "changed entry", client_id) % len(levels)
            changed = levels.copy()
            level = int(changed[entry])
            changed[entry] = level + 1 if level < self.terms.grid.levels else level - 1
            yield client_id, changed

    def _removes(self, client_id: str, levels: Levels) -> bool:
        """Whether a rerun is taken for what was merged."""
        try:
            self._state.remove(client_id, self._upload(levels))
        except Refused:
            return False
        self._state.merge(client_id, self._upload(self._merged[client_id]))
        return True

    def _upload(self, levels: Levels) -> bytes:
        return Contribution.from_levels(levels, self.terms).to_bytes()


def draw(result: Result, figure: Figure) -> None:
    """Entries changed beside reruns refused, over the strength of the noise."""
    figure.set_size_inches(figure.get_figwidth(), 4)
    panels = figure.subplots(2, 1, sharex=True)
    for axes, panel in zip(panels, (_CHANGED, _REFUSED), strict=True):
        plot(axes, panel_of(result, panel)["series"])
        axes.set_title(panel)
    panels[0].set_yscale("log")
    for axes in panels:
        axes.yaxis.set_major_formatter(_percent)
    panels[1].set_ylim(-0.05, 1.05)
    panels[1].set_xscale("log")
    panels[1].set_xticks(list(_NOISE.values()), _STRENGTHS)
    panels[1].minorticks_off()
    panels[1].set_xlabel("noise on M0 (standard deviation)")
    legend(figure, panels, columns=3)


def _percent(share: float, _place: int | None = None) -> str:
    return f"{100 * share:.3g}%"


def found(result: Result) -> str:
    """Tell what reached the upload, and whether the server told all of it."""

    def outcome(planted: str, bits: int) -> dict[str, Any]:
        return next(row for row in result["reruns"] if (row["planted"], row["bits"]) == (planted, bits))

    def told(planted: str) -> str:
        coarse, fine = (outcome(planted, bits) for bits in _BITS)
        return (
            f"{planted} changes {_percent(result[_AS_TUNED][planted])} of the entries as tuned, "
            f"{_percent(fine[_CHANGED])} at {_BITS[1]} bits and {_percent(coarse[_CHANGED])} at {_BITS[0]}, and so "
            f"{fine[_UPLOADS]} and {coarse[_UPLOADS]} of {counted(coarse['reruns'], 'upload')}"
        )

    rows = result["reruns"]
    reruns, changed, wrong = (sum(row[key] for row in rows) for key in ("reruns", _UPLOADS, "wrong"))
    repeated = result[_AS_TUNED][_NOTHING] == 0
    again = "reruns with nothing planted have the same bits" if repeated else "reruns differ with nothing planted"
    return (
        f"{verdict(repeated and wrong == 0)}: {again}; {told(_ORDER)}; {told(next(iter(_NOISE)))}; "
        f"{told(list(_NOISE)[-1])}. Of {reruns:,} reruns {changed:,} changed the upload, the least by one level of one "
        f"entry; the digests told {'all' if not wrong else f'all but {wrong:,}'} of these from those that did not."
    )


_TITLE = "What randomness in a rerun changes"
_PAPER_FOUND = (
    "Fine-tuning must be fully deterministic: a removal needs the very weights that were merged (section 3, "
    "appendix A). What happens if it is not, and whether it would be noticed, is left open."
)
_FAILS_IF = "a rerun with nothing planted has other bits, or a digest is wrong about a changed upload."
EXPERIMENT = Experiment(
    "determinism", Kind.QUESTION, _TITLE, _PAPER_FOUND, {"clients": 20}, measure, draw, found, _FAILS_IF
)
