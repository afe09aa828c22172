"""Results of training: collaborative factors and neighbor lists, ranking models, trending constants.

The mathematics of training belongs in `scoring`; this package stores and reads its results.
"""
