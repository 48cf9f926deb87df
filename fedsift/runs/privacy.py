"""What noise on the published merged model amounts to in differential privacy (docs/explanation/privacy.md)."""

from dataclasses import dataclass

from fedsift.core.extras import check_extra

_DELTA = 1e-5


@dataclass(frozen=True)
class PrivacySpent:
    """(epsilon, delta) of one member taking part or not, over all that was published."""

    noise: float  # standard deviation, in multiples of the sensitivity
    publications: int  # different states that were published
    epsilon: float
    delta: float

    @classmethod
    def of(cls, noise: float, publications: int) -> "PrivacySpent | None":
        """Of so many Gaussian mechanisms, by Rényi accounting (Mironov 2017); None without noise."""
        if not noise:
            return None
        from dp_accounting import GaussianDpEvent, SelfComposedDpEvent
        from dp_accounting.rdp import RdpAccountant

        accountant = RdpAccountant()
        accountant.compose(SelfComposedDpEvent(GaussianDpEvent(noise), publications))
        return cls(noise, publications, float(accountant.get_epsilon(_DELTA)), _DELTA)


def check_accounting(noise: float) -> None:
    """See beforehand that noise can be accounted for.

    Raises:
        BadInput: the library is not there.
    """
    if noise:
        check_extra("publish-noise", "dp_accounting", "privacy")
