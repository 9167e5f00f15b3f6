"""A whole fleet docking at the end of a shift: the units' real upload queues and the store's real slot allocator on a
simulated clock, over a simulated link. No process, no socket, no disk: ten thousand units in a minute or two."""
