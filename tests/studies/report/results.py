"""Results of `fedsift optout`, made up: their reports say what can be worked out by hand."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from fedsift.core.strict_json import typed
from fedsift.studies.optout.scenario_result import ScenarioResult
from fedsift.studies.report.outcome import Outcome

STEPS = 20  # of a client's tuning
NASTY = r"<script>alert('$x$')</script> & \textbf{x} 100% a_b#c [1] ~^"


def outcome_of(told: dict[str, Any]) -> Outcome:
    """As it is read from result.json."""
    return Outcome(typed(told, ScenarioResult, "result"))


def played(
    clients: int,
    batches: Sequence[Sequence[str]],
    refused: Mapping[int, Mapping[str, str]] | None = None,
    title: str = "They leave",
    attacks: bool = False,
    differing: int | None = None,
) -> dict[str, Any]:
    """A result in which, step by step, batches of clients ask to leave; of each step some are refused."""
    refused = refused or {}
    members, gone = clients, 0
    naive, ours, shards = [clients], [clients], [clients]  # every method begins with the merge
    merge = step(0, members, 0, [], {}, True)
    steps = [merge | {"joined": [f"person-{number:04d}" for number in range(clients)]}]
    removals: list[dict[str, Any]] = []
    for number, batch in enumerate(batches, start=1):
        no = refused.get(number, {})
        left = [client for client in batch if client not in no]
        members, gone = members - len(left), gone + len(left)
        naive.append(naive[-1] + (members if left else 0))
        ours.append(ours[-1] + len(batch))
        shards.append(shards[-1] + (members // 10 if left else 0))
        steps.append(step(number, members, gone, left, no, number != differing))
        removals += [
            {
                "client": client,
                "step": number,
                "verdict": "REFUSED" if client in no else "BIT_EXACT",
                "reason": no.get(client, ""),
                "planned": "data-changed" if client in no else "",
                "steps_retrained": STEPS,
                "certificate": f"certificates/{len(removals) + place:04d}.json",
            }
            for place, client in enumerate(batch, start=1)
        ]
    verdict = "not proven" if differing else "refused" if refused else "proven"
    return {
        "scenario": {"title": title, "description": "Made up.", "toml": f'title = "{title}"\n'},
        "config": {"dataset": "people", "steps": STEPS, "lr": 0.005, "leave": [], "prompt": "Q: {q}\nA:", "seed": 1},
        "metric": "answer probability",
        "held_out": True,
        "tuned_parameters": 50_112,
        "clients": clients,
        "newcomers": 20,
        "environment": [{"torch": "2.9.1", "processor": "GenuineIntel", "threads": "1"}],
        "server_bytes": 501_120,
        "mask_bytes_mean": 6_264.0,
        "upload_bytes_mean": 11_604.2,
        "dense_bytes": 200_448,
        "steps": steps,
        "costs": {
            **dict.fromkeys(("SIFT-Masks", "SIFT + Merge", "FT + Merge"), ours),
            **dict.fromkeys(("TIES", "TALL-masks", "EMR-merging", "Central FT"), naive),
            **dict.fromkeys(("clustered Central FT", "SISA"), shards),
        },
        "storage_bytes": {
            "SIFT-Masks": 200_448 + clients * 6_264,
            "FT + Merge": 200_448,
            "Central FT": 200_448,
            "SISA": 200_448 * 30,
        },
        "on_clock": {
            "SIFT-Masks": {"trainings": 3, "spent": {"seconds": 7.2, "up": 30_000, "down": 0, "joules": 90.0}},
            "FedAvg": {
                "trainings": 980,
                "spent": {"seconds": 3600.0, "up": 2 * 10**8, "down": 2 * 10**8, "joules": 5e5},
            },
        },
        "removals": removals,
        "attacks": _attacks() if attacks else None,
        "verdict": verdict,
        "seconds": 81.25,
    }


def step(
    number: int, members: int, gone: int, left: Sequence[str], refused: Mapping[str, str], same: bool
) -> dict[str, Any]:
    return {
        "step": number,
        "members": members,
        "asked": [*left, *refused],
        "left": list(left),
        "joined": [],
        "refused": dict(refused),
        "offline": [],
        "failures": {},
        "state_digest": hashlib.sha256(f"{number}".encode()).hexdigest(),
        "same_as_incremental": same,
        "same_as_full": True if number == 0 else None,
        "trainings": len(left) + len(refused) if number else members,
        "steps_retrained": STEPS * (len(left) + len(refused)),
        "bytes_up": 11_604 * len(left),
        "seconds": 1.5 + number,
        "scores": {
            "members": 0.988 - gone / 5_000 if members else None,
            "worst_decile": 0.942 - gone / 3_000 if members else None,
            "zero_shot": 0.107 if members else None,
            "alone": 0.975 if members else None,
            "better_than_alone": members // 2,
            "worse_than_alone": members // 10,
            "newcomers": 0.107 - gone / 10_000,
            "newcomers_zero_shot": 0.101,
            "leavers": 0.108 if gone else None,
            "all_clients": (0.988 * members + 0.108 * gone) / (members + gone),
            "stayers_change_mean": -gone / 5_000 if members else None,
            "stayers_change_worst": -gone / 2_000 if members else None,
        },
    }


def _attacks() -> dict[str, Any]:
    def at(auc: float) -> dict[str, Any]:
        rates = {"tpr_at_0.001": (auc - 0.4) / 4, "tpr_at_0.001_interval": [0.0, (auc - 0.4) / 3]}
        rates |= {"tpr_at_0.01": (auc - 0.4) / 2, "tpr_at_0.01_interval": [0.01, auc - 0.4]}
        return {"auc": auc, "auc_interval": [auc - 0.03, auc + 0.02], **rates}

    titles = {"loss": "loss threshold", "lira": "LiRA, online", "rmia": "RMIA"}

    def distance(auc: float, oracle: float = 0.512) -> dict[str, list[float]]:
        by = auc - oracle
        rates = {"tpr_at_0.001": by / 4, "tpr_at_0.01": by / 2}
        return {figure: [value, value - 0.05, value + 0.04] for figure, value in {"auc": by, **rates}.items()}

    before = {"loss": 0.81, "lira": 0.934, "rmia": 0.915}
    exact = {"SIFT-Masks": True, "Central FT": True, "negated task vector": False}
    # Further from its reference than .934 is, and below .5.
    own = {"method": "SIFT-Masks, own mask", "observer": "server", "metric": "loss", "title": titles["loss"]}
    own |= {"before": at(0.04), "after": at(0.512), "oracle": at(0.512), "equals_oracle": True}
    own["difference"] = {"before": distance(0.04), "after": {figure: [0.0] * 3 for figure in distance(0)}}
    # What comes of an exact removal all the same.
    less = own | {"method": "SIFT-Masks, before less after", "observer": "stayer", "after": at(0.975)}
    less |= {"before": at(0.79), "equals_oracle": False}
    less["difference"] = {"before": distance(0.79), "after": distance(0.975)}
    recovered, sooner = ({"before": 0, "after": after, "oracle": oracle} for after, oracle in ((17, 17), (4, None)))
    exposed = {"before": 9.5, "oracle": 1.25}
    return {
        "examples": 60,
        "leavers": 3,
        "membership": [
            {
                "method": method,
                "observer": "outsider",
                "metric": attack,
                "title": title,
                "before": at(before[attack] - 0.02 * place),
                "after": at(0.512 if same else 0.655),
                "oracle": at(0.512),
                "difference": {
                    "before": distance(before[attack] - 0.02 * place),
                    "after": {figure: [0.0] * 3 for figure in distance(0)} if same else distance(0.655),
                },
                "equals_oracle": same,
            }
            for attack, title in titles.items()
            for place, (method, same) in enumerate(exact.items())
        ]
        + [own, less],
        "memory": [_remembered(method, same) for method, same in exact.items()],
        "relearning": [
            {
                "method": method,
                "observer": "outsider",
                "steps_to_recover": (recovered if same else sooner),
                "equals_oracle": same,
            }
            for method, same in exact.items()
        ],
        "canaries": [
            {
                "method": method,
                "observer": "outsider",
                "exposure": {**exposed, "after": 1.25 if same else 4.0},
                "equals_oracle": same,
            }
            for method, same in exact.items()
        ],
        "reconstruction": [
            {
                "method": method,
                "from": made_of,
                "probability": {"before": 0.5, "after": 0.75 if same else 0.625, "oracle": 0.75},
                "equals_oracle": same,
            }
            for method, same in exact.items()
            for made_of in ("what is published", "less what all others make")
        ],
        "difference": {"recovered_share": 1.0, "verdict": "recovered bit for bit"},
    }


def _remembered(method: str, same: bool) -> dict[str, Any]:
    def at(value: float) -> dict[str, Any]:
        return {"mean": value, "mean_interval": [value - 0.03, value + 0.02]}

    after = 0.0 if same else 0.125
    return {
        "method": method,
        "observer": "outsider",
        "metric": "extraction_strength",
        "title": "extraction strength",
        "rises": True,
        "before": at(0.5),
        "after": at(0.25 + after),
        "oracle": at(0.25),
        "difference": {"before": {"mean": [0.25, 0.2, 0.3]}, "after": {"mean": [after] * 3}},
        "equals_oracle": same,
    }


def three_of_a_hundred(**more: Any) -> dict[str, Any]:
    """All three leave, and it is proven."""
    return played(100, [["person-0007"], ["person-0042", "person-0099"]], **more)


def to_the_last(**more: Any) -> dict[str, Any]:
    """All of sixty leave, one after the other."""
    return played(60, [[f"person-{number:04d}"] for number in range(60)], **more)


def one_refused(**more: Any) -> dict[str, Any]:
    """Of three one is refused."""
    why = "its rerun differs from what was merged: the data have changed (row 3)"
    return played(100, [["person-0007"], ["person-0042", "person-0099"]], {2: {"person-0099": why}}, **more)
