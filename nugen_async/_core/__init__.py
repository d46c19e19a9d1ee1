"""The engine room: one road to the network, one poller, and the pure decisions that they obey."""
