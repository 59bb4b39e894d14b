"""Commands of the control topic: what operators ask, who must sign it, and what it would change.  No Kafka in here."""
