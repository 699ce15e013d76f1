"""A probe of the solver, for `xiaona doctor`."""

from __future__ import annotations

import highspy


def probe_solver() -> float:
    """The optimum of min x subject to x >= 1, by HiGHS; 1.0 on a machine where it works."""
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.addVar(1.0, highspy.kHighsInf)
    highs.changeColCost(0, 1.0)
    highs.run()
    return float(highs.getInfo().objective_function_value)
