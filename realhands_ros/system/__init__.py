"""The running system: graph, launch, supervisor, player, recorder, listener, doctor."""
