"""The offline verifier (核验): what anybody with the agency's public keys can prove about a unit's or a store's folder.

``verify_vaults(root, load_trust(folder))`` → :class:`Report`. See ``docs/verification.md`` for what each verdict means.
"""

from recorder.evidence.errors import CannotRead as CannotRead
from recorder.evidence.trust import Trust as Trust
from recorder.evidence.trust import load_trust as load_trust
from recorder.evidence.verify.report import Report as Report
from recorder.evidence.verify.report import VaultReport as VaultReport
from recorder.evidence.verify.vaults import verify_vaults as verify_vaults
