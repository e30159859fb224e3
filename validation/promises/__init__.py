"""Whether fast field sums keep ``rtol``, for layouts that are made to let a sample of targets miss what matters."""
