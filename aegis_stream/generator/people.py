"""Invented people, systems and sentences that the generated events are made of."""

from __future__ import annotations

FIRST_NAMES = ("mara", "jonas", "aiko", "teodor", "ines", "kwame", "lucia", "piotr", "nadia", "felix", "oona", "ravi")
LAST_NAMES = ("lindqvist", "okafor", "tanaka", "ferreira", "novak", "brandt", "haddad", "moreau", "kim", "osei")
DEPARTMENTS = ("risk", "security", "platform", "payments", "data", "legal", "treasury", "operations")

SYSTEMS = ("ledger", "credit-scoring", "settlement", "fraud-model", "customer-index", "pricing", "batch-export")
CHANGES = (
    "raise the daily limit of {system} for verified merchants",
    "retrain {system} with the data of the last quarter",
    "move {system} to the second region before the freeze",
    "let {system} read the archive for thirty days",
    "shorten the retention of {system} to ninety days",
    "replace the manual review of {system} by sampling",
)
JUSTIFICATIONS = (
    "The regulator's deadline is on Friday and the failing gate measures a system that is no longer in use.",
    "Customers of two banks cannot be paid until this is released; the risk was accepted by phone at 07:40.",
    "The novelty score is high only because the training set was renamed; content and owners are the same.",
    "A rollback was rehearsed this morning with the people on call and takes four minutes.",
)
RATIONALES = (
    "Both leads signed, the exposure is bounded to one region, and the change is undone within minutes if it fails.",
    "The evidence shows the same error rate as last month; the gate's threshold is to be reviewed separately.",
    "Declined: the justification names a deadline, not a reason why waiting would harm anybody.",
    "Accepted for seven days with a daily report to the risk committee; it lapses by itself.",
)
GATES = ("risk", "profit", "novelty", "complexity", "quality", "utility")
STATES = ("draft", "proposed", "evaluated", "override_pending", "approved", "released")
