"""All experiments, by name, in the order of the paper's figures; after these, those that the paper does not have."""

from fedsift.simulations.figures import (
    bits,
    determinism,
    figure_3,
    figure_4,
    figure_5,
    figure_6,
    figure_7,
    figure_8,
    figure_9,
    figure_10,
    figure_11,
    figure_12,
    figure_13,
    frontier,
    heterogeneity,
    served,
    sign_vectors,
    sums,
)
from fedsift.studies.reproduction.experiment import Experiment

EXPERIMENTS: dict[str, Experiment] = {
    module.EXPERIMENT.name: module.EXPERIMENT
    for module in (
        figure_3,
        figure_4,
        figure_5,
        figure_6,
        figure_7,
        figure_8,
        figure_9,
        figure_10,
        figure_11,
        figure_12,
        figure_13,
        determinism,
        frontier,
        heterogeneity,
        sign_vectors,
        sums,
        bits,
        served,
    )
}
