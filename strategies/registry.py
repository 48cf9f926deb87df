"""All methods, by name."""

from fedsift.strategies.apa import Apa
from fedsift.strategies.central_ft import CentralFineTuning, ClusteredCentralFineTuning
from fedsift.strategies.compared_method import ComparedMethod
from fedsift.strategies.consensus_tall_masks import ConsensusTallMasks
from fedsift.strategies.emr_merging import EmrMerging
from fedsift.strategies.fine_tune_merge import ClusteredFineTuneMerge, FineTuneMerge
from fedsift.strategies.method import Method, model, model_and_masks, one
from fedsift.strategies.msa import Msa
from fedsift.strategies.negmerge import NegMerge
from fedsift.strategies.sisa import Sisa
from fedsift.strategies.tall_masks import TallMasks
from fedsift.strategies.task_negation import TaskNegation
from fedsift.strategies.ties import TiesMerging

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
