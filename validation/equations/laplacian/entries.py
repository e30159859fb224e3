"""Eq 13–18 and 20 (v1 Eq 23–28 and 30) and the claims around them: the Laplacian of the low-dimensional kernel."""

from __future__ import annotations

from ..evidence import Verdict
from ..registry import Entry
from .bound import bounds
from .delta import delta
from .signs import gaussians_are_covered, monotone, negative
from .slopes import increasing_with_distance, increasing_with_softening
from .spherical import spherical_laplacian
from .values import kernel_laplacian, laplacian_at_charge

ENTRIES = (
    Entry(
        name="kernel-delta",
        place="A.2, first sentence of the proof",
        title="The Laplacian of the Plummer kernel for d = m − 2",
        statement=(
            r"\nabla^2 k(\mathbf{a}, \mathbf{b}) = \delta(\mathbf{a} - \mathbf{b})"
            r"\quad \mathrm{for} \quad d = m - 2"
        ),
        plain="∇²k(a, b) = δ(a − b) for d = m − 2",
        check=delta,
        expected=Verdict.MISPRINT,
        truth="∇²k → −(m − 2) ω_m δ(a − b) as ε → 0, with ω_m = 2 π^(m/2)/Γ(m/2), the area of the unit sphere",
        how=(
            "Gauss quadrature of the package's values over balls and the whole space, 3 to 20 dimensions, against the "
            "divergence theorem's closed form; order of the limit in ε"
        ),
        code=("coulombfield.laplacian", "coulombfield.Plummer"),
    ),
    Entry(
        name="spherical-laplacian",
        iclr=(13,),
        arxiv=(23,),
        title="Laplace operator in spherical coordinates",
        statement=(
            r"\nabla^2 = \frac{\partial^2}{\partial r^2} + \frac{m-1}{r} \frac{\partial}{\partial r} + "
            r"\frac{m-1}{r^2} \nabla_{S^{m-1}}^2"
        ),
        plain="∇² = ∂²/∂r² + (m − 1)/r ∂/∂r + (m − 1)/r² ∇²_S",
        check=spherical_laplacian,
        expected=Verdict.MISPRINT,
        truth="1/r² before ∇²_S (the same for m = 2, and for functions of r alone, such as k)",
        how=(
            "60-digit differences along rays and great circles on harmonic polynomials of degree 1 to 4; the same in "
            "float64 on potentials of charges away from the origin, against the package's Laplacian"
        ),
        code=("coulombfield.laplacian", "coulombfield.potential"),
    ),
    Entry(
        name="kernel-laplacian",
        iclr=(14,),
        arxiv=(24,),
        title="Laplacian of the low-dimensional Plummer kernel",
        statement=(
            r"\nabla^2 k(\mathbf{a}, \mathbf{b}) = d\left(-\epsilon^2 m + (2 + d - m) r^2\right)"
            r"(\epsilon^2 + r^2)^{-2-d/2}"
        ),
        plain="∇²k = d (−ε² m + (2 + d − m) r²) (ε² + r²)^(−2−d/2)",
        check=kernel_laplacian,
        expected=Verdict.HOLDS,
        how=(
            "Cartesian differences of k to 50 digits, up to 12,288 dimensions and r from 0 to 1e6 ε; second "
            "differences of the potential of scattered charges"
        ),
        code=("coulombfield.laplacian", "coulombfield.Plummer"),
    ),
    Entry(
        name="kernel-laplacian-at-charge",
        iclr=(15,),
        arxiv=(25,),
        title="Its value at the charge",
        statement=r"\nabla^2 k(\mathbf{a}, \mathbf{a}) = -m d \epsilon^{-(d+2)}",
        plain="∇²k(a, a) = −m d ε^(−(d+2))",
        check=laplacian_at_charge,
        expected=Verdict.HOLDS,
        how="Cartesian differences of k to 50 digits; the package's value where a target is a charge's place",
        code=("coulombfield.laplacian", "coulombfield.Plummer"),
    ),
    Entry(
        name="kernel-laplacian-negative",
        iclr=(16,),
        arxiv=(26,),
        title="The Laplacian is negative",
        statement=r"\nabla^2 k(\mathbf{a}, \mathbf{b}) < 0 \quad \mathrm{for} \quad d \leq m - 2",
        plain="∇²k(a, b) < 0 for d ≤ m − 2",
        check=negative,
        expected=Verdict.HOLDS,
        how="signs of the package's values and of 50-digit differences; where the sign changes for d > m − 2",
        code=("coulombfield.laplacian", "coulombfield.Plummer"),
    ),
    Entry(
        name="kernel-laplacian-by-distance",
        iclr=(17,),
        arxiv=(27,),
        title="The Laplacian increases with the distance",
        statement=(
            r"\frac{\partial}{\partial r} \nabla^2 k(\mathbf{a}, \mathbf{b}) = "
            r"d(2+d)r\left(\epsilon^2(2+m) + (-2-d+m)r^2\right)("
            r"\epsilon^2 + r^2)^{-3-d/2} > 0 \quad \mathrm{for} \quad d \leq m - 2"
        ),
        plain="∂∇²k/∂r = d(2+d) r (ε²(2+m) + (−2−d+m) r²) (ε²+r²)^(−3−d/2) > 0, d ≤ m − 2",
        check=increasing_with_distance,
        expected=Verdict.HOLDS_IF,
        truth="r > 0; the derivative is 0 at r = 0 (the formula holds for every r)",
        how="differences in r of the package's values, and to 50 digits, beside the formula; the rise over a grid of r",
        code=("coulombfield.laplacian", "coulombfield.Plummer"),
    ),
    Entry(
        name="kernel-laplacian-by-softening",
        iclr=(18,),
        arxiv=(28,),
        title="The Laplacian increases with the softening",
        statement=(
            r"\frac{\partial}{\partial \epsilon} \nabla^2 k(\mathbf{a}, \mathbf{b}) = "
            r"d(2+d)\epsilon\left(\epsilon^2 m + (-4-d+m)r^2\right)("
            r"\epsilon^2 + r^2)^{-3-d/2} > 0 \quad \mathrm{for} \quad d \leq m - 2"
        ),
        plain="∂∇²k/∂ε = d(2+d) ε (ε² m + (−4−d+m) r²) (ε²+r²)^(−3−d/2) > 0, d ≤ m − 2",
        check=increasing_with_softening,
        expected=Verdict.HOLDS_IF,
        truth="d ≤ m − 4, or r < ε √(m/(d + 4 − m)) (the formula holds for every r)",
        how=(
            "differences in ε of the package's values, and to 50 digits, beside the formula; signs of the Laplacian of "
            "∂k/∂ε, and where it changes its sign"
        ),
        code=("coulombfield.laplacian", "coulombfield.Plummer.softening_derivative"),
    ),
    Entry(
        name="kernel-laplacian-monotone",
        place="A.2, after Eq 18 [28]",
        title="Minimum and trends of the Laplacian",
        statement=(
            r"\nabla^2 k \;\mathrm{is\ negative\ with\ minimum}\; -m d \epsilon^{-(d+2)} \;\mathrm{at}\; r = 0,"
            "\n"
            r"\mathrm{increasing\ with}\; r \;\mathrm{and}\; \epsilon \;\mathrm{for}\; d \leq m - 4;"
            "\n"
            r"\mathrm{for}\; d = m - 3 \;\mathrm{we\ have\ to\ restrict}\; \tau < \sqrt{m} \epsilon"
        ),
        plain="∇²k: minimum −m d ε^(−(d+2)) at r = 0, rises with r and ε; d = m − 3: only for τ < √m ε",
        check=monotone,
        expected=Verdict.HOLDS,
        how="the package's values over grids of r and ε; where the rise with ε ends for d = m − 3",
        code=("coulombfield.laplacian", "coulombfield.Plummer"),
    ),
    Entry(
        name="kernel-laplacian-bounds",
        iclr=(20,),
        arxiv=(30,),
        title="Bounds of the Laplacian that do not depend on the softening",
        statement=(
            r"0 > \nabla^2 k(\mathbf{a}, \mathbf{b}) = d\left(-\epsilon^2 m + (2 + d - m) r^2\right)"
            r"(\epsilon^2 + r^2)^{-2-d/2} > d(2 + d - m)r^{-2-d}"
        ),
        plain="0 > ∇²k > d (2 + d − m) r^(−2−d), d ≤ m − 2",
        check=bounds,
        expected=Verdict.HOLDS_IF,
        truth="d ≤ m − 4; for m − 4 ≤ d ≤ m − 2 the sharp lower bound is −2 d (m/(d + 4))^(2+d/2) r^(−2−d)",
        how=(
            "room between the package's values and the bound; where they meet against the root of "
            "p (1 + u)^(2 + d/2) = p + m u with p = m − 2 − d, u = ε²/r²; least value over r against the sharp bound"
        ),
        code=("coulombfield.laplacian", "coulombfield.Plummer"),
    ),
    Entry(
        name="gaussians-outside-theorem",
        place="A.5 with Theorem 1 and Eq 16 [26]",
        title="Theorem 1 on the 25 Gaussians",
        statement=(
            r"d \leq m - 2 \quad \mathrm{and} \quad \nabla^2 k(\mathbf{a}, \mathbf{b}) < 0"
            r"\quad \mathrm{for} \quad m = 2, \; d = 3"
        ),
        plain="the 25 Gaussians' kernel is one of Theorem 1: d ≤ m − 2, ∇²k < 0 with m = 2, d = 3",
        check=gaussians_are_covered,
        expected=Verdict.FAILS,
        truth="∇²k > 0 for r > ε √(m/(2 + d − m)) = 0.816 ε (1.414 ε for their code's d = 1); m = 2 leaves no d > 0",
        how="the package's values over r, and 50 digits at the distance of two modes; where the sign changes",
        code=("coulombfield.laplacian", "coulombfield.Plummer"),
    ),
)
