"""The Faust side: agents that move bytes between topics."""
