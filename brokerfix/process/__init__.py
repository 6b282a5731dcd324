"""The broker's process: wiring, loop, helpers."""
