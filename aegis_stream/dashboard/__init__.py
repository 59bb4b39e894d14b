"""The operators' page: what the control topic, the enrichers and the dead-letter topic say, and nothing to press.

It follows the control topic with the rotation agent's public keys, asks enrichers for their metrics and reads the
headers of dead letters.  It holds no private key and writes nothing.  `aegis dashboard` runs it; see
docs/dashboard.md.
"""
