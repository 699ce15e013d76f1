"""Constraint blocks: each adds one family of variables and constraints to a Pyomo model, with its source.

A block adds `eq_*`, `max_*` and `min_*` constraints whose coefficients are the network's; right-hand sides and bounds
that change from tick to tick are written later on the compiled arrays (`dispatch/frame.py`), so a block gives 0.
"""
