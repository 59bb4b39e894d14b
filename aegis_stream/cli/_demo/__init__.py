"""The parts of `aegis demo`: a broker, processes, the story, and what is shown of it."""
