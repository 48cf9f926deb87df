"""All experiments, by name: figures of the paper by number, then the other kinds, each by name."""

from fedsift.core.registration import registered
from fedsift.studies.reproduction.experiment import Experiment


def _place(experiment: Experiment) -> tuple[int, int, str]:
    """Figure 10 comes after figure 9."""
    return experiment.kind, int("".join(filter(str.isdigit, experiment.name)) or 0), experiment.name


EXPERIMENTS: dict[str, Experiment] = {
    each.name: each for each in sorted(registered("fedsift.simulations.figures", Experiment).values(), key=_place)
}
