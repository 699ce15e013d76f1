"""The roof: settings, wiring, loop, replay, report and command line."""
