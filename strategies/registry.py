"""All methods, by name."""

from strategies.apa import Apa
from strategies.central_ft import CentralFineTuning, ClusteredCentralFineTuning
from strategies.compared_method import ComparedMethod
from strategies.consensus_tall_masks import ConsensusTallMasks
from strategies.emr_merging import EmrMerging
from strategies.fine_tune_merge import ClusteredFineTuneMerge, FineTuneMerge
from strategies.method import Method, model, model_and_masks, one
from strategies.msa import Msa
from strategies.negmerge import NegMerge
from strategies.sisa import Sisa
from strategies.tall_masks import TallMasks
from strategies.task_negation import TaskNegation
from strategies.ties import TiesMerging

SIFT_MASKS, SIFT_MERGE = "sift-masks", "sift-merge"
_SIFT_PAPER = "Kuo et al. 2025, arXiv 2504.04626"

# The methods that SIFT-Masks is compared with.
STRATEGIES: dict[str, type[ComparedMethod]] = {
    strategy.method.name: strategy
    for strategy in (
        FineTuneMerge,
        ClusteredFineTuneMerge,
        TiesMerging,
        TallMasks,
        ConsensusTallMasks,
        EmrMerging,
        CentralFineTuning,
        ClusteredCentralFineTuning,
        Sisa,
        Apa,
        TaskNegation,
        NegMerge,
        Msa,
    )
}

METHODS: dict[str, Method] = {
    SIFT_MASKS: Method(SIFT_MASKS, "SIFT-Masks", _SIFT_PAPER, True, one, "1", model_and_masks, "M (1 + T/32)"),
    SIFT_MERGE: Method(SIFT_MERGE, "SIFT + Merge", _SIFT_PAPER, True, one, "1", model, "M"),
    **{name: strategy.method for name, strategy in STRATEGIES.items()},
}
