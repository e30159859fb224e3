"""Sums of points that no array holds together: what :mod:`coulombfield.parallel` and `out_of_core` have in common.

Points come in blocks, of one process or of several. What a plan has to know of all of them is found in one pass, and
does not depend on how they are spread, to the last bit: sums are exact, and samples are drawn by the points' values.
"""
