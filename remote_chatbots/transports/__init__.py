"""The drivers: the only I/O of the package. Each performs effects and hands events on; neither decides anything."""
