"""The ground: the words that every room shares (units, time, network, reading, forecast, plan, ports, errors).

Standard library, numpy and pyarrow only.
"""
