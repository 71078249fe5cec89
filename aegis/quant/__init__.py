"""Formulas of market making, volatility and fair price, as pure kernels.

One file a subject; each function names the paper or the document its formula comes from. Nothing
here reads memory it was not given, allocates, or raises: arguments outside a formula's domain give
NaN, and the caller quotes nothing on a NaN.
"""
