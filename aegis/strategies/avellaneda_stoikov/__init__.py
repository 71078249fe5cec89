"""Market making after Avellaneda and Stoikov, with the steady-state quotes of GLFT by default.

`parameters` is what the user sets, `strategy` the kernel. The formulas live in `quant`.
"""
