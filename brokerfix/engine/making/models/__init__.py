"""Where a market maker quotes: formulas on floats, without orders, clocks or chance."""
