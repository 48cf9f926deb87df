"""What a tracker is sent of a scenario's steps."""

from pathlib import Path

from fedsift.protocol.serving_rounds import SiftRecord
from fedsift.runs.tracked_rounds import TrackedRounds
from fedsift.studies.optout.scenario_result import ScenarioResult
from fedsift.studies.optout.step_log import Step


class TrackedSteps(TrackedRounds):
    """As of rounds, and what a scenario knows besides; step 0 is the merge."""

    def step_over(self, step: Step, record: SiftRecord) -> None:
        """Send what a step did."""
        numbers: dict[str, float | None]
        numbers = {"trainings": step.trainings, "bytes_up": step.bytes_up, "seconds": step.seconds}
        if scores := step.scores:
            numbers |= {
                "members/worst_decile": scores.worst_decile,
                "gone/served": scores.leavers,
                "stayers/change_mean": scores.stayers_change_mean,
                "stayers/change_worst": scores.stayers_change_worst,
            }
        self.round_over(step.step, record, numbers)

    def played(self, result: ScenarioResult, file: Path) -> None:
        """What the scenario came to, with the file that says it."""
        costs = [
            {"step": step.step, **{title: trainings[place] for title, trainings in result.costs.items()}}
            for place, step in enumerate(result.steps)
        ]
        self.found({file.name: file}, removals=result.removals, costs=costs)
