"""Special functions, by the names of ``torch.special``.

Most are functions of `verigrad` under another name, with their ``out=``.
"""

from __future__ import annotations

from . import _C, _composed
from .nn.functional import log_softmax, softmax

__all__ = [
    "digamma",
    "erf",
    "erfc",
    "erfinv",
    "exp2",
    "expit",
    "expm1",
    "gammaln",
    "log1p",
    "log_softmax",
    "logit",
    "logsumexp",
    "multigammaln",
    "polygamma",
    "psi",
    "round",
    "softmax",
    "xlogy",
    "zeta",
]

digamma = psi = _C.digamma
erf = _C.erf
erfc = _C.erfc
erfinv = _C.erfinv
exp2 = _C.exp2
expit = _C.sigmoid
expm1 = _C.expm1
gammaln = _C.lgamma
log1p = _C.log1p
logit = _C.logit
logsumexp = _C.logsumexp
multigammaln = _composed.mvlgamma
polygamma = _C.polygamma
round = _C.round
xlogy = _C.xlogy
zeta = _C._special.zeta
