"""Disputes about a drawn batch: traces, the first operation that differs, and the referees."""
