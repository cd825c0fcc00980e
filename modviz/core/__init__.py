"""The words both sides of modviz speak: graph, partition, statistics, analysis.

Nothing in this package imports torch or a user interface, so a saved analysis can be read,
tabulated and drawn by a process that has neither.
"""
