"""Student's t distribution, in the two directions that intervals and tests need.

By hand, because the library that has it, SciPy, weighs 100 MB, of a controller's image of 150. The
continued fraction is that of the NIST Digital Library of Mathematical Functions, 8.17.22, evaluated
by Lentz's method; the tests compare it with printed tables.
"""

from __future__ import annotations

from functools import lru_cache
from math import exp, lgamma, log, log1p

_TINY = 1e-300
_EXACT = 1e-12


def two_sided(t: float, dof: float) -> float:
    """The probability of a value at least as far from 0 as `t`. dof: degrees of freedom, over 0."""
    return _incomplete_beta(dof / (dof + t * t), dof / 2, 0.5)


@lru_cache(maxsize=4096)
def quantile(two_sided_p: float, dof: float) -> float:
    """The distance from 0 that is passed with probability `two_sided_p`, 0 to 1, exclusive."""
    low, high = 0.0, 1.0
    while two_sided(high, dof) > two_sided_p:
        low, high = high, high * 2
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if two_sided(middle, dof) > two_sided_p else (low, middle)
    return high


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """The regularized incomplete beta function."""
    if x <= 0 or x >= 1:
        return min(max(x, 0.0), 1.0)
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(1 - x, b, a)
    front = exp(a * log(x) + b * log1p(-x) + lgamma(a + b) - lgamma(a) - lgamma(b)) / a
    fraction, c, d = 1.0, 1.0, 0.0
    for step in range(1, 1000):
        m = step // 2
        if step % 2:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1 / _off_zero(1 + term * d)
        c = _off_zero(1 + term / c)
        fraction *= c * d
        if abs(1 - c * d) < _EXACT:
            break
    return min(1.0, front / fraction)


def _off_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
